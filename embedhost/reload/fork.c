/* SPDX-License-Identifier: MIT */
/*
 * A child of os.fork() goes on with the modules that it has, and follows changes by itself.
 *
 * Only the thread that forked is in the child. If another one was in the engine, the lock is nobody's
 * there, and the batch that ran will never end: it is given up and tried again at the next poll. A
 * body or a hook may fork too; then the batch is the child's own, and goes on.
 */
#include "batch.h"
#include "../watch/watch.h"

#include <errno.h>

static int take_lock(void)
{
	if (engine->owner == PyThread_get_thread_ident())
		return 0;
	if (_PyThread_at_fork_reinit(&engine->lock) < 0) {
		PyErr_SetString(PyExc_RuntimeError, "the lock of pymodhost can't be made anew");
		return -1;
	}
	engine->owner = 0;
	Py_CLEAR(engine->handling.exc_value);
	if (engine->current)
		batch_abandon(engine->current);
	engine->current = NULL;
	return 0;
}

static PyObject *after_fork(PyObject *self, PyObject *unused)
{
	int err;

	if (!engine)
		Py_RETURN_NONE;
	if (take_lock() < 0)
		return NULL;
	err = watch_after_fork(engine->watch);
	if (err < 0) {
		errno = -err;
		return PyErr_SetFromErrno(PyExc_OSError);
	}
	Py_RETURN_NONE;
}

static PyMethodDef after_fork_method = {"after_fork", after_fork, METH_NOARGS, NULL};

/* CPython has no way to take it back: the function outlives the engine. */
int fork_start(void)
{
	static bool registered;
	PyObject *function, *os, *keywords = NULL, *none = NULL, *result = NULL;

	if (registered)
		return 0;
	os = PyImport_ImportModule("os");
	function = os ? PyObject_GetAttrString(os, "register_at_fork") : NULL;
	if (function)
		keywords = Py_BuildValue(
			"{sN}", "after_in_child", PyCFunction_New(&after_fork_method, NULL));
	if (keywords)
		none = PyTuple_New(0);
	if (none)
		result = PyObject_Call(function, none, keywords);
	registered = result != NULL;
	Py_XDECREF(result);
	Py_XDECREF(none);
	Py_XDECREF(keywords);
	Py_XDECREF(function);
	Py_XDECREF(os);
	return registered ? 0 : -1;
}
