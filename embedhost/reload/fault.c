/* SPDX-License-Identifier: MIT */
/*
 * Exceptions become text: what Python would print, chained causes and all, made by its own
 * traceback module. If that fails too (no memory, recursion, a __str__ that raises), the name of
 * the exception's type must do.
 */
#include "engine.h"

static PyObject *format_lines(PyObject *exception)
{
	PyObject *lines = NULL, *text = NULL, *result, *empty = PyUnicode_FromString("");
	PyObject *module = PyImport_ImportModule("traceback");

	if (module)
		lines = PyObject_CallMethod(module, "format_exception", "O", exception);
	if (lines && empty)
		text = PyUnicode_Join(empty, lines);
	result = text ? fault_escape_text(text) : NULL;
	Py_XDECREF(module);
	Py_XDECREF(lines);
	Py_XDECREF(empty);
	Py_XDECREF(text);
	return result;
}

/* What has no UTF-8 (half a surrogate pair, as in a file's name that isn't UTF-8) is escaped, as on
 * Python's stderr; a NUL too, at which C would take the text to end. */
PyObject *fault_escape_text(PyObject *text)
{
	PyObject *zero = PyUnicode_FromStringAndSize("", 1),
		 *escape = PyUnicode_FromString("\\x00");
	PyObject *bytes, *whole = NULL, *result = NULL;

	if (zero && escape)
		whole = PyUnicode_Replace(text, zero, escape, -1);
	bytes = whole ? PyUnicode_AsEncodedString(whole, "utf-8", "backslashreplace") : NULL;
	if (bytes)
		result = PyUnicode_FromEncodedObject(bytes, "utf-8", "strict");
	Py_XDECREF(zero);
	Py_XDECREF(escape);
	Py_XDECREF(whole);
	Py_XDECREF(bytes);
	return result;
}

/* The frames of the engine's caller tell a user nothing of the module: the first are those below
 * it. C code has no frames, so there are none of ours to cut. */
PyObject *fault_take_text(void)
{
	PyObject *type, *value, *traceback, *text = NULL;

	PyErr_Fetch(&type, &value, &traceback);
	if (!type)
		return PyUnicode_FromString("");
	PyErr_NormalizeException(&type, &value, &traceback);
	if (traceback && PyException_SetTraceback(value, traceback) < 0)
		PyErr_Clear();
	text = format_lines(value);
	if (!text) {
		PyErr_Clear();
		text = PyUnicode_FromString(((PyTypeObject *)type)->tp_name);
	}
	PyErr_Clear();
	Py_XDECREF(type);
	Py_XDECREF(value);
	Py_XDECREF(traceback);
	return text;
}
