/* SPDX-License-Identifier: MIT */
/*
 * The course of a batch. One runs at a time, under the engine's lock; see batch.h for its stages.
 */
#include "batch.h"
#include "../watch/watch.h"

struct member *batch_find(struct batch *batch, PyObject *name)
{
	const char *text = PyUnicode_AsUTF8(name);
	struct member *member = NULL;

	if (text)
		HASH_FIND_STR(batch->members, text, member);
	else
		PyErr_Clear();
	return member;
}

/* The first failure is the one to report: those that follow come of it. */
int batch_fail(struct batch *batch, PyObject *name)
{
	PyObject *type, *value, *traceback;

	if (batch->failed)
		return -1;
	batch->failed = true;
	PyErr_Fetch(&type, &value, &traceback);
	PyErr_NormalizeException(&type, &value, &traceback);
	if (traceback)
		PyException_SetTraceback(value, traceback);
	PyErr_Restore(Py_XNewRef(type), Py_XNewRef(value), Py_XNewRef(traceback));
	if (report_add_error(batch->report, name) < 0)
		PyErr_Clear();
	PyErr_Restore(type, value, traceback);
	return -1;
}

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
	member->spec = finder_find(member->name);
	if (!member->spec)
		return -1;
	if (member->spec == Py_None || !finder_owns_spec(member->spec)) {
		PyErr_Format(PyExc_ModuleNotFoundError,
			"module %R has no source in a watched directory any more", member->name);
		return -1;
	}
	member->path = spec_path(member->spec);
	return member->path ? 0 : -1;
}

/* An affected module runs the bytes that it was last seen with; a stat that shows nothing new
 * spares reading them. */
static int member_read(struct member *member)
{
	struct record *record = member->record;
	struct source source = {0};

	engine_watch_file(member->path);
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
	if (source_show_lines(member->path, member->bytes) < 0)
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

/* A watched module that some body of the batch imports first. */
int batch_add_new(struct batch *batch, PyObject *module, const char *path)
{
	PyObject *spec = PyObject_GetAttrString(module, "__spec__"), *name = NULL;
	struct member *member = NULL;
	struct source source = {0};

	if (spec)
		name = PyObject_GetAttrString(spec, "name");
	if (name)
		member = batch_find(batch, name);
	if (name && !member)
		member = member_create(batch, name, MEMBER_NEW);
	Py_XDECREF(name);
	if (!member) {
		Py_XDECREF(spec);
		return -1;
	}
	member->spec = spec;
	record_set(&member->live, Py_NewRef(module));
	record_set(&member->scratch, Py_NewRef(module));
	record_set(&member->live_dict, Py_NewRef(PyModule_GetDict(module)));
	record_set(&member->dict, Py_NewRef(PyModule_GetDict(module)));
	member->path = strdup(path);
	engine_watch_file(path);
	if (!member->path || source_read_batch(path, &source) < 0)
		return -1;
	record_set(&member->bytes, source.bytes);
	member->stamp = source.stamp;
	source_show_lines(path, source.bytes);
	record_set(&member->code, source_compile(source.bytes, path));
	if (!member->code)
		return batch_fail(batch, member->name);
	return member_run(batch, member);
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
static int batch_build(struct batch *batch, PyObject *changed)
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

static int batch_run_bodies(struct batch *batch)
{
	struct member *member;
	int result = 0;

	if (overlay_begin(batch) < 0)
		return -1;
	/* Bodies may add members, always at the end. */
	for (member = batch->members; result == 0 && member; member = member->hh.next)
		if (member->state == MEMBER_WAITING)
			result = member_run(batch, member);
	overlay_end(batch);
	return batch->failed ? -1 : result;
}

static bool has_prefix(PyObject *name, PyObject *prefix)
{
	Py_ssize_t length = PyUnicode_GET_LENGTH(prefix);

	return PyUnicode_GET_LENGTH(name) > length &&
	       PyUnicode_Tailmatch(name, prefix, 0, length, -1) == 1 &&
	       PyUnicode_READ_CHAR(name, length) == '.';
}

/* The loaded children of what goes, go. */
static int batch_add_deleted(struct batch *batch, PyObject *deleted)
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

static int later_first(const void *a, const void *b)
{
	uint64_t x = (*(struct record *const *)a)->order, y = (*(struct record *const *)b)->order;

	return x > y ? -1 : x < y;
}

static size_t records_that_go(struct batch *batch, struct record **records)
{
	PyObject *iterator = PyObject_GetIter(batch->deleted), *name;
	struct member *member;
	size_t count = 0;

	for (member = batch->members; member; member = member->hh.next)
		if (member->kind == MEMBER_RUNS)
			records[count++] = member->record;
	while (iterator && (name = PyIter_Next(iterator))) {
		struct record *record = record_find(name);

		if (record)
			records[count++] = record;
		Py_DECREF(name);
	}
	Py_XDECREF(iterator);
	PyErr_Clear();
	return count;
}

/* Those that were imported last go first. */
static int batch_call_unload(struct batch *batch)
{
	size_t room = HASH_COUNT(batch->members) + (size_t)PySet_GET_SIZE(batch->deleted) + 1;
	struct record **records = calloc(room, sizeof(struct record *));
	size_t count = records ? records_that_go(batch, records) : 0;

	if (!records) {
		PyErr_NoMemory();
		return -1;
	}
	qsort(records, count, sizeof(struct record *), later_first);
	for (size_t i = 0; i < count; i++) {
		PyObject *name = PyUnicode_FromString(records[i]->name);

		if (name)
			hooks_unload(batch->report, name, PyModule_GetDict(records[i]->module));
		Py_XDECREF(name);
	}
	free(records);
	return 0;
}

static void batch_call_reload(struct batch *batch)
{
	struct member *member;

	for (member = batch->members; member; member = member->hh.next)
		if (member->kind == MEMBER_RUNS && member->previous)
			hooks_reload(
				batch->report, member->name, member->live_dict, member->previous);
}

static int previous_save(struct batch *batch)
{
	struct member *member;

	for (member = batch->members; member; member = member->hh.next) {
		if (member->kind != MEMBER_RUNS)
			continue;
		member->previous = PyDict_Copy(member->live_dict);
		if (!member->previous)
			return -1;
	}
	return 0;
}

static void foreign_remove(PyObject *name, PyObject *module)
{
	PyObject *tail = NULL, *dict = parent_dict(name, &tail);

	if (dict && tail && PyDict_GetItemWithError(dict, tail) == module)
		PyDict_DelItem(dict, tail);
	PyDict_DelItem(engine->modules, name);
	Py_XDECREF(tail);
}

/* Modules from elsewhere that only the failed attempt imported go again, but extension modules:
 * many can't be initialised a second time. */
static void rollback_foreign(struct batch *batch)
{
	for (Py_ssize_t i = 0; i < PyList_GET_SIZE(batch->foreign); i++) {
		PyObject *name = PyList_GET_ITEM(batch->foreign, i);
		PyObject *module = PyDict_GetItemWithError(engine->modules, name);
		PyObject *file = module ? PyObject_GetAttrString(module, "__file__") : NULL;
		bool pure = file && PyUnicode_Check(file) && PyUnicode_GET_LENGTH(file) > 3 &&
			    PyUnicode_READ_CHAR(file, PyUnicode_GET_LENGTH(file) - 2) == 'p';

		if (pure)
			foreign_remove(name, module);
		Py_XDECREF(file);
		PyErr_Clear();
	}
}

/* Lines shown are those of the versions that go on. */
static void batch_restore_lines(struct batch *batch)
{
	struct member *member;

	for (member = batch->members; member; member = member->hh.next)
		if (member->path)
			source_show_lines(
				member->path, member->record ? member->record->source : NULL);
	PyErr_Clear();
}

static void batch_finish(struct batch *batch)
{
	struct member *member, *next;

	HASH_ITER (hh, batch->members, member, next) {
		HASH_DEL(batch->members, member);
		member_destroy(member);
	}
	map_finish(&batch->map);
	map_finish(&batch->codes);
	map_finish(&batch->taken);
	map_finish(&batch->young);
	map_finish(&batch->due);
	Py_CLEAR(batch->caches);
	Py_CLEAR(batch->rehash);
	Py_CLEAR(batch->hidden);
	Py_CLEAR(batch->added);
	Py_CLEAR(batch->foreign);
	Py_CLEAR(batch->deleted);
}

/* What was read counts as not seen yet: the next look finds it. */
static void batch_try_again(void)
{
	for (struct record *record = engine->records; record; record = record->hh.next) {
		PyObject *name;

		if (!record->seen && !record->gone && !record->moved)
			continue;
		record_set(&record->seen, NULL);
		record->gone = record->moved = false;
		name = PyUnicode_FromString(record->name);
		if (!name || PySet_Add(engine->late, name) < 0)
			PyErr_Clear();
		Py_XDECREF(name);
	}
	watch_nudge(engine->watch);
}

/* Its memory is on the stack of a thread that is gone. */
void batch_abandon(struct batch *batch)
{
	if (engine->batch)
		overlay_end(batch);
	collector_resume(&batch->pause);
	batch_try_again();
}

static int batch_run(struct batch *batch, PyObject *changed, PyObject *deleted)
{
	if (!batch->added || !batch->foreign || !batch->deleted || !batch->hidden ||
		!batch->caches || !batch->rehash)
		return -1;
	if (batch_add_deleted(batch, deleted) < 0 || batch_build(batch, changed) < 0 ||
		batch_run_bodies(batch) < 0)
		return -1;
	if (batch_call_unload(batch) < 0 || previous_save(batch) < 0)
		return -1;
	return commit_apply(batch);
}

/* 0: in effect; 1: given up, with the reasons in the report. */
int batch_apply(PyObject *changed, PyObject *deleted, struct report *report)
{
	struct batch batch = {.thread = PyThread_get_thread_ident(), .report = report};
	int result;

	collector_collect_young();
	if (collector_pause(&batch.pause) < 0)
		return -1;
	engine->current = &batch;
	batch.added = PyDict_New();
	batch.foreign = PyList_New(0);
	batch.deleted = PySet_New(NULL);
	batch.hidden = PySet_New(NULL);
	batch.rehash = PyList_New(0);
	batch.caches = PyList_New(0);
	result = batch_run(&batch, changed, deleted);
	if (result < 0) {
		if (!batch.failed && report_add_error(report, engine->empty) < 0)
			PyErr_Clear();
		PyErr_Clear();
		if (batch.again)
			batch_try_again();
		rollback_foreign(&batch);
		batch_restore_lines(&batch);
		PyList_SetSlice(report->reloaded, 0, PyList_GET_SIZE(report->reloaded), NULL);
		PyList_SetSlice(report->unloaded, 0, PyList_GET_SIZE(report->unloaded), NULL);
		result = 1;
	}
	collector_resume(&batch.pause);
	journal_finish(&batch.journal);
	if (result == 0) {
		class_move_registrations(&batch);
		batch_call_reload(&batch);
	}
	if (result == 0)
		aliases_note(&batch);
	engine->current = NULL;
	batch_finish(&batch);
	collector_collect_young();
	return result;
}
