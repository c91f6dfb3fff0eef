/* SPDX-License-Identifier: MIT */
/*
 * What changed since the last look.
 *
 * The bytes decide: a stamp that is the same and old enough to be trusted spares reading them, any
 * other is only a reason to look. A file that is gone may have moved (a module that became a
 * package); if its name leads nowhere any more, the module is deleted. Names that some body asked
 * for in vain are looked for again.
 */
#include "batch.h"

#include <errno.h>

/* The module's name leads to another file than it was loaded from. */
static int record_moved(struct record *record, PyObject *name, bool *ret_moved, bool *ret_gone)
{
	PyObject *spec = finder_find(name), *origin;
	const char *path;

	if (!spec)
		return -1;
	*ret_gone = spec == Py_None || !finder_owns_spec(spec);
	*ret_moved = false;
	if (!*ret_gone) {
		origin = PyObject_GetAttrString(spec, "origin");
		path = origin && PyUnicode_Check(origin) ? PyUnicode_AsUTF8(origin) : NULL;
		*ret_moved = path && strcmp(path, record->path) != 0;
		Py_XDECREF(origin);
	}
	PyErr_Clear();
	Py_DECREF(spec);
	return 0;
}

static int record_read(struct record *record, bool *ret_fresh)
{
	struct source source;
	PyObject *latest = record->seen ? record->seen : record->source;
	int same;

	if (source_read(record->path, &source) < 0) {
		PyErr_Clear(); /* not readable right now: the next look tells */
		return 0;
	}
	record->stamp = source.stamp;
	same = PyObject_RichCompareBool(source.bytes, latest, Py_EQ);
	if (same == 0) {
		*ret_fresh = true;
		record_set(&record->seen, Py_NewRef(source.bytes));
	}
	Py_DECREF(source.bytes);
	return same < 0 ? -1 : 0;
}

static bool record_differs(struct record *record)
{
	return record->seen && PyObject_RichCompareBool(record->seen, record->source, Py_EQ) == 0;
}

static int record_look(struct record *record, PyObject *name, PyObject *changed, PyObject *deleted,
	bool *ret_fresh)
{
	struct stamp stamp;
	bool moved = false, gone = false;
	int err = stamp_read(record->path, &stamp);

	if (err || engine->structure_changed) {
		if (record_moved(record, name, &moved, &gone) < 0)
			return -1;
		if (moved || gone != record->gone)
			*ret_fresh = *ret_fresh || gone != record->gone || moved;
		record->gone = gone;
		if (gone)
			return PySet_Add(deleted, name);
		if (moved)
			return PySet_Add(changed, name);
	}
	if (!err && (stamp.racy || record->stamp.racy || !stamp_same(&stamp, &record->stamp)) &&
		record_read(record, ret_fresh) < 0)
		return -1;
	return record_differs(record) ? PySet_Add(changed, name) : 0;
}

static int look_for_wanted(PyObject *changed, bool *ret_fresh)
{
	PyObject *names = PySequence_List(engine->wanted);
	int result = names ? 0 : -1;

	for (Py_ssize_t i = 0; result == 0 && i < PyList_GET_SIZE(names); i++) {
		PyObject *name = PyList_GET_ITEM(names, i), *spec = finder_find(name);

		result = spec ? 0 : -1;
		if (spec && spec != Py_None) {
			*ret_fresh = true;
			result = PySet_Add(changed, name);
			PySet_Discard(engine->wanted, name);
		}
		Py_XDECREF(spec);
	}
	Py_XDECREF(names);
	return result;
}

/* The imports of a body that failed: what was not there may appear. */
void detect_want(PyObject *events)
{
	PyObject *type, *value, *traceback;

	PyErr_Fetch(&type, &value, &traceback);
	for (Py_ssize_t i = 0; i < PyList_GET_SIZE(events); i++) {
		PyObject *name = PyTuple_GET_ITEM(PyList_GET_ITEM(events, i), 0);

		if (!PyDict_GetItemWithError(engine->modules, name))
			PySet_Add(engine->wanted, name);
	}
	PyErr_Clear();
	PyErr_Restore(type, value, traceback);
}

int detect_changes(PyObject *ret_changed, PyObject *ret_deleted, bool *ret_fresh)
{
	struct record *record, *next;

	HASH_ITER (hh, engine->records, record, next) {
		PyObject *name = PyUnicode_FromString(record->name);
		int result = -1;

		if (name)
			result = record_look(record, name, ret_changed, ret_deleted, ret_fresh);
		Py_XDECREF(name);
		if (result < 0)
			return -1;
	}
	return look_for_wanted(ret_changed, ret_fresh);
}
