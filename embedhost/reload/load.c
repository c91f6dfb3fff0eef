/* SPDX-License-Identifier: MIT */
/*
 * First imports of watched modules: the stock import system's work, but for the bytes that are read
 * and the record that is made. Inside a batch, on its thread, the module joins the batch instead
 * and is only seen by others once that is in effect.
 */
#include "batch.h"

static PyObject *module_name(PyObject *module)
{
	PyObject *spec = PyObject_GetAttrString(module, "__spec__"), *name = NULL;

	if (spec)
		name = PyObject_GetAttrString(spec, "name");
	Py_XDECREF(spec);
	return name;
}

static int record_fill(struct record *record, PyObject *module, const char *path,
	const struct source *source, PyObject *code, PyObject *events)
{
	PyObject *dict = PyModule_GetDict(module);

	if (record_set_path(record, path) < 0)
		return -1;
	record->stamp = source->stamp;
	record->version++;
	record_set(&record->module, Py_NewRef(module));
	record_set(&record->source, Py_NewRef(source->bytes));
	record_set(&record->seen, NULL);
	record_set(&record->code, Py_NewRef(code));
	if (record_set_uses(record, track_uses(events, code, dict)) < 0)
		return -1;
	record_set(&record->defined, PyFrozenSet_New(dict));
	record_set(&record->inner_names, record_inner_names(dict));
	return record->uses && record->defined && record->inner_names ? 0 : -1;
}

/* A module that was made of the name's spec beside the one that has the name is nobody's: a private copy. */
static bool has_its_name(PyObject *module, PyObject *name)
{
	PyObject *named = PyDict_GetItemWithError(engine->modules, name);

	PyErr_Clear();
	return named == module;
}

static int run_and_record(
	PyObject *module, PyObject *name, const char *path, const struct source *source)
{
	PyObject *dict = PyModule_GetDict(module), *code, *result, *events;
	bool known = has_its_name(module, name);
	struct record *record;
	struct body *body = NULL;
	uint64_t order = ++engine->order;
	int status = -1;

	code = source_compile(source->bytes, path);
	if (code && PyDict_SetItemString(dict, "__builtins__", engine->builtins) == 0)
		body = track_begin(dict);
	if (!body) {
		Py_XDECREF(code);
		return -1;
	}
	result = PyEval_EvalCode(code, dict, dict);
	events = track_end(body);
	if (!result)
		detect_want(events);
	else if (!known)
		status = 0;
	else if (record_create(name, &record) == 0) {
		if (record->version == 0)
			record->order = order;
		status = record_fill(record, module, path, source, code, events);
		if (status == 0)
			record_set_stand_in(record, PyDict_GetItemWithError(engine->modules, name));
	}
	Py_XDECREF(result);
	Py_DECREF(events);
	Py_DECREF(code);
	return status;
}

int load_module(PyObject *module, const char *path)
{
	struct source source = {0};
	PyObject *name;
	uint64_t looks;
	int result = -1;

	if (!engine) {
		PyErr_SetString(PyExc_ImportError, "the module's host has ended");
		return -1;
	}
	if (batch_is_mine())
		return batch_add_new(engine->batch, module, path);
	name = module_name(module);
	engine_watch_file(path);
	looks = engine->looks;
	if (name && source_read(path, &source) == 0)
		result = run_and_record(module, name, path, &source);
	if (result == 0)
		result = detect_after_load(name, looks);
	Py_XDECREF(source.bytes);
	Py_XDECREF(name);
	return result;
}

/* All that the body's code may import counts: nobody saw which of it ran. */
static PyObject *events_of_code(PyObject *code)
{
	struct analysis analysis;
	PyObject *events, *event, *import;

	if (analyze_code(code, &analysis) < 0)
		return NULL;
	events = PyList_New(0);
	for (Py_ssize_t i = 0; events && i < PyList_GET_SIZE(analysis.imports); i++) {
		import = PyList_GET_ITEM(analysis.imports, i);
		event = Py_BuildValue("(OOOO)", PyTuple_GET_ITEM(import, 1),
			PyTuple_GET_ITEM(import, 2), Py_True, PyTuple_GET_ITEM(import, 0));
		if (!event || PyList_Append(events, event) < 0)
			Py_CLEAR(events);
		Py_XDECREF(event);
	}
	analysis_finish(&analysis);
	return events;
}

static int adopt_compiled(
	PyObject *module, PyObject *name, const char *path, struct source *source, PyObject *code)
{
	PyObject *events = events_of_code(code);
	struct record *record;
	int result = -1;

	if (events && track_resolve(events, PyModule_GetDict(module)) == 0 &&
		record_create(name, &record) == 0)
		result = record_fill(record, module, path, source, code, events);
	Py_XDECREF(events);
	return result;
}

/* By another thread: it gets its record when that is done. */
bool load_is_running(PyObject *module)
{
	PyObject *spec = PyObject_GetAttrString(module, "__spec__"), *flag = NULL;
	bool running;

	if (spec)
		flag = PyObject_GetAttrString(spec, "_initializing");
	running = flag == Py_True;
	Py_XDECREF(flag);
	Py_XDECREF(spec);
	PyErr_Clear();
	return running;
}

/* A namespace package that got an __init__: so far its body was empty. */
int load_adopt_namespace(PyObject *name, PyObject *module)
{
	struct source source = {.bytes = PyBytes_FromString("")};
	PyObject *code = NULL, *spec = finder_find(name), *origin = NULL, *events = PyList_New(0);
	const char *path = NULL;
	struct record *record;
	int result = 0;

	if (spec && spec_is_ours(spec))
		origin = PyObject_GetAttrString(spec, "origin");
	if (origin && PyUnicode_Check(origin))
		path = PyUnicode_AsUTF8(origin);
	if (path && source.bytes && events)
		code = source_compile(source.bytes, path);
	if (code)
		engine_watch_file(path);
	if (code && record_create(name, &record) == 0)
		result = record_fill(record, module, path, &source, code, events);
	if (code && result == 0)
		record_set(&record->defined, PyFrozenSet_New(NULL));
	Py_XDECREF(events);
	Py_XDECREF(origin);
	Py_XDECREF(spec);
	Py_XDECREF(code);
	Py_XDECREF(source.bytes);
	return PyErr_Occurred() ? -1 : result;
}

/* A file that can't be read or compiled is no reason to refuse: its module runs. It is looked at
 * when it changes. */
int load_adopt(PyObject *module, PyObject *name, const char *path)
{
	struct source source = {0};
	PyObject *code = NULL;
	int result = 0;

	engine_watch_file(path);
	if (source_read(path, &source) == 0)
		code = source_compile(source.bytes, path);
	PyErr_Clear();
	if (code)
		result = adopt_compiled(module, name, path, &source, code);
	Py_XDECREF(code);
	Py_XDECREF(source.bytes);
	return result;
}
