/* SPDX-License-Identifier: MIT */
/*
 * Running programs: strings, scripts, modules as the program.
 *
 * A module that is run as the program is one module under two names: __main__, which its body sees,
 * and its own, by which others import it and by which it is reloaded.
 */
#include "host.h"

#include <errno.h>

int pymodhost_run_string(struct pymodhost *host, const char *name, const char *text)
{
	struct visit_python visit;
	PyObject *source, *filename, *report = NULL;
	int code;

	if (!host || !text)
		return error_set(-EINVAL, "no text to run");
	host_enter(&visit);
	source = PyUnicode_FromString(text);
	filename = PyUnicode_FromString(name ? name : "<string>");
	if (source && filename)
		report = engine_run(source, filename);
	code = report_convert(report, NULL);
	Py_XDECREF(source);
	Py_XDECREF(filename);
	host_leave(&visit);
	return code;
}

static int end_of_program(bool ran, int *ret_status)
{
	int code = ran ? 0 : error_take_exception(), status = 0;

	if (code < 0 && (!pymodhost_error_is_exit(&status) || status == 130))
		return code;
	*ret_status = status;
	return 0;
}

static bool run_in(PyObject *code, PyObject *dict)
{
	PyObject *result = PyEval_EvalCode(code, dict, dict);

	Py_XDECREF(result);
	return result != NULL;
}

static PyObject *script_dict(PyObject *filename)
{
	PyObject *module = PyImport_AddModule("__main__"), *dict;

	if (!module)
		return NULL;
	dict = PyModule_GetDict(module);
	if (PyDict_SetItemString(dict, "__file__", filename) < 0 ||
		PyDict_SetItemString(dict, "__builtins__", engine->builtins) < 0)
		return NULL;
	return dict;
}

static int watch_directory_of(const char *path)
{
	char *resolved = realpath(path, NULL), *slash;
	PyObject *dir = NULL;
	int result = -1;

	if (!resolved) {
		PyErr_SetFromErrnoWithFilename(PyExc_OSError, path);
		return -1;
	}
	slash = strrchr(resolved, '/');
	if (slash)
		dir = PyUnicode_DecodeFSDefaultAndSize(
			resolved, slash == resolved ? 1 : slash - resolved);
	if (dir)
		result = engine_watch(dir);
	if (result == 0) {
		PyObject *path_list = PySys_GetObject("path");
		Py_ssize_t at = PySequence_Index(path_list, dir);

		if (at > 0 && PySequence_DelItem(path_list, at) == 0)
			result = PyList_Insert(path_list, 0, dir);
	}
	Py_XDECREF(dir);
	free(resolved);
	return result;
}

static int script_run(const char *path, int *ret_status)
{
	PyObject *filename = PyUnicode_DecodeFSDefault(path), *code = NULL, *dict = NULL;
	struct source source = {0};
	int result;

	if (filename && source_read(path, &source) == 0)
		code = source_compile(source.bytes, path);
	if (code)
		dict = script_dict(filename);
	result = end_of_program(dict && run_in(code, dict), ret_status);
	Py_XDECREF(source.bytes);
	Py_XDECREF(code);
	Py_XDECREF(filename);
	return result;
}

static int script_check(const char *path)
{
	struct stat st;

	if (stat(path, &st) < 0)
		return error_set(-errno, "%s: %s", path, strerror(errno));
	if (!S_ISREG(st.st_mode))
		return error_set(-EISDIR, "%s: not a file", path);
	return 0;
}

int pymodhost_run_script(struct pymodhost *host, const char *path, int *ret_status)
{
	struct visit_python visit;
	int code;

	if (!host || !path || !ret_status)
		return error_set(-EINVAL, "no script to run");
	code = script_check(path);
	if (code < 0)
		return code;
	host_enter(&visit);
	code = watch_directory_of(path) < 0 ? error_take_exception() : script_run(path, ret_status);
	host_leave(&visit);
	return code;
}

int pymodhost_run_module(struct pymodhost *host, const char *module, int *ret_status)
{
	struct visit_python visit;
	PyObject *name;
	int code;

	if (!host || !module || !ret_status)
		return error_set(-EINVAL, "no module to run");
	host_enter(&visit);
	name = PyUnicode_FromString(module);
	if (!name)
		code = error_take_exception();
	else if (engine_module_exists(name) <= 0)
		code = PyErr_Occurred() ? error_take_exception()
					: error_set(-ENOENT, "no module named '%s'", module);
	else
		code = end_of_program(engine_run_main(name) == 0, ret_status);
	Py_XDECREF(name);
	host_leave(&visit);
	return code;
}
