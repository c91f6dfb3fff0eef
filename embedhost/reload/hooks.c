/* SPDX-License-Identifier: MIT */
/*
 * What a module has to say in its own replacement: __reload_keep__, __unload__(),
 * __reload__(previous). What they raise is reported and blocks nothing.
 */
#include "batch.h"

static void call_hook(
	struct report *report, PyObject *name, PyObject *dict, const char *hook, PyObject *argument)
{
	PyObject *function = PyDict_GetItemString(dict, hook), *result;

	if (!function)
		return;
	Py_INCREF(function);
	result = argument ? PyObject_CallOneArg(function, argument) : PyObject_CallNoArgs(function);
	Py_DECREF(function);
	if (!result && report_add_error(report, name) < 0)
		PyErr_Clear();
	Py_XDECREF(result);
}

void hooks_unload(struct report *report, PyObject *name, PyObject *dict)
{
	call_hook(report, name, dict, "__unload__", NULL);
}

void hooks_reload(struct report *report, PyObject *name, PyObject *dict, PyObject *previous)
{
	call_hook(report, name, dict, "__reload__", previous);
}

/* Right after the body, so that dependents of the batch see the kept values. */
int hooks_keep(struct member *member)
{
	PyObject *keep = PyDict_GetItemString(member->dict, "__reload_keep__"), *names;
	int result = 0;

	if (!keep)
		return 0;
	names = PyUnicode_Check(keep) ? Py_BuildValue("[O]", keep) : PySequence_List(keep);
	if (!names) {
		PyErr_Format(PyExc_TypeError,
			"__reload_keep__ of module %R must be a sequence of names, not %.100s",
			member->name, Py_TYPE(keep)->tp_name);
		return -1;
	}
	for (Py_ssize_t i = 0; result == 0 && i < PyList_GET_SIZE(names); i++) {
		PyObject *name = PyList_GET_ITEM(names, i);
		PyObject *value = NULL;

		if (PyUnicode_Check(name))
			value = PyDict_GetItemWithError(member->live_dict, name);
		else
			PyErr_Format(PyExc_TypeError,
				"__reload_keep__ of module %R must hold names, not %.100s",
				member->name, Py_TYPE(name)->tp_name);

		if (value)
			result = PyDict_SetItem(member->dict, name, value);
		else if (PyErr_Occurred())
			result = -1;
	}
	Py_DECREF(names);
	return result;
}
