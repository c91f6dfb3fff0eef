/* SPDX-License-Identifier: MIT */
/*
 * What can be asked of the engine. One thread at a time is in here; it waits for the lock without
 * the GIL. A call from within a batch (a module's body or a hook that polls) does nothing.
 *
 * A body may wait for another thread: for one that it has started, or for a lock. So who polls waits
 * for a batch only for a moment, and who wants a certain module in effect waits longer, but not for ever, and not
 * if the batch may have started the thread.
 */
#include "batch.h"
#include "../watch/clock.h"

#include <stdlib.h>

#define POLL_MICROSECONDS 100000

/* How long a call other than poll() waits. */
static PY_TIMEOUT_T patience(void)
{
#ifdef PYMODHOST_FAULT_POINTS
	const char *milliseconds = getenv("PYMODHOST_PATIENCE");

	if (milliseconds)
		return strtol(milliseconds, NULL, 10) * 1000;
#endif
	return 10 * 1000000;
}

static bool started_meanwhile(void)
{
	return PyEval_GetFrame() && PyThreadState_Get()->id > engine->newest;
}

static bool api_lock(bool brief)
{
	PY_TIMEOUT_T wait = brief ? POLL_MICROSECONDS : patience();
	PyLockStatus got;

	if (PyThread_acquire_lock(engine->lock, NOWAIT_LOCK))
		return true;
	if (!brief && started_meanwhile())
		return false;
	Py_BEGIN_ALLOW_THREADS got = PyThread_acquire_lock_timed(engine->lock, wait, 0);
	Py_END_ALLOW_THREADS return got == PY_LOCK_ACQUIRED;
}

/* As a generator has exceptions of its own (Objects/genobject.c, gen_send_ex2), but not on top of its caller's. */
static void handling_begin(void)
{
	PyThreadState *thread = PyThreadState_Get();

	engine->handling = (_PyErr_StackItem){0};
	engine->callers = thread->exc_info;
	thread->exc_info = &engine->handling;
}

static void handling_end(void)
{
	PyThreadState_Get()->exc_info = engine->callers;
	Py_CLEAR(engine->handling.exc_value);
}

static bool api_enter(bool brief)
{
	unsigned long self = PyThread_get_thread_ident();

	if (engine->owner == self || !api_lock(brief))
		return false;
	engine->owner = self;
	engine->newest = frames_newest_thread();
	handling_begin();
	return true;
}

static PyObject *api_leave(struct report *report)
{
	report->seconds = clock_seconds() - report->seconds;
	report_deliver(report);
	handling_end();
	engine->owner = 0;
	PyThread_release_lock(engine->lock);
	return (PyObject *)report;
}

static void report_refusal(struct report *report)
{
	PyErr_SetString(PyExc_RuntimeError,
		"another thread's reload runs, which may wait for this thread: nothing was done");
	if (report_add_error(report, engine->empty) < 0)
		PyErr_Clear();
}

static struct report *api_begin(bool brief, bool *ret_entered)
{
	struct report *report = report_create();

	*ret_entered = report && api_enter(brief);
	if (!report || *ret_entered)
		return report;
	report->seconds = 0;
	if (!brief && engine->owner != PyThread_get_thread_ident())
		report_refusal(report);
	return report;
}

static void sort_into(PyObject *list, PyObject *set)
{
	PyObject *names = PySequence_List(set);

	if (names && PyList_Sort(names) == 0)
		PyList_SetSlice(list, PyList_GET_SIZE(list), PyList_GET_SIZE(list), names);
	Py_XDECREF(names);
}

/* What is to run again, unless its file is gone: then it goes too. */
static int add_forced(PyObject *force, PyObject *changed, PyObject *deleted)
{
	PyObject *names = PySequence_List(force);
	int result = names ? 0 : -1;

	for (Py_ssize_t i = 0; result == 0 && i < PyList_GET_SIZE(names); i++) {
		PyObject *name = PyList_GET_ITEM(names, i);
		struct record *record = record_find(name);

		result = PySet_Add(record && record->gone ? deleted : changed, name);
	}
	Py_XDECREF(names);
	return result;
}

/* Everything that is not in effect: changed since, or failed before and changed again. */
static int poll_locked(struct report *report, PyObject *force)
{
	PyObject *changed = PySet_New(NULL), *deleted = PySet_New(NULL);
	bool fresh = false;
	int result = -1;

	if (!changed || !deleted || detect_changes(changed, deleted, &fresh) < 0)
		goto out;
	result = 0;
	if (!fresh && !force)
		goto out;
	sort_into(report->changed, changed);
	sort_into(report->changed, deleted);
	if (force && add_forced(force, changed, deleted) < 0)
		result = -1;
	else if (PySet_GET_SIZE(changed) || PySet_GET_SIZE(deleted))
		result = batch_apply(changed, deleted, report);
out:
	source_forget_batch();
	Py_XDECREF(changed);
	Py_XDECREF(deleted);
	return result;
}

static PyObject *apply(PyObject *force)
{
	bool entered;
	struct report *report = api_begin(!force, &entered);

	if (!entered)
		return (PyObject *)report;
	if (poll_locked(report, force) < 0 && report_add_error(report, engine->empty) < 0)
		PyErr_Clear();
	return api_leave(report);
}

PyObject *engine_poll(void)
{
	return apply(NULL);
}

static PyObject *fail(PyObject *module, PyObject *exception, const char *text)
{
	bool entered;
	struct report *report = api_begin(true, &entered);

	if (!report)
		return NULL;
	PyErr_Format(exception, text, module);
	if (report_add_error(report, module) < 0)
		PyErr_Clear();
	return entered ? api_leave(report) : (PyObject *)report;
}

PyObject *engine_reload(PyObject *name)
{
	PyObject *names, *report;

	if (!record_find(name))
		return fail(name, PyExc_ModuleNotFoundError,
			"module %R is not loaded from a watched directory");
	names = PySet_New(NULL);
	report = names && PySet_Add(names, name) == 0 ? apply(names) : NULL;
	Py_XDECREF(names);
	return report;
}

PyObject *engine_reload_all(void)
{
	PyObject *names = PySet_New(NULL), *report = NULL, *name;
	struct record *record, *next;

	HASH_ITER (hh, engine->records, record, next) {
		name = PyUnicode_FromString(record->name);
		if (!names || !name || PySet_Add(names, name) < 0)
			Py_CLEAR(names);
		Py_XDECREF(name);
	}
	if (names)
		report = apply(names);
	Py_XDECREF(names);
	return report;
}

PyObject *engine_unload(PyObject *name)
{
	PyObject *changed, *deleted;
	struct report *report;
	bool entered;
	int result = -1;

	if (!PyDict_GetItemWithError(engine->modules, name))
		return fail(name, PyExc_ModuleNotFoundError, "module %R is not loaded");
	report = api_begin(false, &entered);
	if (!entered)
		return (PyObject *)report;
	changed = PySet_New(NULL);
	deleted = PySet_New(NULL);
	if (changed && deleted && PySet_Add(deleted, name) == 0)
		result = batch_apply(changed, deleted, report);
	if (result < 0 && report_add_error(report, name) < 0)
		PyErr_Clear();
	Py_XDECREF(changed);
	Py_XDECREF(deleted);
	return api_leave(report);
}

PyObject *engine_load(PyObject *name)
{
	bool entered;
	struct report *report = api_begin(true, &entered);
	uint64_t order = engine->order;
	PyObject *module;

	if (!report)
		return NULL;
	module = PyImport_Import(name);
	if (!module && report_add_error(report, name) < 0)
		PyErr_Clear();
	Py_XDECREF(module);
	for (struct record *record = engine->records; record; record = record->hh.next) {
		PyObject *loaded =
			record->order > order ? PyUnicode_FromString(record->name) : NULL;

		if (loaded && report_add_event(report, "loaded", loaded, 1, 0) < 0)
			PyErr_Clear();
		Py_XDECREF(loaded);
	}
	return entered ? api_leave(report) : (PyObject *)report;
}

int engine_add_observer(PyObject *callback)
{
	return PyList_Append(
		batch_is_mine() ? engine->current->observers : engine->observers, callback);
}

static PyObject *run_code(PyObject *text, PyObject *filename)
{
	PyObject *globals = PyDict_New(), *code = NULL, *result = NULL;
	PyCompilerFlags flags = {.cf_flags = PyCF_SOURCE_IS_UTF8 | PyCF_IGNORE_COOKIE,
		.cf_feature_version = PY_MINOR_VERSION};
	Py_ssize_t size;
	const char *source = PyUnicode_AsUTF8AndSize(text, &size);

	if (source && strlen(source) != (size_t)size)
		PyErr_SetString(PyExc_ValueError, "the text contains a null character");
	else if (source)
		code = Py_CompileStringObject(source, filename, Py_file_input, &flags, -1);
	if (globals && code && PyDict_SetItemString(globals, "__builtins__", engine->builtins) == 0)
		result = PyEval_EvalCode(code, globals, globals);
	Py_XDECREF(code);
	Py_XDECREF(globals);
	return result;
}

/* Not under the lock: the text may poll. */
PyObject *engine_run(PyObject *text, PyObject *filename)
{
	struct report *report = report_create();
	PyObject *result;

	if (!report)
		return NULL;
	result = run_code(text, filename);
	if (!result && report_add_error(report, filename) < 0)
		PyErr_Clear();
	Py_XDECREF(result);
	Py_CLEAR(report->events);
	report->seconds = clock_seconds() - report->seconds;
	return (PyObject *)report;
}

PyObject *engine_source(PyObject *name)
{
	PyObject *spec = finder_find(name), *loader = NULL, *text = NULL;

	if (spec && spec != Py_None)
		loader = PyObject_GetAttrString(spec, "loader");
	else if (spec)
		PyErr_Format(PyExc_ModuleNotFoundError, "no module %R", name);
	if (loader)
		text = PyObject_CallMethod(loader, "get_source", "O", name);
	Py_XDECREF(loader);
	Py_XDECREF(spec);
	return text;
}
