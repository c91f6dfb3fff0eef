/* SPDX-License-Identifier: MIT */
/*
 * ownpython - an application that has long had an embedded Python of its own, with a built-in module
 * through which scripts reach it, and lets a host join in to keep their code up to date.
 *
 * The application initialises the interpreter and finalises it; pymodhost_create() finds it there
 * and pymodhost_destroy() leaves it running.
 */
#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include <stdio.h>
#include <time.h>

#include <pymodhost.h>

static PyObject *thermometer_read(PyObject *self, PyObject *unused)
{
	static double degrees = 17.0;

	degrees += 0.5;
	return PyFloat_FromDouble(degrees);
}

static PyMethodDef thermometer_methods[] = {
	{"read", thermometer_read, METH_NOARGS, "The temperature, in degrees Celsius."},
	{NULL, NULL, 0, NULL},
};

static struct PyModuleDef thermometer_module = {
	.m_base = PyModuleDef_HEAD_INIT,
	.m_name = "thermometer",
	.m_methods = thermometer_methods,
};

static PyObject *thermometer_init(void)
{
	return PyModule_Create(&thermometer_module);
}

/* Calls control.step() ten times a second; the application's own code, in the plain C API. */
static void run(struct pymodhost *host, long steps)
{
	const struct timespec pause = {.tv_nsec = 100000000};
	PyObject *control = PyImport_ImportModule("control");
	PyObject *result;

	for (long i = 0; control && i < steps; i++) {
		if (pymodhost_poll(host, NULL) != 0)
			fprintf(stderr, "%s", pymodhost_error());
		result = PyObject_CallMethod(control, "step", NULL);
		if (!result)
			PyErr_Print();
		Py_XDECREF(result);
		Py_BEGIN_ALLOW_THREADS nanosleep(&pause, NULL);
		Py_END_ALLOW_THREADS
	}
	if (!control)
		PyErr_Print();
	Py_XDECREF(control);
}

int main(int argc, char **argv)
{
	struct pymodhost *host = NULL;

	if (argc != 3) {
		fprintf(stderr, "usage: ownpython SCRIPT-DIRECTORY STEPS\n");
		return 2;
	}
	PyImport_AppendInittab("thermometer", thermometer_init);
	Py_InitializeEx(0);
	if (pymodhost_create(NULL, &host) != 0 || pymodhost_watch(host, argv[1]) != 0)
		fprintf(stderr, "ownpython: %s\n", pymodhost_error());
	else
		run(host, strtol(argv[2], NULL, 10));
	pymodhost_destroy(host);
	return Py_FinalizeEx() < 0 ? 120 : 0;
}
