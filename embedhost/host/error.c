/* SPDX-License-Identifier: MIT */
/* The last error of each thread: text of any length, freed when the thread ends. */
#include "host.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>

static pthread_key_t key;
static _Thread_local bool exit_requested;
static _Thread_local int exit_status;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void key_create(void)
{
	pthread_key_create(&key, free);
}

static void text_replace(char *text)
{
	exit_requested = false;
	pthread_once(&once, key_create);
	free(pthread_getspecific(key));
	pthread_setspecific(key, text);
}

const char *pymodhost_error(void)
{
	const char *text;

	pthread_once(&once, key_create);
	text = pthread_getspecific(key);
	return text ? text : "";
}

void error_clear(void)
{
	text_replace(NULL);
}

int error_set_text(int code, const char *text)
{
	text_replace(strdup(text));
	return code;
}

int error_set(int code, const char *format, ...)
{
	char *text = NULL;
	va_list args;

	va_start(args, format);
	if (vasprintf(&text, format, args) < 0)
		text = NULL;
	va_end(args);
	text_replace(text);
	return code;
}

static int code_of_exception(void)
{
	if (PyErr_ExceptionMatches(PyExc_MemoryError))
		return -ENOMEM;
	return -ENOEXEC;
}

/* None is 0, a number is the status, anything else is a message. */
static void set_exit(PyObject *code)
{
	PyObject *text, *escaped;
	const char *words;

	error_clear();
	exit_status = 0;
	if (code && PyLong_Check(code)) {
		exit_status = (int)(PyLong_AsUnsignedLongLongMask(code) & 0xff);
	} else if (code && code != Py_None) {
		exit_status = 1;
		text = PyObject_Str(code);
		escaped = text ? fault_escape_text(text) : NULL;
		words = escaped ? PyUnicode_AsUTF8(escaped) : NULL;
		text_replace(strdup(words ? words : "?"));
		Py_XDECREF(escaped);
		Py_XDECREF(text);
	}
	exit_requested = true;
}

static int take_system_exit(void)
{
	PyObject *type, *value, *traceback, *code;

	PyErr_Fetch(&type, &value, &traceback);
	PyErr_NormalizeException(&type, &value, &traceback);
	code = PyObject_GetAttrString(value, "code");
	set_exit(code);
	PyErr_Clear();
	Py_XDECREF(code);
	Py_XDECREF(type);
	Py_XDECREF(value);
	Py_XDECREF(traceback);
	return -ENOEXEC;
}

int error_take_exception(void)
{
	bool interrupted = PyErr_ExceptionMatches(PyExc_KeyboardInterrupt);
	int code = code_of_exception();
	PyObject *text;
	const char *words;

	if (PyErr_ExceptionMatches(PyExc_SystemExit))
		return take_system_exit();
	text = fault_take_text();
	words = text ? PyUnicode_AsUTF8(text) : NULL;
	error_set_text(code, words ? words : "out of memory");
	PyErr_Clear();
	Py_XDECREF(text);
	if (interrupted) {
		exit_requested = true;
		exit_status = 130;
	}
	return code;
}

bool pymodhost_error_is_exit(int *ret_status)
{
	if (exit_requested && ret_status)
		*ret_status = exit_status;
	return exit_requested;
}
