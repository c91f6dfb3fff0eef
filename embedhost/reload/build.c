/* SPDX-License-Identifier: MIT */
/*
 * Which modules a batch is about: those that changed, those whose bodies used them, those that a body
 * imports first, those that go; with their sources read and compiled.
 */
#include "batch.h"

static struct member *member_create(struct batch *batch, PyObject *name, enum member_kind kind)
{
	const char *text = PyUnicode_AsUTF8(name);
	struct member *member = text ? calloc(1, sizeof(*member)) : NULL;

	if (!member) {
		PyErr_NoMemory();
		return NULL;
	}
	member->name = Py_NewRef(name);
	member->text = text;
	member->kind = kind;
	HASH_ADD_KEYPTR(hh, batch->members, member->text, strlen(text), member);
	return member;
}

static char *spec_path(PyObject *spec)
{
	PyObject *origin = PyObject_GetAttrString(spec, "origin"), *bytes = NULL;
	char *path = NULL;

	if (origin && PyUnicode_FSConverter(origin, &bytes)) {
		path = strdup(PyBytes_AS_STRING(bytes));
		if (!path)
			PyErr_NoMemory();
	}
	Py_XDECREF(bytes);
	Py_XDECREF(origin);
	return path;
}

static int member_locate(struct member *member)
{
	struct record *record = member->record;

	member->spec =
		finder_find_known(member->name, record_is_placed(record) ? record->path : NULL);
	if (!member->spec)
		return -1;
	if (member->spec == Py_None || !spec_is_ours(member->spec)) {
		PyErr_Format(PyExc_ModuleNotFoundError,
			"module %R has no source in a watched directory any more", member->name);
		return -1;
	}
	member->path = spec_path(member->spec);
	if (!member->path)
		return -1;
	if (strcmp(member->path, record->path) != 0)
		engine_watch_file(member->path);
	else if (!record_is_placed(record))
		record_place(record);
	return 0;
}

/* An affected module runs the bytes that it was last seen with; a stat that shows nothing new
 * spares reading them. */
static int member_read(struct member *member)
{
	struct record *record = member->record;
	struct source source = {0};

	if (source_read_batch(member->path, &source) < 0)
		return -1;
	member->bytes = source.bytes;
	member->stamp = source.stamp;
	record->stamp = source.stamp;
	record_set(&record->seen, Py_NewRef(source.bytes));
	return 0;
}

static int member_prepare(struct member *member)
{
	struct record *record = member->record;

	member->live = Py_NewRef(record->module);
	member->live_dict = Py_NewRef(PyModule_GetDict(record->module));
	if (member_locate(member) < 0 || member_read(member) < 0)
		return -1;
	if (lines_show(member->path, member->bytes) < 0)
		return -1;
	member->code = source_compile(member->bytes, member->path);
	return member->code ? member_create_scratch(member) : -1;
}

static int batch_add_record(struct batch *batch, struct record *record)
{
	PyObject *name = PyUnicode_FromString(record->name);
	struct member *member;

	if (!name)
		return -1;
	member = batch_find(batch, name);
	if (!member) {
		member = member_create(batch, name, MEMBER_RUNS);
		if (member)
			member->record = record;
	}
	Py_DECREF(name);
	return member ? 0 : -1;
}

/* A package that only stands in, or a module beside the one that has the name. */
static int run_unrecorded(PyObject *module, const char *path)
{
	struct source source = {0};
	PyObject *dict = PyModule_GetDict(module), *code = NULL, *result = NULL;

	if (source_read_batch(path, &source) == 0)
		code = source_compile(source.bytes, path);
	if (code && PyDict_SetItemString(dict, "__builtins__", engine->builtins) == 0)
		result = PyEval_EvalCode(code, dict, dict);
	Py_XDECREF(source.bytes);
	Py_XDECREF(code);
	Py_XDECREF(result);
	return result ? 0 : -1;
}

/* It is the one that an import of the name gives now. */
static bool has_its_name(
	struct batch *batch, struct member *member, PyObject *module, PyObject *name)
{
	PyObject *named;

	if (member && member->kind == MEMBER_RUNS)
		return module == member->replacement;
	named = PyDict_GetItemWithError(batch->added, name);
	if (!named)
		named = PyDict_GetItemWithError(engine->modules, name);
	PyErr_Clear();
	return module == named;
}

static int member_run_first(
	struct batch *batch, struct member *member, PyObject *module, const char *path)
{
	struct source source = {0};

	record_set(&member->spec, PyObject_GetAttrString(module, "__spec__"));
	record_set(&member->live, Py_NewRef(module));
	record_set(&member->scratch, Py_NewRef(module));
	record_set(&member->live_dict, Py_NewRef(PyModule_GetDict(module)));
	record_set(&member->dict, Py_NewRef(PyModule_GetDict(module)));
	free(member->path);
	member->path = strdup(path);
	engine_watch_file(path);
	if (!member->path || source_read_batch(path, &source) < 0)
		return -1;
	record_set(&member->bytes, source.bytes);
	member->stamp = source.stamp;
	lines_show(path, source.bytes);
	record_set(&member->code, source_compile(source.bytes, path));
	if (!member->code)
		return batch_fail(batch, member->name);
	return member_run(batch, member);
}

/* A watched module that some body of the batch imports first, or asks importlib.reload() for: then the new
 * version of a member runs once, or did. */
static int add_named(struct batch *batch, PyObject *name, PyObject *module, const char *path)
{
	struct member *member = batch_find(batch, name);

	if (member && member->kind == MEMBER_RUNS && module == member->scratch)
		return 0;
	if (!has_its_name(batch, member, module, name))
		return run_unrecorded(module, path);
	if (!member)
		member = member_create(batch, name, MEMBER_NEW);
	return member ? member_run_first(batch, member, module, path) : -1;
}

int batch_add_new(struct batch *batch, PyObject *module, const char *path)
{
	PyObject *spec = PyObject_GetAttrString(module, "__spec__"), *name = NULL;
	int result = -1;

	if (spec)
		name = PyObject_GetAttrString(spec, "name");
	if (name && PyUnicode_Check(name))
		result = add_named(batch, name, module, path);
	else if (name)
		PyErr_Format(PyExc_ImportError, "%R: its __spec__ has no name", module);
	Py_XDECREF(name);
	Py_XDECREF(spec);
	return result;
}

static int batch_add_users(struct batch *batch, PyObject *name)
{
	PyObject *users = PyDict_GetItemWithError(engine->users, name), *iterator, *user;
	int result = 0;

	if (!users)
		return PyErr_Occurred() ? -1 : 0;
	iterator = PyObject_GetIter(users);
	while (iterator && result == 0 && (user = PyIter_Next(iterator))) {
		struct record *record = record_find(user);

		if (record && PySet_Contains(batch->deleted, user) == 0)
			result = batch_add_record(batch, record);
		Py_DECREF(user);
	}
	Py_XDECREF(iterator);
	return PyErr_Occurred() ? -1 : result;
}

/* Whoever used a member in its body is one too; they are added at the end, and looked at in turn. */
static int batch_add_affected(struct batch *batch, PyObject *changed)
{
	PyObject *iterator = PyObject_GetIter(changed), *name;
	struct member *member;
	int result = iterator ? 0 : -1;

	while (result == 0 && (name = PyIter_Next(iterator))) {
		result = batch_add_users(batch, name);
		Py_DECREF(name);
	}
	Py_XDECREF(iterator);
	for (member = batch->members; result == 0 && member; member = member->hh.next)
		result = batch_add_users(batch, member->name);
	return PyErr_Occurred() ? -1 : result;
}

static int batch_add_changed(struct batch *batch, PyObject *changed)
{
	PyObject *iterator = PyObject_GetIter(changed), *name;
	int result = iterator ? 0 : -1;

	while (result == 0 && (name = PyIter_Next(iterator))) {
		struct record *record = record_find(name);

		if (record)
			result = batch_add_record(batch, record);
		Py_DECREF(name);
	}
	Py_XDECREF(iterator);
	return PyErr_Occurred() ? -1 : result;
}

static int by_order(struct member *a, struct member *b)
{
	uint64_t x = a->record ? a->record->order : UINT64_MAX;
	uint64_t y = b->record ? b->record->order : UINT64_MAX;

	return x < y ? -1 : x > y;
}

/* Every module that can't even be read or compiled is reported, not only the first. */
int batch_build(struct batch *batch, PyObject *changed)
{
	struct member *member, *next;

	if (batch_add_changed(batch, changed) < 0 || batch_add_affected(batch, changed) < 0)
		return -1;
	HASH_SORT(batch->members, by_order);
	HASH_ITER (hh, batch->members, member, next) {
		if (member_prepare(member) == 0)
			continue;
		batch->failed = true;
		if (report_add_error(batch->report, member->name) < 0)
			return -1;
	}
	return batch->failed ? -1 : order_members(batch);
}

static bool has_prefix(PyObject *name, PyObject *prefix)
{
	Py_ssize_t length = PyUnicode_GET_LENGTH(prefix);

	return PyUnicode_GET_LENGTH(name) > length &&
	       PyUnicode_Tailmatch(name, prefix, 0, length, -1) == 1 &&
	       PyUnicode_READ_CHAR(name, length) == '.';
}

/* The loaded children of what goes, go. */
int batch_add_deleted(struct batch *batch, PyObject *deleted)
{
	PyObject *loaded = PyDict_Keys(engine->modules), *gone = PySequence_List(deleted);
	int result = loaded && gone ? 0 : -1;

	for (Py_ssize_t i = 0; result == 0 && i < PyList_GET_SIZE(gone); i++) {
		PyObject *name = PyList_GET_ITEM(gone, i);

		result = PySet_Add(batch->deleted, name);
		for (Py_ssize_t k = 0; result == 0 && k < PyList_GET_SIZE(loaded); k++)
			if (PyUnicode_Check(PyList_GET_ITEM(loaded, k)) &&
				has_prefix(PyList_GET_ITEM(loaded, k), name))
				result = PySet_Add(batch->deleted, PyList_GET_ITEM(loaded, k));
	}
	Py_XDECREF(loaded);
	Py_XDECREF(gone);
	return result;
}
