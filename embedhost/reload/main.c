/* SPDX-License-Identifier: MIT */
/*
 * A module as the program. Its body sees __name__ == "__main__", as with `python3 -m`, but it is
 * one module under both names: a plain `import` of it by others doesn't run it again, and it is
 * reloaded under its own name, so that what stands under `if __name__ == "__main__"` runs once.
 */
#include "batch.h"

static PyObject *util_call(const char *function, PyObject *argument)
{
	PyObject *util = PyImport_ImportModule("importlib.util"), *result = NULL;

	if (util)
		result = PyObject_CallMethod(util, function, "O", argument);
	Py_XDECREF(util);
	return result;
}

/* A missing parent is a missing module; any other failure of a parent is its own. */
static PyObject *find_spec_of(PyObject *name)
{
	PyObject *spec = util_call("find_spec", name);

	if (!spec && PyErr_ExceptionMatches(PyExc_ModuleNotFoundError)) {
		PyErr_Clear();
		return Py_NewRef(Py_None);
	}
	return spec;
}

int engine_module_exists(PyObject *name)
{
	PyObject *spec = find_spec_of(name);
	int exists = spec ? spec != Py_None : -1;

	Py_XDECREF(spec);
	return exists;
}

static int bind_to_parent(PyObject *name, PyObject *module)
{
	Py_ssize_t length = PyUnicode_GET_LENGTH(name);
	Py_ssize_t dot = PyUnicode_FindChar(name, '.', 0, length, -1);
	PyObject *parent, *tail, *package;
	int result = -1;

	if (dot < 0)
		return 0;
	parent = PyUnicode_Substring(name, 0, dot);
	tail = PyUnicode_Substring(name, dot + 1, length);
	package = parent ? PyDict_GetItemWithError(engine->modules, parent) : NULL;
	if (package && tail)
		result = PyObject_SetAttr(package, tail, module);
	Py_XDECREF(parent);
	Py_XDECREF(tail);
	return result;
}

static int run_watched(PyObject *name, PyObject *spec)
{
	PyObject *module = util_call("module_from_spec", spec), *main, *result = NULL,
		 *loader = NULL;
	int status = -1;

	main = PyUnicode_InternFromString("__main__");
	if (module && main && PyObject_SetAttrString(module, "__name__", main) == 0 &&
		PyDict_SetItem(engine->modules, name, module) == 0 &&
		PyDict_SetItem(engine->modules, main, module) == 0 &&
		bind_to_parent(name, module) == 0)
		loader = PyObject_GetAttrString(spec, "loader");
	if (loader)
		result = PyObject_CallMethod(loader, "exec_module", "O", module);
	if (result) {
		struct record *record = record_find(name);

		status = 0;
		if (record)
			record->main = true;
	}
	Py_XDECREF(result);
	Py_XDECREF(loader);
	Py_XDECREF(main);
	Py_XDECREF(module);
	return status;
}

static int run_other(PyObject *name)
{
	PyObject *runpy = PyImport_ImportModule("runpy"), *result = NULL;

	if (runpy)
		result = PyObject_CallMethod(runpy, "_run_module_as_main", "O", name);
	Py_XDECREF(runpy);
	Py_XDECREF(result);
	return result ? 0 : -1;
}

static bool is_package(PyObject *spec)
{
	PyObject *where = PyObject_GetAttrString(spec, "submodule_search_locations");
	bool package = where && where != Py_None;

	Py_XDECREF(where);
	PyErr_Clear();
	return package;
}

/* What runs is the module's body, or a package's __main__. */
int engine_run_main(PyObject *name)
{
	PyObject *spec = find_spec_of(name), *inner;
	int result = -1;

	if (!spec)
		return -1;
	if (spec != Py_None && is_package(spec)) {
		inner = PyUnicode_FromFormat("%U.__main__", name);
		result = inner ? engine_run_main(inner) : -1;
		Py_XDECREF(inner);
	} else if (spec == Py_None) {
		PyErr_Format(PyExc_ModuleNotFoundError, "No module named %R", name);
	} else if (spec_is_ours(spec)) {
		result = run_watched(name, spec);
	} else {
		result = run_other(name);
	}
	Py_DECREF(spec);
	return result;
}
