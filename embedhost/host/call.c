/* SPDX-License-Identifier: MIT */
/* Calls of Python functions with C values, without Python.h on the caller's side. */
#include "host.h"

#include <assert.h>
#include <errno.h>
#include <limits.h>

static PyObject *follow(PyObject *object, const char *path)
{
	const char *dot;

	Py_INCREF(object);
	do {
		PyObject *name, *next;

		dot = strchr(path, '.');
		name = dot ? PyUnicode_FromStringAndSize(path, dot - path)
			   : PyUnicode_FromString(path);
		next = name ? PyObject_GetAttr(object, name) : NULL;
		Py_XDECREF(name);
		Py_DECREF(object);
		object = next;
		path = dot ? dot + 1 : path;
	} while (object && dot);
	return object;
}

/* An import error from inside the module is its own affair; only the module itself can be absent. */
static int find_module(const char *module, PyObject **ret_module)
{
	PyObject *name = PyUnicode_FromString(module), *object, *missing = NULL;
	PyObject *type, *value, *traceback;
	bool absent = false;

	object = name ? PyImport_Import(name) : NULL;
	Py_XDECREF(object);
	if (object)
		object = PyImport_GetModule(name);
	if (!object && PyErr_ExceptionMatches(PyExc_ModuleNotFoundError)) {
		PyErr_Fetch(&type, &value, &traceback);
		PyErr_NormalizeException(&type, &value, &traceback);
		missing = PyObject_GetAttrString(value, "name");
		absent = missing && PyUnicode_Check(missing) &&
			 PyUnicode_Compare(missing, name) == 0;
		Py_XDECREF(missing);
		PyErr_Restore(type, value, traceback);
	}
	Py_XDECREF(name);
	if (absent) {
		PyErr_Clear();
		return error_set(-ENOENT, "no module named '%s'", module);
	}
	if (!object)
		return PyErr_Occurred() ? error_take_exception()
					: error_set(-ENOENT, "module '%s' is gone", module);
	*ret_module = object;
	return 0;
}

static int find_function(const char *module, const char *function, PyObject **ret_function)
{
	PyObject *object = NULL, *found;
	int code = find_module(module, &object);

	if (code < 0)
		return code;
	assert(object);
	found = follow(object, function);
	Py_DECREF(object);
	if (!found && PyErr_ExceptionMatches(PyExc_AttributeError)) {
		PyErr_Clear();
		return error_set(-ENOENT, "module '%s' has no '%s'", module, function);
	}
	if (!found)
		return error_take_exception();
	*ret_function = found;
	return 0;
}

static PyObject *argument_build(char letter, va_list *args)
{
	const char *text;

	switch (letter) {
	case 'b':
		return PyBool_FromLong(va_arg(*args, int));
	case 'i':
		return PyLong_FromLong(va_arg(*args, int));
	case 'l':
		return PyLong_FromLongLong(va_arg(*args, int64_t));
	case 'd':
		return PyFloat_FromDouble(va_arg(*args, double));
	case 's':
		text = va_arg(*args, const char *);
		return text ? PyUnicode_FromString(text) : Py_NewRef(Py_None);
	default: /* 'O' */
		return Py_XNewRef(va_arg(*args, PyObject *));
	}
}

static PyObject *arguments_build(const char *format, size_t count, va_list *args)
{
	PyObject *tuple = PyTuple_New((Py_ssize_t)count);

	for (size_t i = 0; tuple && i < count; i++) {
		PyObject *item = argument_build(format[i], args);

		if (!item) {
			if (!PyErr_Occurred())
				PyErr_SetString(PyExc_TypeError, "a PyObject * argument is NULL");
			Py_CLEAR(tuple);
			break;
		}
		PyTuple_SET_ITEM(tuple, (Py_ssize_t)i, item);
	}
	return tuple;
}

static int wrong_type(const char *wanted, PyObject *value)
{
	PyErr_Clear();
	return error_set(
		-EBADMSG, "the result is a %.100s, not %s", Py_TYPE(value)->tp_name, wanted);
}

static int result_integer(PyObject *value, int64_t low, int64_t high, int64_t *ret_number)
{
	int overflow;
	long long number;

	if (!PyLong_Check(value))
		return wrong_type("an int", value);
	number = PyLong_AsLongLongAndOverflow(value, &overflow);
	if (overflow || number < low || number > high)
		return error_set(-ERANGE, "the result doesn't fit");
	*ret_number = number;
	return 0;
}

static int result_string(PyObject *value, char **ret_text)
{
	const char *text;

	if (value == Py_None) {
		*ret_text = NULL;
		return 0;
	}
	text = PyUnicode_Check(value) ? PyUnicode_AsUTF8(value) : NULL;
	if (!text)
		return wrong_type("a str", value);
	*ret_text = strdup(text);
	return *ret_text ? 0 : error_set(-ENOMEM, "out of memory");
}

static int result_double(PyObject *value, double *ret_number)
{
	double number;

	if (!PyFloat_Check(value) && !PyLong_Check(value))
		return wrong_type("a number", value);
	number = PyFloat_AsDouble(value);
	if (number == -1.0 && PyErr_Occurred()) {
		PyErr_Clear();
		return error_set(-ERANGE, "the result doesn't fit");
	}
	*ret_number = number;
	return 0;
}

/* One result on its way to the caller, who gets all of them or none. */
union result {
	bool truth;
	int64_t number;
	double real;
	char *text;
	PyObject *object;
};

static int result_convert(char letter, PyObject *value, union result *ret_result)
{
	int truth;

	switch (letter) {
	case 'b':
		truth = PyObject_IsTrue(value);
		if (truth < 0)
			return error_take_exception();
		ret_result->truth = truth;
		return 0;
	case 'i':
		return result_integer(value, INT_MIN, INT_MAX, &ret_result->number);
	case 'l':
		return result_integer(value, INT64_MIN, INT64_MAX, &ret_result->number);
	case 'd':
		return result_double(value, &ret_result->real);
	case 's':
		return result_string(value, &ret_result->text);
	default: /* 'O' */
		ret_result->object = Py_NewRef(value);
		return 0;
	}
}

static void result_drop(char letter, union result *result)
{
	if (letter == 's')
		free(result->text);
	if (letter == 'O')
		Py_DECREF(result->object);
}

static void result_store(char letter, const union result *result, va_list *args)
{
	switch (letter) {
	case 'b':
		*va_arg(*args, bool *) = result->truth;
		break;
	case 'i':
		*va_arg(*args, int *) = (int)result->number;
		break;
	case 'l':
		*va_arg(*args, int64_t *) = result->number;
		break;
	case 'd':
		*va_arg(*args, double *) = result->real;
		break;
	case 's':
		*va_arg(*args, char **) = result->text;
		break;
	default: /* 'O' */
		*va_arg(*args, PyObject **) = result->object;
		break;
	}
}

static int results_store(const char *format, PyObject *value, va_list *args)
{
	size_t count = strlen(format), made = 0;
	union result *results;
	int code = 0;

	if (count != 1 && (!PyTuple_Check(value) || (size_t)PyTuple_GET_SIZE(value) != count))
		return error_set(-EBADMSG, "the result is no tuple of %zu", count);
	results = calloc(count, sizeof(*results));
	if (!results)
		return error_set(-ENOMEM, "out of memory");
	while (made < count && code == 0) {
		PyObject *item = count == 1 ? value : PyTuple_GET_ITEM(value, (Py_ssize_t)made);

		code = result_convert(format[made], item, &results[made]);
		made += code == 0;
	}
	for (size_t i = 0; i < made; i++)
		if (code < 0)
			result_drop(format[i], &results[i]);
		else
			result_store(format[i], &results[i], args);
	free(results);
	return code;
}

/* Letters, at most one '>', and letters. */
static int format_check(const char *format)
{
	const char *rest = format + strspn(format, "bildsO");

	if (*rest == '>' && rest[1])
		rest += 1 + strspn(rest + 1, "bildsO");
	if (*rest)
		return error_set(-EINVAL, "'%s' is no format for a call", format);
	return 0;
}

static int call(const char *module, const char *function, const char *format, va_list *args)
{
	size_t count = strcspn(format, ">");
	PyObject *callable = NULL, *arguments, *result;
	int code;

	code = find_function(module, function, &callable);
	if (code < 0)
		return code;
	assert(callable);
	arguments = arguments_build(format, count, args);
	result = arguments ? PyObject_CallObject(callable, arguments) : NULL;
	if (!result)
		code = error_take_exception();
	else if (format[count] == '>')
		code = results_store(format + count + 1, result, args);
	Py_XDECREF(result);
	Py_XDECREF(arguments);
	Py_DECREF(callable);
	return code;
}

int pymodhost_vcall(struct pymodhost *host, const char *module, const char *function,
	const char *format, va_list args)
{
	struct visit_python visit;
	va_list copy;
	int code;

	if (!host || !module || !function || !format)
		return error_set(-EINVAL, "a call needs a module, a function and a format");
	code = format_check(format);
	if (code < 0)
		return code;
	va_copy(copy, args);
	host_enter(&visit);
	code = call(module, function, format, &copy);
	host_leave(&visit);
	va_end(copy);
	return code;
}

int pymodhost_call(
	struct pymodhost *host, const char *module, const char *function, const char *format, ...)
{
	va_list args;
	int code;

	va_start(args, format);
	code = pymodhost_vcall(host, module, function, format, args);
	va_end(args);
	return code;
}

bool pymodhost_has_function(struct pymodhost *host, const char *module, const char *function)
{
	struct visit_python visit;
	PyObject *name, *object, *found = NULL;
	bool callable;

	if (!host || !module || !function)
		return false;
	host_enter(&visit);
	name = PyUnicode_FromString(module);
	object = name ? PyImport_GetModule(name) : NULL;
	if (object)
		found = follow(object, function);
	callable = found && PyCallable_Check(found);
	Py_XDECREF(found);
	Py_XDECREF(object);
	Py_XDECREF(name);
	host_leave(&visit);
	return callable;
}
