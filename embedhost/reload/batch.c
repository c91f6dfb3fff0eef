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

/* Where a commit failed after it (no memory is left), it isn't called again for the version that stayed. */
static void record_call_unload(struct batch *batch, struct record *record)
{
	PyObject *name = record->told ? NULL : PyUnicode_FromString(record->name);

	record->told = true;
	if (name)
		hooks_unload(batch->report, name, PyModule_GetDict(record->module));
	Py_XDECREF(name);
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
	for (size_t i = 0; i < count; i++)
		record_call_unload(batch, records[i]);
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
			lines_show(member->path, member->record ? member->record->source : NULL);
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
	Py_CLEAR(batch->observers);
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
		record->placed = 0;
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

/* One that was there before the batch is what the new version's has become. */
static void observers_join(PyObject *callbacks)
{
	for (Py_ssize_t i = 0; i < PyList_GET_SIZE(callbacks); i++) {
		PyObject *callback = PyList_GET_ITEM(callbacks, i);
		int known = PySequence_Contains(engine->observers, callback);

		if (known < 0 || (!known && PyList_Append(engine->observers, callback) < 0))
			PyErr_Clear();
	}
}

static int batch_run(struct batch *batch, PyObject *changed, PyObject *deleted)
{
	if (!batch->added || !batch->foreign || !batch->deleted || !batch->hidden ||
		!batch->caches || !batch->rehash || !batch->observers)
		return -1;
	if (batch_add_deleted(batch, deleted) < 0 || batch_build(batch, changed) < 0 ||
		batch_run_bodies(batch) < 0)
		return -1;
	if (commit_settle(batch) < 0 || batch_call_unload(batch) < 0 || previous_save(batch) < 0)
		return -1;
	return commit_apply(batch);
}

static int apply(struct batch *batch, PyObject *changed, PyObject *deleted)
{
	struct report *report = batch->report;
	int result;

	collector_collect_due();
	if (collector_pause(&batch->pause) < 0)
		return -1;
	engine->current = batch;
	batch->added = PyDict_New();
	batch->foreign = PyList_New(0);
	batch->deleted = PySet_New(NULL);
	batch->hidden = PySet_New(NULL);
	batch->rehash = PyList_New(0);
	batch->caches = PyList_New(0);
	batch->observers = PyList_New(0);
	result = batch_run(batch, changed, deleted);
	if (result < 0) {
		if (!batch->failed && report_add_error(report, engine->empty) < 0)
			PyErr_Clear();
		PyErr_Clear();
		if (batch->again)
			batch_try_again();
		rollback_foreign(batch);
		batch_restore_lines(batch);
		PyList_SetSlice(report->reloaded, 0, PyList_GET_SIZE(report->reloaded), NULL);
		PyList_SetSlice(report->unloaded, 0, PyList_GET_SIZE(report->unloaded), NULL);
		result = 1;
	}
	collector_resume(&batch->pause);
	journal_finish(&batch->journal);
	if (result == 0) {
		class_move_registrations(batch);
		batch_call_reload(batch);
		observers_join(batch->observers);
	}
	if (result == 0)
		aliases_note(batch);
	engine->current = NULL;
	batch_finish(batch);
	collector_collect_due();
	return result;
}

/* 0: in effect; 1: given up, with the reasons in the report. */
int batch_apply(PyObject *changed, PyObject *deleted, struct report *report)
{
	/* Not on the C stack: a body may switch to another greenlet, which takes a piece of that away. */
	struct batch *batch = calloc(1, sizeof(*batch));
	int result;

	if (!batch) {
		PyErr_NoMemory();
		return -1;
	}
	batch->thread = PyThread_get_thread_ident();
	batch->report = report;
	result = apply(batch, changed, deleted);
	free(batch);
	return result;
}
