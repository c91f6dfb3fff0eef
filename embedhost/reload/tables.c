/* SPDX-License-Identifier: MIT */
/*
 * Tables of callbacks in C that are no objects, so that no walk over the heap finds them: what runs at
 * exit (internal/pycore_interp.h of CPython 3.11), and the handlers of signals.
 */
#define Py_BUILD_CORE 1 /* before Python.h */
#include "batch.h"

#include <internal/pycore_interp.h>
#include <signal.h>

int tables_rewrite_exit(struct batch *batch)
{
	struct atexit_state *state = &PyInterpreterState_Get()->atexit;

	for (int i = 0; i < state->ncallbacks; i++) {
		atexit_callback *callback = state->callbacks[i];
		PyObject *mapped = callback ? map_get(batch, callback->func) : NULL;

		if (callback &&
			journal_slot_set(&batch->journal, NULL, &callback->func, mapped) < 0)
			return -1;
	}
	return 0;
}

static void signal_rewrite(struct batch *batch, PyObject *module, int number)
{
	PyObject *handler = PyObject_CallMethod(module, "getsignal", "i", number), *mapped;
	PyObject *result = NULL;

	mapped = handler ? map_get(batch, handler) : NULL;
	if (mapped != handler)
		result = PyObject_CallMethod(module, "signal", "iO", number, mapped);
	Py_XDECREF(result);
	Py_XDECREF(handler);
	PyErr_Clear();
}

/* Only the main thread may set one: elsewhere the handler stays the object that the body made, which
 * runs the same code in the same namespace. */
void tables_rewrite_signals(struct batch *batch)
{
	PyObject *module = PyDict_GetItemString(engine->modules, "_signal");

	for (int number = 1; module && number < NSIG; number++)
		signal_rewrite(batch, module, number);
}
