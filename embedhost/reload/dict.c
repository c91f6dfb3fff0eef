/* SPDX-License-Identifier: MIT */
/*
 * Dicts and sets whose keys may hash or compare by Python code, which must not run within a commit:
 * an enumeration's members, data classes, tuples with such. Their values are set by position, and
 * their contents exchanged as a whole (internal/pycore_dict.h and setobject.h of CPython 3.11).
 */
#define Py_BUILD_CORE 1 /* before Python.h */
#include "batch.h"

#include <internal/pycore_dict.h>

static bool is_of_identity(PyTypeObject *type)
{
	return type->tp_hash == PyBaseObject_Type.tp_hash &&
	       (!type->tp_richcompare || type->tp_richcompare == PyBaseObject_Type.tp_richcompare);
}

static bool tuple_is_plain(PyObject *tuple)
{
	for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(tuple); i++)
		if (!key_is_plain(PyTuple_GET_ITEM(tuple, i)))
			return false;
	return true;
}

static bool set_is_plain(PyObject *set)
{
	Py_ssize_t position = 0;
	PyObject *key;
	Py_hash_t hash;

	while (_PySet_NextEntry(set, &position, &key, &hash))
		if (!key_is_plain(key))
			return false;
	return true;
}

bool key_is_plain(PyObject *key)
{
	if (PyTuple_CheckExact(key))
		return tuple_is_plain(key);
	if (PyFrozenSet_CheckExact(key))
		return set_is_plain(key);
	return PyUnicode_CheckExact(key) || PyLong_CheckExact(key) || PyBytes_CheckExact(key) ||
	       PyFloat_CheckExact(key) || PyBool_Check(key) || is_of_identity(Py_TYPE(key));
}

static bool has_strings_only(PyObject *dict)
{
	return DK_IS_UNICODE(((PyDictObject *)dict)->ma_keys);
}

bool dict_is_plain(PyObject *dict)
{
	Py_ssize_t position = 0;
	PyObject *key, *value;

	if (has_strings_only(dict))
		return true;
	while (PyDict_Next(dict, &position, &key, &value))
		if (!key_is_plain(key))
			return false;
	return true;
}

/* position as PyDict_Next() left it. NULL: all keys are strings, for which there is the API. */
PyObject **dict_value_at(PyObject *dict, Py_ssize_t position)
{
	if (has_strings_only(dict))
		return NULL;
	return &DK_ENTRIES(((PyDictObject *)dict)->ma_keys)[position - 1].me_value;
}

/* By the key's identity; NULL if it is not there. */
PyObject **dict_value_of(PyObject *dict, PyObject *wanted)
{
	Py_ssize_t position = 0;
	PyObject *key, *value;

	while (PyDict_Next(dict, &position, &key, &value))
		if (key == wanted)
			return dict_value_at(dict, position);
	return NULL;
}

/* Differs when the dict was changed in between. */
uint64_t dict_state(PyObject *dict)
{
	return ((PyDictObject *)dict)->ma_version_tag;
}

/* Neither is an OrderedDict. */
void dict_exchange(PyObject *a, PyObject *b)
{
	PyDictObject *x = (PyDictObject *)a, *y = (PyDictObject *)b, before = *x;

	x->ma_used = y->ma_used;
	x->ma_keys = y->ma_keys;
	x->ma_values = y->ma_values;
	x->ma_version_tag = y->ma_version_tag; /* nobody saw the other one */
	y->ma_used = before.ma_used;
	y->ma_keys = before.ma_keys;
	y->ma_values = before.ma_values;
	y->ma_version_tag = before.ma_version_tag;
}

static void set_take(PySetObject *to, const PySetObject *from)
{
	to->fill = from->fill;
	to->used = from->used;
	to->mask = from->mask;
	to->finger = from->finger;
	memcpy(to->smalltable, from->smalltable, sizeof(to->smalltable));
	to->table = from->table == from->smalltable ? to->smalltable : from->table;
	to->hash = -1;
}

/* Small sets have their table in themselves. */
void set_exchange(PyObject *a, PyObject *b)
{
	PySetObject *x = (PySetObject *)a, *y = (PySetObject *)b, before = *x;
	bool inside = x->table == x->smalltable;

	set_take(x, y);
	set_take(y, &before);
	if (inside)
		y->table = y->smalltable;
}

/* An OrderedDict has a list of its keys beside the table, in an order of its own. */
PyObject *odict_copy(PyObject *dict)
{
	PyObject *copy = PyDict_New(), *iterator = PyODict_Type.tp_iter(dict), *key, *value;

	while (copy && iterator && (key = PyIter_Next(iterator))) {
		value = PyDict_GetItemWithError(dict, key);
		if (!value || PyDict_SetItem(copy, key, value) < 0)
			Py_CLEAR(copy);
		Py_DECREF(key);
	}
	Py_XDECREF(iterator);
	if (PyErr_Occurred())
		Py_CLEAR(copy);
	return copy;
}

int dict_clear(PyObject *dict)
{
	PyObject *result;

	if (!PyODict_Check(dict)) {
		PyDict_Clear(dict);
		return 0;
	}
	result = PyObject_CallMethod((PyObject *)&PyODict_Type, "clear", "O", dict);
	Py_XDECREF(result);
	return result ? 0 : -1;
}

/* hash -1: not known */
int dict_add(PyObject *dict, PyObject *key, PyObject *value, Py_hash_t hash)
{
	if (PyODict_Check(dict))
		return PyODict_SetItem(dict, key, value);
	return hash == -1 ? PyDict_SetItem(dict, key, value)
			  : _PyDict_SetItem_KnownHash(dict, key, value, hash);
}
