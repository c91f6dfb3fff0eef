/* SPDX-License-Identifier: MIT */
/*
 * What Python sees of a batch: Report, Error, Event. Plain values, nothing of the engine's inside.
 */
#include "engine.h"
#include "../watch/clock.h"

#include <structmember.h>

struct error {
	PyObject_HEAD PyObject *module, *traceback;
};

struct event {
	PyObject_HEAD PyObject *kind, *module, *traceback;
	unsigned long long version;
	double seconds;
};

static PyObject *error_str(PyObject *self)
{
	return Py_NewRef(((struct error *)self)->traceback);
}

static PyObject *error_repr(PyObject *self)
{
	return PyUnicode_FromFormat("<pymodhost.Error in %R>", ((struct error *)self)->module);
}

static void error_dealloc(PyObject *self)
{
	Py_XDECREF(((struct error *)self)->module);
	Py_XDECREF(((struct error *)self)->traceback);
	Py_TYPE(self)->tp_free(self);
}

static PyMemberDef error_members[] = {
	{"module", T_OBJECT, offsetof(struct error, module), READONLY, "dotted name, '' if none"},
	{"traceback", T_OBJECT, offsetof(struct error, traceback), READONLY, "what Python prints"},
	{NULL, 0, 0, 0, NULL},
};

PyTypeObject Error_Type = {
	PyVarObject_HEAD_INIT(NULL, 0).tp_name = "pymodhost.Error",
	.tp_doc = "What went wrong in a batch; str() is the traceback.",
	.tp_basicsize = sizeof(struct error),
	.tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION,
	.tp_dealloc = error_dealloc,
	.tp_str = error_str,
	.tp_repr = error_repr,
	.tp_members = error_members,
};

static PyObject *event_repr(PyObject *self)
{
	struct event *event = (struct event *)self;

	return PyUnicode_FromFormat("<pymodhost.Event %U %U>", event->kind, event->module);
}

static void event_dealloc(PyObject *self)
{
	struct event *event = (struct event *)self;

	Py_XDECREF(event->kind);
	Py_XDECREF(event->module);
	Py_XDECREF(event->traceback);
	Py_TYPE(self)->tp_free(self);
}

static PyMemberDef event_members[] = {
	{"kind", T_OBJECT, offsetof(struct event, kind), READONLY,
		"'loaded', 'reloaded', 'unloaded' or 'failed'"},
	{"module", T_OBJECT, offsetof(struct event, module), READONLY, "dotted name"},
	{"traceback", T_OBJECT, offsetof(struct event, traceback), READONLY,
		"if it failed, else ''"},
	{"version", T_ULONGLONG, offsetof(struct event, version), READONLY,
		"how often this process has run the body with success"},
	{"seconds", T_DOUBLE, offsetof(struct event, seconds), READONLY, "how long it took"},
	{NULL, 0, 0, 0, NULL},
};

PyTypeObject Event_Type = {
	PyVarObject_HEAD_INIT(NULL, 0).tp_name = "pymodhost.Event",
	.tp_doc = "One module that was loaded, reloaded, unloaded, or failed.",
	.tp_basicsize = sizeof(struct event),
	.tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION,
	.tp_dealloc = event_dealloc,
	.tp_repr = event_repr,
	.tp_members = event_members,
};

static PyObject *report_repr(PyObject *self)
{
	struct report *report = (struct report *)self;

	return PyUnicode_FromFormat(
		"<pymodhost.Report changed=%R reloaded=%R unloaded=%R errors=%R>", report->changed,
		report->reloaded, report->unloaded, report->errors);
}

static void report_dealloc(PyObject *self)
{
	struct report *report = (struct report *)self;

	Py_XDECREF(report->changed);
	Py_XDECREF(report->reloaded);
	Py_XDECREF(report->unloaded);
	Py_XDECREF(report->errors);
	Py_XDECREF(report->events);
	Py_TYPE(self)->tp_free(self);
}

static PyMemberDef report_members[] = {
	{"changed", T_OBJECT, offsetof(struct report, changed), READONLY,
		"modules whose source changed, appeared or went away"},
	{"reloaded", T_OBJECT, offsetof(struct report, reloaded), READONLY,
		"modules whose body ran, in that order"},
	{"unloaded", T_OBJECT, offsetof(struct report, unloaded), READONLY,
		"modules that are gone"},
	{"errors", T_OBJECT, offsetof(struct report, errors), READONLY, "what went wrong"},
	{"seconds", T_DOUBLE, offsetof(struct report, seconds), READONLY, "how long it took"},
	{NULL, 0, 0, 0, NULL},
};

PyTypeObject Report_Type = {
	PyVarObject_HEAD_INIT(NULL, 0).tp_name = "pymodhost.Report",
	.tp_doc = "What a batch did.",
	.tp_basicsize = sizeof(struct report),
	.tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION,
	.tp_dealloc = report_dealloc,
	.tp_repr = report_repr,
	.tp_members = report_members,
};

int report_types_ready(void)
{
	if (PyType_Ready(&Report_Type) < 0 || PyType_Ready(&Error_Type) < 0 ||
		PyType_Ready(&Event_Type) < 0)
		return -1;
	return 0;
}

struct report *report_create(void)
{
	struct report *report = PyObject_New(struct report, &Report_Type);

	if (!report)
		return NULL;
	report->seconds = clock_seconds();
	report->changed = PyList_New(0);
	report->reloaded = PyList_New(0);
	report->unloaded = PyList_New(0);
	report->errors = PyList_New(0);
	report->events = PyList_New(0);
	if (report->changed && report->reloaded && report->unloaded && report->errors &&
		report->events)
		return report;
	Py_DECREF(report);
	return NULL;
}

static int list_append_take(PyObject *list, PyObject *item)
{
	int result = item ? PyList_Append(list, item) : -1;

	Py_XDECREF(item);
	return result;
}

static PyObject *event_create(const char *kind, PyObject *module, PyObject *text)
{
	struct event *event = PyObject_New(struct event, &Event_Type);

	if (!event)
		return NULL;
	event->kind = PyUnicode_InternFromString(kind);
	event->module = Py_NewRef(module);
	event->traceback = text ? Py_NewRef(text) : PyUnicode_FromString("");
	event->version = 0;
	event->seconds = 0;
	if (event->kind && event->traceback)
		return (PyObject *)event;
	Py_DECREF(event);
	return NULL;
}

int report_add_event(
	struct report *report, const char *kind, PyObject *module, uint64_t version, double seconds)
{
	PyObject *event = event_create(kind, module, NULL);

	if (event) {
		((struct event *)event)->version = version;
		((struct event *)event)->seconds = seconds;
	}
	return list_append_take(report->events, event);
}

static PyObject *error_create(PyObject *module, PyObject *text)
{
	struct error *error = PyObject_New(struct error, &Error_Type);

	if (!error)
		return NULL;
	error->module = Py_NewRef(module);
	error->traceback = Py_NewRef(text);
	return (PyObject *)error;
}

int report_add_error(struct report *report, PyObject *module)
{
	PyObject *text = fault_take_text();
	int result = -1;

	if (!text)
		return -1;
	if (list_append_take(report->errors, error_create(module, text)) == 0)
		result = list_append_take(report->events, event_create("failed", module, text));
	Py_DECREF(text);
	return result;
}

static void deliver_one(struct report *report, PyObject *observer, PyObject *event)
{
	PyObject *result = PyObject_CallOneArg(observer, event);
	PyObject *text;

	if (result) {
		Py_DECREF(result);
		return;
	}
	text = fault_take_text();
	if (text)
		list_append_take(
			report->errors, error_create(((struct event *)event)->module, text));
	Py_XDECREF(text);
	PyErr_Clear();
}

/* Tells the observers. One that raises is reported and does not stop the others. */
void report_deliver(struct report *report)
{
	PyObject *events = report->events, *observers = PySequence_List(engine->observers);

	report->events = NULL;
	for (Py_ssize_t i = 0; events && i < PyList_GET_SIZE(events); i++) {
		PyObject *event = PyList_GET_ITEM(events, i);

		((struct event *)event)->seconds = report->seconds;
		if (engine->event_fn)
			engine->event_fn(event, engine->event_data);
		for (Py_ssize_t k = 0; observers && k < PyList_GET_SIZE(observers); k++)
			deliver_one(report, PyList_GET_ITEM(observers, k), event);
	}
	Py_XDECREF(events);
	Py_XDECREF(observers);
	PyErr_Clear();
}

int event_unpack(PyObject *object, const char **ret_module, const char **ret_text,
	uint64_t *ret_version, double *ret_seconds, int *ret_kind)
{
	static const char *const kinds[] = {"loaded", "reloaded", "unloaded", "failed"};
	struct event *event = (struct event *)object;
	const char *module = PyUnicode_AsUTF8(event->module);
	const char *text = PyUnicode_AsUTF8(event->traceback);

	if (!module || !text)
		return -1;
	*ret_module = module;
	*ret_text = text;
	*ret_version = event->version;
	*ret_seconds = event->seconds;
	for (int i = 0; i < 4; i++)
		if (PyUnicode_CompareWithASCIIString(event->kind, kinds[i]) == 0)
			*ret_kind = i;
	return 0;
}
