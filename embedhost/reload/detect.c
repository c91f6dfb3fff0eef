/* SPDX-License-Identifier: MIT */
/*
 * What changed since the last look.
 *
 * The watch says where to look, the bytes decide: an event is only a reason to read, and a touch
 * changes nothing. A path stands for the module that was loaded from it and for the name that it
 * would have, so that a file that hides another (a package beside a module, a directory earlier on
 * the path) is seen. Names that a body asked for in vain are looked for when something appears.
 *
 * A module that differs from what runs stays unsettled until a batch puts it into effect, and is
 * part of every later attempt.
 */
#include "batch.h"
#include "../watch/watch.h"

#include <errno.h>
#include <limits.h>

struct look {
	PyObject *names; /* set: records to look at */
	bool structure;  /* something came or went */
};

/* Where the module's name leads now, if that is another file than it was loaded from. */
static int record_moved(struct record *record, PyObject *name, bool *ret_moved, bool *ret_gone)
{
	PyObject *spec = finder_find(name), *origin;
	const char *path;

	if (!spec)
		return -1;
	*ret_gone = spec == Py_None || !spec_is_ours(spec);
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

/* A stamp spares reading a file of which there is no other news. */
static bool stamp_tells(struct record *record)
{
	struct stamp stamp;

	return !record->stamp.racy && stamp_read(record->path, &stamp) == 0 && !stamp.racy &&
	       stamp_same(&stamp, &record->stamp);
}

static int record_read(struct record *record, bool sweep, bool *ret_fresh)
{
	PyObject *latest = record->seen ? record->seen : record->source;
	struct source source;
	int same;

	if (sweep && stamp_tells(record))
		return 0;
	if (source_read_batch(record->path, &source) < 0) {
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

static int record_look(struct record *record, PyObject *name, bool sweep, bool *ret_fresh)
{
	bool moved = false, gone = false;

	if (watch_is_lost(engine->watch, record->path))
		return 0;
	if (record_is_placed(record))
		return record_read(record, sweep, ret_fresh);
	if (record_moved(record, name, &moved, &gone) < 0)
		return -1;
	if (moved != record->moved || gone != record->gone)
		*ret_fresh = true;
	record->moved = moved;
	record->gone = gone;
	record->placed = 0;
	if (moved || gone)
		return 0;
	record_place(record);
	return record_read(record, sweep, ret_fresh);
}

static bool record_is_unsettled(struct record *record)
{
	return record->gone || record->moved ||
	       (record->seen && PyObject_RichCompareBool(record->seen, record->source, Py_EQ) == 0);
}

static int note_record(struct look *look, struct record *record)
{
	PyObject *name;
	int result;

	if (!record)
		return 0;
	name = PyUnicode_FromString(record->name);
	result = name ? PySet_Add(look->names, name) : -1;
	Py_XDECREF(name);
	return result;
}

static int note_path(struct look *look, const char *path)
{
	struct record *record = record_find_path(path);
	int result = 0;

	for (; result == 0 && record; record = record->twin)
		result = note_record(look, record);
	return result;
}

/* a/b.py and a/b/__init__.py hide each other. */
static int note_stem(struct look *look, const char *stem)
{
	char path[PATH_MAX + 16];
	int result;

	snprintf(path, sizeof(path), "%s.py", stem);
	result = note_path(look, path);
	snprintf(path, sizeof(path), "%s/__init__.py", stem);
	return result < 0 ? -1 : note_path(look, path);
}

/* A body that went on without it (try: import fast) may do better now. */
static bool somebody_used(PyObject *name)
{
	PyObject *users = PyDict_GetItemWithError(engine->users, name);

	return users && PySet_GET_SIZE(users) > 0;
}

/* Something wanted may be there now; a namespace package may have become a regular one. */
static int note_name(struct look *look, const char *text, bool structure)
{
	PyObject *name = PyUnicode_FromString(text), *module;
	int result = 0;

	if (!name)
		return -1;
	module = PyDict_GetItemWithError(engine->modules, name);
	if (structure && !module && somebody_used(name))
		result = PySet_Add(engine->wanted, name);
	if (PySet_Contains(engine->wanted, name) == 1)
		look->structure = true;
	if (!structure)
		module = NULL;
	if (module && PyModule_Check(module) && !record_find(name) && !load_is_running(module))
		result = load_adopt_namespace(name, module);
	if (result == 0 && structure)
		result = note_record(look, record_find(name));
	Py_DECREF(name);
	return result;
}

/* The name that it would have below each root. */
static int note_names(struct look *look, const char *stem, bool structure)
{
	char name[PATH_MAX];

	for (Py_ssize_t i = 0; i < PyList_GET_SIZE(engine->roots); i++) {
		const char *root = PyUnicode_AsUTF8(PyList_GET_ITEM(engine->roots, i));
		size_t length = root ? strlen(root) : 0;

		if (!root || strncmp(stem, root, length) != 0 || stem[length] != '/')
			continue;
		snprintf(name, sizeof(name), "%s", stem + length + 1);
		for (char *c = name; *c; c++)
			if (*c == '/')
				*c = '.';
		if (note_name(look, name, structure) < 0)
			return -1;
	}
	PyErr_Clear();
	return 0;
}

/* A directory came or went: whatever was loaded from below it. */
static int note_below(struct look *look, const char *stem)
{
	size_t length = strlen(stem);

	for (struct record *record = engine->records; record; record = record->hh.next)
		if (strncmp(record->path, stem, length) == 0 && record->path[length] == '/' &&
			note_record(look, record) < 0)
			return -1;
	return 0;
}

static bool cut_suffix(char *text, const char *suffix)
{
	size_t length = strlen(text), cut = strlen(suffix);

	if (length <= cut || strcmp(text + length - cut, suffix) != 0)
		return false;
	text[length - cut] = '\0';
	return true;
}

static int note_change(const struct watch_change *change, void *data)
{
	struct look *look = data;
	char stem[PATH_MAX];
	bool file;

	if (snprintf(stem, sizeof(stem), "%s", change->path) >= (int)sizeof(stem))
		return 0;
	file = cut_suffix(stem, "/__init__.py") || cut_suffix(stem, ".py");
	if (change->structure)
		look->structure = true;
	if (note_path(look, change->path) < 0)
		return -1;
	if (note_names(look, stem, change->structure) < 0)
		return -1;
	if (!change->structure)
		return 0;
	if (note_stem(look, stem) < 0)
		return -1;
	return file ? 0 : note_below(look, stem);
}

static int note_all(struct look *look)
{
	look->structure = true;
	for (struct record *record = engine->records; record; record = record->hh.next)
		if (note_record(look, record) < 0)
			return -1;
	return 0;
}

static int collect(PyObject *changed, PyObject *deleted)
{
	for (struct record *record = engine->records; record; record = record->hh.next) {
		PyObject *name;
		int result;

		if (!record_is_unsettled(record))
			continue;
		name = PyUnicode_FromString(record->name);
		result = name ? PySet_Add(record->gone ? deleted : changed, name) : -1;
		Py_XDECREF(name);
		if (result < 0)
			return -1;
	}
	return 0;
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

static void want(PyObject *name)
{
	if (name && !PyDict_GetItemWithError(engine->modules, name))
		PySet_Add(engine->wanted, name);
}

/* The imports of a body that were in vain: what was not there may appear. */
void detect_want(PyObject *events)
{
	PyObject *type, *value, *traceback, *name, *items, *full;

	PyErr_Fetch(&type, &value, &traceback);
	for (Py_ssize_t i = 0; i < PyList_GET_SIZE(events); i++) {
		name = PyTuple_GET_ITEM(PyList_GET_ITEM(events, i), 0);
		items = PyTuple_GET_ITEM(PyList_GET_ITEM(events, i), 1);
		want(name);
		for (Py_ssize_t k = 0; PyTuple_Check(items) && k < PyTuple_GET_SIZE(items); k++) {
			full = PyUnicode_FromFormat("%U.%U", name, PyTuple_GET_ITEM(items, k));
			want(full);
			Py_XDECREF(full);
		}
	}
	PyErr_Clear();
	PyErr_Restore(type, value, traceback);
}

static int look_at(PyObject *names, bool sweep, bool *ret_fresh)
{
	PyObject *list = PySequence_List(names);
	int result = list ? 0 : -1;

	for (Py_ssize_t i = 0; result == 0 && i < PyList_GET_SIZE(list); i++) {
		PyObject *name = PyList_GET_ITEM(list, i);
		struct record *record = record_find(name);

		if (record)
			result = record_look(record, name, sweep, ret_fresh);
	}
	Py_XDECREF(list);
	return result;
}

/* A look that came while a module was first run found nobody to look at for what had changed. */
static int note_late(struct look *look)
{
	if (!PySet_GET_SIZE(engine->late))
		return 0;
	if (_PySet_Update(look->names, engine->late) < 0)
		return -1;
	return PySet_Clear(engine->late);
}

/* The import that began when there had been as many looks as `looks` is done. */
int detect_after_load(PyObject *name, uint64_t looks)
{
	if (engine->looks == looks)
		return 0;
	watch_nudge(engine->watch);
	return PySet_Add(engine->late, name);
}

int detect_changes(PyObject *changed, PyObject *deleted, bool *ret_fresh)
{
	struct look look = {PySet_New(NULL), false};
	bool sweep = false;
	int result = -1;

	if (!look.names)
		return -1;
	engine->looks++;
	if (watch_take(engine->watch, note_change, &look, &sweep) < 0 && !PyErr_Occurred())
		sweep = true;
	if (PyErr_Occurred() || (sweep && note_all(&look) < 0))
		goto out;
	if (look.structure)
		engine->layout++;
	if (note_late(&look) < 0)
		goto out;
	result = 0;
	if (PySet_GET_SIZE(look.names))
		result = look_at(look.names, sweep, ret_fresh);
	if (result == 0 && look.structure)
		result = look_for_wanted(changed, ret_fresh);
	if (result == 0 && *ret_fresh)
		result = collect(changed, deleted);
out:
	Py_DECREF(look.names);
	return result;
}
