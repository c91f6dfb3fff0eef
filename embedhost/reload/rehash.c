/* SPDX-License-Identifier: MIT */
/*
 * Dicts and sets with keys that hash by what is in them: a bound method, a union of types, a named
 * tuple, an object with a __hash__ of its own. When what is in them is mapped, they hash differently,
 * and are not found any more where they lie.
 *
 * Before anything is rewritten, the containers of such keys are noted. When the commit is done they are
 * filled anew; not before, because hashing may be Python code. (Functions and classes, and tuples and
 * frozen sets of them, hash in C: those are replaced within the commit, see map_get_deep(), unless
 * something beside them doesn't.)
 */
#include "batch.h"

#define TRIES 100 /* a thread that changes a dict all the time is not waited for */

struct visit {
	struct batch *batch;
	int depth;
	bool touched;
};

static bool refers(struct batch *batch, PyObject *object, int depth);

static int visit_part(PyObject *object, void *data)
{
	struct visit *visit = data;

	if (map_touches(visit->batch, object) ||
		(visit->depth > 0 && !PyType_Check(object) && !PyModule_Check(object) &&
			!PyFunction_Check(object) && refers(visit->batch, object, visit->depth)))
		visit->touched = true;
	return visit->touched;
}

/* Whether something in the object, or in its namespace, is mapped. */
static bool refers(struct batch *batch, PyObject *object, int depth)
{
	struct visit visit = {batch, depth - 1, false};

	if (PyObject_IS_GC(object) && Py_TYPE(object)->tp_traverse)
		Py_TYPE(object)->tp_traverse(object, visit_part, &visit);
	return visit.touched;
}

/* Keys of all other kinds hash by their address or have no parts. */
bool rehash_is_due(struct batch *batch, PyObject *key)
{
	if (!PyObject_IS_GC(key) || PyType_Check(key) ||
		Py_TYPE(key)->tp_hash == PyBaseObject_Type.tp_hash ||
		Py_TYPE(key)->tp_hash == PyObject_HashNotImplemented)
		return false;
	return refers(batch, key, 2);
}

static bool key_changes(struct batch *batch, PyObject *key)
{
	if ((PyTuple_CheckExact(key) || PyFrozenSet_CheckExact(key)) && map_touches(batch, key))
		return !key_is_plain(key); /* else it is replaced */
	return due_has(batch, key) || rehash_is_due(batch, key);
}

int rehash_note(struct batch *batch, PyObject *container)
{
	PyObject *key, *value;
	Py_ssize_t position = 0;
	bool changes = false;
	Py_hash_t hash;

	if (PyDict_Check(container))
		while (!changes && PyDict_Next(container, &position, &key, &value))
			changes = !PyUnicode_CheckExact(key) && key_changes(batch, key);
	else
		while (!changes && _PySet_NextEntry(container, &position, &key, &hash))
			changes = key_changes(batch, key);
	return changes ? PyList_Append(batch->rehash, container) : 0;
}

int rehash_add(struct batch *batch, PyObject *container)
{
	return PyList_Append(batch->rehash, container);
}

/* By position: nothing can be looked up in it. */
static int copy_blindly(PyObject *dict, PyObject *keys, PyObject *values)
{
	Py_ssize_t position = 0;
	PyObject *key, *value;

	while (PyDict_Next(dict, &position, &key, &value))
		if (PyList_Append(keys, key) < 0 || PyList_Append(values, value) < 0)
			return -1;
	return 0;
}

/* NULL if a key no longer hashes: then all stay where they are. */
static PyObject *dict_of(struct batch *batch, PyObject *keys, PyObject *values)
{
	PyObject *dict = PyDict_New(), *key;

	for (Py_ssize_t i = 0; dict && i < PyList_GET_SIZE(keys); i++) {
		key = map_get_deep(batch, PyList_GET_ITEM(keys, i));
		if (!key || PyDict_SetItem(dict, key, PyList_GET_ITEM(values, i)) < 0)
			Py_CLEAR(dict);
		Py_XDECREF(key);
	}
	return dict;
}

static void odict_fill(PyObject *dict, PyObject *fresh)
{
	PyObject *key, *value;
	Py_ssize_t position = 0;

	if (dict_clear(dict) == 0)
		while (PyDict_Next(fresh, &position, &key, &value))
			if (dict_add(dict, key, value, -1) < 0)
				PyErr_Clear();
}

/* The new contents are made beside the old ones, for hashing lets other threads look; false: one of
 * them changed the dict meanwhile. */
static bool dict_rehash(struct batch *batch, PyObject *dict)
{
	PyObject *keys = PyList_New(0), *values = PyList_New(0), *fresh = NULL;
	uint64_t state = dict_state(dict);
	bool done = true;

	if (keys && values && copy_blindly(dict, keys, values) == 0)
		fresh = dict_of(batch, keys, values);
	if (fresh)
		done = dict_state(dict) == state;
	if (fresh && done && PyODict_Check(dict))
		odict_fill(dict, fresh);
	else if (fresh && done)
		dict_exchange(dict, fresh);
	Py_XDECREF(fresh);
	Py_XDECREF(values);
	Py_XDECREF(keys);
	return done;
}

static bool set_is_as(PyObject *set, PyObject *keys)
{
	Py_ssize_t position = 0, i = 0;
	PyObject *key;
	Py_hash_t hash;

	while (_PySet_NextEntry(set, &position, &key, &hash))
		if (i >= PyList_GET_SIZE(keys) || PyList_GET_ITEM(keys, i++) != key)
			return false;
	return i == PyList_GET_SIZE(keys);
}

static PyObject *set_of(struct batch *batch, PyObject *keys)
{
	PyObject *set = PySet_New(NULL), *key;

	for (Py_ssize_t i = 0; set && i < PyList_GET_SIZE(keys); i++) {
		key = map_get_deep(batch, PyList_GET_ITEM(keys, i));
		if (!key || PySet_Add(set, key) < 0)
			Py_CLEAR(set);
		Py_XDECREF(key);
	}
	return set;
}

static bool set_rehash(struct batch *batch, PyObject *set)
{
	PyObject *keys = PyList_New(0), *fresh = NULL, *key;
	Py_ssize_t position = 0;
	bool done = true;
	Py_hash_t hash;

	while (keys && _PySet_NextEntry(set, &position, &key, &hash))
		if (PyList_Append(keys, key) < 0)
			Py_CLEAR(keys);
	if (keys)
		fresh = set_of(batch, keys);
	if (fresh)
		done = set_is_as(set, keys);
	if (fresh && done)
		set_exchange(set, fresh);
	Py_XDECREF(fresh);
	Py_XDECREF(keys);
	return done;
}

static bool rehash_one(struct batch *batch, PyObject *container)
{
	bool done = PyDict_Check(container) ? dict_rehash(batch, container)
					    : set_rehash(batch, container);

	PyErr_Clear();
	return done;
}

void rehash_all(struct batch *batch)
{
	for (Py_ssize_t i = 0; i < PyList_GET_SIZE(batch->rehash); i++)
		for (int tries = 0; tries < TRIES; tries++)
			if (rehash_one(batch, PyList_GET_ITEM(batch->rehash, i)))
				break;
}
