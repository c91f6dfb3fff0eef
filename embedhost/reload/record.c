/* SPDX-License-Identifier: MIT */
/*
 * Records: one for each loaded module that comes from a watched directory.
 *
 * A record says what the running version is: its bytes, what its body used, and which names it left
 * behind, so that a later version can take away what it no longer defines and leave alone what
 * others put there.
 */
#include "engine.h"

#include <limits.h>

struct record *record_find_text(const char *name)
{
	struct record *record = NULL;

	HASH_FIND_STR(engine->records, name, record);
	return record;
}

struct record *record_find(PyObject *name)
{
	const char *text = PyUnicode_Check(name) ? PyUnicode_AsUTF8(name) : NULL;

	if (!text) {
		PyErr_Clear();
		return NULL;
	}
	return record_find_text(text);
}

int record_create(PyObject *name, struct record **ret_record)
{
	struct record *record = record_find(name);
	const char *text = PyUnicode_AsUTF8(name);

	if (!text)
		return -1;
	if (!record) {
		record = calloc(1, sizeof(*record));
		if (!record || !(record->name = strdup(text))) {
			free(record);
			PyErr_NoMemory();
			return -1;
		}
		record->order = record->ended = ++engine->order;
		HASH_ADD_KEYPTR(hh, engine->records, record->name, strlen(record->name), record);
	}
	*ret_record = record;
	return 0;
}

struct record *record_find_path(const char *path)
{
	struct record *record;

	HASH_FIND(hh_path, engine->by_path, path, strlen(path), record);
	return record;
}

bool record_is_placed(const struct record *record)
{
	return record->placed == engine->layout;
}

/* It may become a package without a word to us: nobody watches what is in it. */
static bool has_directory_beside(const char *path)
{
	char stem[PATH_MAX];
	struct stat st;
	int length = (int)strlen(path) - 3;

	return length <= 0 ||
	       snprintf(stem, sizeof(stem), "%.*s", length, path) >= (int)sizeof(stem) ||
	       (stat(stem, &st) == 0 && S_ISDIR(st.st_mode));
}

void record_place(struct record *record)
{
	engine_watch_file(record->path);
	record->placed = has_directory_beside(record->path) ? 0 : engine->layout;
}

/* Two names can lead to one file (a directory is on the path twice): the first of them is in the
 * table, the others hang on it. */
static void path_add(struct record *record)
{
	struct record *first = record_find_path(record->path);

	if (first) {
		record->twin = first->twin;
		first->twin = record;
	} else {
		HASH_ADD_KEYPTR(
			hh_path, engine->by_path, record->path, strlen(record->path), record);
	}
}

static void path_remove(struct record *record)
{
	struct record *before = record_find_path(record->path);

	if (before == record) {
		HASH_DELETE(hh_path, engine->by_path, record);
		if (record->twin)
			HASH_ADD_KEYPTR(hh_path, engine->by_path, record->twin->path,
				strlen(record->twin->path), record->twin);
	} else {
		while (before->twin != record)
			before = before->twin;
		before->twin = record->twin;
	}
	record->twin = NULL;
}

int record_set_path(struct record *record, const char *path)
{
	char *copy;

	if (record->path && strcmp(record->path, path) == 0)
		return 0;
	copy = strdup(path);
	if (!copy) {
		PyErr_NoMemory();
		return -1;
	}
	if (record->path)
		path_remove(record);
	free(record->path);
	record->path = copy;
	record->placed = 0;
	path_add(record);
	return 0;
}

void record_set(PyObject **field, PyObject *value)
{
	PyObject *old = *field;

	*field = value;
	Py_XDECREF(old);
}

static int user_change(PyObject *used, PyObject *user, bool add)
{
	PyObject *users = PyDict_GetItemWithError(engine->users, used);
	int result;

	if (users)
		return add ? PySet_Add(users, user) : PySet_Discard(users, user);
	if (!add || PyErr_Occurred())
		return PyErr_Occurred() ? -1 : 0;
	users = PySet_New(NULL);
	result = users && PySet_Add(users, user) == 0 ? PyDict_SetItem(engine->users, used, users)
						      : -1;
	Py_XDECREF(users);
	return result;
}

static int users_change(PyObject *uses, PyObject *user, bool add)
{
	PyObject *iterator = uses ? PyObject_GetIter(uses) : NULL, *used;
	int result = 0;

	while (iterator && result >= 0 && (used = PyIter_Next(iterator))) {
		result = user_change(used, user, add);
		Py_DECREF(used);
	}
	Py_XDECREF(iterator);
	return PyErr_Occurred() ? -1 : 0;
}

int record_set_uses(struct record *record, PyObject *uses)
{
	PyObject *name = uses ? PyUnicode_FromString(record->name) : NULL;
	int result = -1;

	if (name && users_change(record->uses, name, false) == 0)
		result = users_change(uses, name, true);
	record_set(&record->uses, uses);
	Py_XDECREF(name);
	return result;
}

static void record_forget_uses(struct record *record)
{
	PyObject *name = PyUnicode_FromString(record->name);

	if (name)
		users_change(record->uses, name, false);
	PyErr_Clear();
	Py_XDECREF(name);
}

void record_set_stand_in(struct record *record, PyObject *object)
{
	record_set(&record->stand_in, object == record->module ? NULL : Py_XNewRef(object));
}

void record_forget(struct record *record)
{
	record_forget_uses(record);
	HASH_DEL(engine->records, record);
	if (record->path)
		path_remove(record);
	Py_XDECREF(record->module);
	Py_XDECREF(record->stand_in);
	Py_XDECREF(record->source);
	Py_XDECREF(record->seen);
	Py_XDECREF(record->code);
	Py_XDECREF(record->outdated);
	Py_XDECREF(record->uses);
	Py_XDECREF(record->defined);
	Py_XDECREF(record->inner_names);
	free(record->path);
	free(record->name);
	free(record);
}

static bool same_text(PyObject *a, PyObject *b)
{
	return a && PyUnicode_Check(a) && PyUnicode_Compare(a, b) == 0;
}

/* A module may say of its classes that they are another's, whose interface they belong to. */
static bool class_is_made_in(PyTypeObject *type, PyObject *dict)
{
	PyObject *name, *value;
	Py_ssize_t position = 0;

	while (PyDict_Next(type->tp_dict, &position, &name, &value))
		if (PyFunction_Check(value) && PyFunction_GET_GLOBALS(value) == dict)
			return true;
	return false;
}

/* Attributes that the source gave a function, a decorator among it. */
static int function_keys_add(
	PyObject *keys, PyObject *function, PyObject *module_name, PyObject *dict)
{
	PyFunctionObject *f = (PyFunctionObject *)function;
	PyObject *names;
	int result;

	if (!f->func_dict || !PyDict_GET_SIZE(f->func_dict) ||
		PyDict_Contains(keys, f->func_qualname) ||
		(!same_text(f->func_module, module_name) && f->func_globals != dict))
		return 0;
	names = PyFrozenSet_New(f->func_dict);
	result = names ? PyDict_SetItem(keys, f->func_qualname, names) : -1;
	Py_XDECREF(names);
	return result;
}

static int inner_keys_add(PyObject *keys, PyObject *value, PyObject *module_name, PyObject *dict);

static int class_keys_add(PyObject *keys, PyTypeObject *type, PyObject *module_name, PyObject *dict)
{
	PyObject *owner = PyDict_GetItemString(type->tp_dict, "__module__");
	PyObject *qualname = ((PyHeapTypeObject *)type)->ht_qualname, *names, *key, *value;
	Py_ssize_t position = 0;
	int result;

	if (PyDict_Contains(keys, qualname) ||
		(!same_text(owner, module_name) && !class_is_made_in(type, dict)))
		return 0;
	names = PyFrozenSet_New(type->tp_dict);
	result = names ? PyDict_SetItem(keys, qualname, names) : -1;
	Py_XDECREF(names);
	while (result == 0 && PyDict_Next(type->tp_dict, &position, &key, &value))
		result = inner_keys_add(keys, value, module_name, dict);
	return result;
}

static int inner_keys_add(PyObject *keys, PyObject *value, PyObject *module_name, PyObject *dict)
{
	if (PyFunction_Check(value))
		return function_keys_add(keys, value, module_name, dict);
	if (PyType_Check(value) && PyType_HasFeature((PyTypeObject *)value, Py_TPFLAGS_HEAPTYPE))
		return class_keys_add(keys, (PyTypeObject *)value, module_name, dict);
	return 0;
}

/* The attributes of all classes and functions of a module, so that what others put on them later
 * can be told from what the source defined. */
PyObject *record_inner_names(PyObject *dict)
{
	PyObject *module_name = PyDict_GetItemString(dict, "__name__");
	PyObject *keys = PyDict_New(), *key, *value;
	Py_ssize_t position = 0;

	if (!module_name || !PyUnicode_Check(module_name))
		return keys;
	while (keys && PyDict_Next(dict, &position, &key, &value))
		if (inner_keys_add(keys, value, module_name, dict) < 0)
			Py_CLEAR(keys);
	return keys;
}
