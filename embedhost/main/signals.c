/* SPDX-License-Identifier: MIT */
/*
 * Signals, by way of Python's own handling: it interrupts what blocks and runs handlers on the main
 * thread between bytecodes. SIGTERM raises SystemExit there, so that finally blocks and atexit
 * functions run. SIGHUP reloads at once, or between two ticks if there are any.
 *
 * A SystemExit that comes up while a module's new body runs is to the batch a failure of that body, and ends there.
 * So the end is remembered: it comes between two ticks, or the signal is raised again when the batch is over.
 */
#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include "main.h"

#include <signal.h>
#include <string.h>

static struct pymodhost *the_host;
static bool ticks, reload_waits, end_waits;

static PyObject *on_terminate(PyObject *self, PyObject *args)
{
	end_waits = true;
	PyErr_SetObject(PyExc_SystemExit, self);
	return NULL;
}

static PyObject *on_hangup(PyObject *self, PyObject *args)
{
	if (ticks)
		reload_waits = true;
	else
		pymodhost_reload_all(the_host, NULL);
	Py_RETURN_NONE;
}

static PyMethodDef terminate = {"terminate", on_terminate, METH_VARARGS, NULL};
static PyMethodDef hangup = {"hangup", on_hangup, METH_VARARGS, NULL};

static int handle(int number, PyMethodDef *method, PyObject *self)
{
	PyObject *module = PyImport_ImportModule("signal"), *function, *result = NULL;

	function = PyCFunction_New(method, self);
	if (module && function)
		result = PyObject_CallMethod(module, "signal", "iO", number, function);
	Py_XDECREF(module);
	Py_XDECREF(function);
	Py_XDECREF(result);
	return result ? 0 : -1;
}

int signals_setup(struct pymodhost *host)
{
	PyGILState_STATE gil = PyGILState_Ensure();
	PyObject *zero = PyLong_FromLong(0);
	int result = -1;

	the_host = host;
	if (zero && handle(SIGTERM, &terminate, zero) == 0 && handle(SIGHUP, &hangup, zero) == 0)
		result = 0;
	PyErr_Clear();
	Py_XDECREF(zero);
	PyGILState_Release(gil);
	return result;
}

bool signals_check(int *ret_status)
{
	PyGILState_STATE gil = PyGILState_Ensure();
	bool interrupted = PyErr_CheckSignals() < 0 && !PyErr_ExceptionMatches(PyExc_SystemExit);

	if (interrupted || end_waits)
		*ret_status = interrupted ? 128 + SIGINT : 0;
	PyErr_Clear();
	PyGILState_Release(gil);
	return interrupted || end_waits;
}

void signals_note_failure(const char *traceback)
{
	if (end_waits && strstr(traceback, "SystemExit"))
		PyErr_SetInterruptEx(SIGTERM);
}

bool signals_take_reload(void)
{
	bool waits = reload_waits;

	reload_waits = false;
	return waits;
}

void signals_set_ticking(bool ticking)
{
	ticks = ticking;
}
