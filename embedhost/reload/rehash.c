/* SPDX-License-Identifier: MIT */
/*
 * Dicts and sets with keys that hash by what is in them: a bound method, a union of types, a named
 * tuple, an object with a __hash__ of its own. When what is in them is mapped, they hash differently,
 * and are not found any more where they lie.
 *
 * Before anything is rewritten, the containers of such keys are noted. When the commit is done they are
 * filled anew; not before, because hashing may be Python code. (Functions and classes, and tuples and
 * frozen sets of them, hash in C: those are replaced within the commit, see map_get_deep().)
 */
#include "batch.h"

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
static bool key_changes(struct batch *batch, PyObject *key)
{
	if (!PyObject_IS_GC(key) || PyType_Check(key) ||
		Py_TYPE(key)->tp_hash == PyBaseObject_Type.tp_hash)
		return false;
	if (PyTuple_CheckExact(key) || PyFrozenSet_CheckExact(key)) {
		if (map_touches(batch, key))
			return false; /* it is replaced */
	}
	return refers(batch, key, 2);
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

/* The keys hash without an error: then none is lost. */
static bool keys_hash(PyObject *keys)
{
	for (Py_ssize_t i = 0; i < PyList_GET_SIZE(keys); i++)
		if (PyObject_Hash(PyList_GET_ITEM(keys, i)) == -1)
			return false;
	return true;
}

/* By position: nothing can be looked up in it. */
static PyObject *dict_copy_blindly(PyObject *dict)
{
	PyObject *copy = PyDict_New(), *key, *value;
	Py_ssize_t position = 0;
	Py_hash_t hash;

	while (copy && _PyDict_Next(dict, &position, &key, &value, &hash))
		if (_PyDict_SetItem_KnownHash(copy, key, value, hash) < 0)
			Py_CLEAR(copy);
	return copy;
}

static void dict_rehash(PyObject *dict)
{
	PyObject *copy = dict_copy_blindly(dict), *keys = copy ? PyDict_Keys(copy) : NULL;
	PyObject *key, *value;
	Py_ssize_t position = 0;

	if (keys && keys_hash(keys) && dict_clear(dict) == 0)
		while (PyDict_Next(copy, &position, &key, &value))
			if (dict_add(dict, key, value, -1) < 0)
				PyErr_Clear();
	Py_XDECREF(keys);
	Py_XDECREF(copy);
}

static void set_rehash(PyObject *set)
{
	PyObject *keys = PySequence_List(set);
	PyTypeObject *type = Py_TYPE(set);

	if (keys && keys_hash(keys)) {
		if (!PySet_Check(set))
			Py_SET_TYPE(set, &PySet_Type);
		PySet_Clear(set);
		for (Py_ssize_t i = 0; i < PyList_GET_SIZE(keys); i++)
			if (PySet_Add(set, PyList_GET_ITEM(keys, i)) < 0)
				PyErr_Clear();
		Py_SET_TYPE(set, type);
		((PySetObject *)set)->hash = -1;
	}
	Py_XDECREF(keys);
}

void rehash_all(struct batch *batch)
{
	for (Py_ssize_t i = 0; i < PyList_GET_SIZE(batch->rehash); i++) {
		PyObject *container = PyList_GET_ITEM(batch->rehash, i);

		if (PyDict_Check(container))
			dict_rehash(container);
		else
			set_rehash(container);
		PyErr_Clear();
	}
}
