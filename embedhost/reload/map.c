/* SPDX-License-Identifier: MIT */
/*
 * Maps between objects by identity, kept outside Python's heap so that a walk over it doesn't find
 * them. They hold references to both sides. A small filter answers most look-ups of the walk.
 */
#include "batch.h"

static size_t filter_bit(const void *pointer)
{
	uintptr_t bits = (uintptr_t)pointer >> 4;

	return (bits ^ bits >> 14) & 16383;
}

static int mapping_put(struct mapping **map, PyObject *from, PyObject *to)
{
	struct mapping *mapping;

	HASH_FIND_PTR(*map, &from, mapping);
	if (mapping)
		return 0;
	mapping = calloc(1, sizeof(*mapping));
	if (!mapping) {
		PyErr_NoMemory();
		return -1;
	}
	mapping->from = Py_NewRef(from);
	mapping->to = Py_NewRef(to);
	HASH_ADD_PTR(*map, from, mapping);
	return 0;
}

/* Two new objects can't become the same old one: the first keeps it. */
int map_add(struct batch *batch, PyObject *from, PyObject *to)
{
	size_t bit = filter_bit(from);
	struct mapping *taken;

	HASH_FIND_PTR(batch->taken, &to, taken);
	if (taken)
		return 0;
	if (mapping_put(&batch->taken, to, from) < 0)
		return -1;
	batch->filter[bit / 64] |= UINT64_C(1) << bit % 64;
	return mapping_put(&batch->map, from, to);
}

PyObject *map_get(struct batch *batch, PyObject *object)
{
	struct mapping *mapping = NULL;
	size_t bit = filter_bit(object);

	if (batch->filter[bit / 64] >> bit % 64 & 1)
		HASH_FIND_PTR(batch->map, &object, mapping);
	return mapping ? mapping->to : object;
}

/* References to the old class shall lead to the new one. */
int map_add_becomes(struct batch *batch, PyObject *old, PyObject *fresh)
{
	struct mapping *mapping;

	if (map_add(batch, old, fresh) < 0)
		return -1;
	HASH_FIND_PTR(batch->map, &old, mapping);
	if (mapping)
		mapping->becomes = batch->becomes = true;
	return 0;
}

bool map_becomes(struct batch *batch, PyObject *old)
{
	struct mapping *mapping = NULL;

	if (batch->becomes)
		HASH_FIND_PTR(batch->map, &old, mapping);
	return mapping && mapping->becomes;
}

PyObject *map_source(struct batch *batch, PyObject *to)
{
	struct mapping *taken;

	HASH_FIND_PTR(batch->taken, &to, taken);
	return taken ? taken->to : NULL;
}

bool map_is_taken(struct batch *batch, PyObject *to)
{
	return map_source(batch, to) != NULL;
}

/* What is compared by what is in it. */
static bool is_compound(PyObject *object)
{
	return PyTuple_CheckExact(object) || PyFrozenSet_CheckExact(object);
}

static PyObject *frozenset_map(struct batch *batch, PyObject *set)
{
	PyObject *result, *key, *mapped, *items;
	Py_ssize_t position = 0;
	Py_hash_t hash;

	if (!map_touches(batch, set))
		return Py_NewRef(set);
	items = PyList_New(0);
	while (items && _PySet_NextEntry(set, &position, &key, &hash)) {
		mapped = map_get_deep(batch, key);
		if (!mapped || PyList_Append(items, mapped) < 0)
			Py_CLEAR(items);
		Py_XDECREF(mapped);
	}
	result = items ? PyFrozenSet_New(items) : NULL;
	Py_XDECREF(items);
	return result;
}

static PyObject *tuple_map(struct batch *batch, PyObject *tuple)
{
	PyObject *result = PyTuple_New(PyTuple_GET_SIZE(tuple)), *item;
	bool same = true;

	for (Py_ssize_t i = 0; result && i < PyTuple_GET_SIZE(tuple); i++) {
		item = map_get_deep(batch, PyTuple_GET_ITEM(tuple, i));
		if (!item) {
			Py_CLEAR(result);
			break;
		}
		same = same && item == PyTuple_GET_ITEM(tuple, i);
		PyTuple_SET_ITEM(result, i, item);
	}
	if (result && same) {
		Py_DECREF(result);
		return Py_NewRef(tuple);
	}
	return result;
}

/* A new reference; tuples and frozen sets are mapped item by item. */
PyObject *map_get_deep(struct batch *batch, PyObject *object)
{
	if (PyTuple_CheckExact(object))
		return tuple_map(batch, object);
	if (PyFrozenSet_CheckExact(object))
		return frozenset_map(batch, object);
	return Py_NewRef(map_get(batch, object));
}

bool map_touches(struct batch *batch, PyObject *object)
{
	PyObject *key;
	Py_ssize_t position = 0;
	Py_hash_t hash;

	if (!is_compound(object))
		return map_get(batch, object) != object;
	if (PyFrozenSet_CheckExact(object)) {
		while (_PySet_NextEntry(object, &position, &key, &hash))
			if (map_touches(batch, key))
				return true;
		return false;
	}
	for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(object); i++)
		if (map_touches(batch, PyTuple_GET_ITEM(object, i)))
			return true;
	return false;
}

int young_add(struct batch *batch, PyObject *object)
{
	return mapping_put(&batch->young, object, object);
}

bool young_has(struct batch *batch, PyObject *object)
{
	struct mapping *mapping;

	HASH_FIND_PTR(batch->young, &object, mapping);
	return mapping != NULL;
}

int due_add(struct batch *batch, PyObject *key)
{
	return mapping_put(&batch->due, key, key);
}

bool due_has(struct batch *batch, PyObject *key)
{
	struct mapping *mapping;

	HASH_FIND_PTR(batch->due, &key, mapping);
	return mapping != NULL;
}

int codes_add(struct batch *batch, PyObject *old, PyObject *fresh)
{
	return mapping_put(&batch->codes, old, fresh);
}

PyObject *codes_get(struct batch *batch, PyObject *old)
{
	struct mapping *mapping;

	HASH_FIND_PTR(batch->codes, &old, mapping);
	return mapping ? mapping->to : NULL;
}

void map_finish(struct mapping **map)
{
	struct mapping *mapping, *next;

	HASH_ITER (hh, *map, mapping, next) {
		HASH_DEL(*map, mapping);
		Py_DECREF(mapping->from);
		Py_DECREF(mapping->to);
		free(mapping);
	}
}
