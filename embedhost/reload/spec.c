/* SPDX-License-Identifier: MIT */
/*
 * The specs of watched modules, and the attributes that a new module has of its spec.
 *
 * What importlib's spec_from_file_location() and _init_module_attrs() do for one of a source file, but
 * without asking anew what is known: a batch makes a spec for each of its modules.
 */
#include "batch.h"

#include <limits.h>

static PyObject *spec_type; /* importlib._bootstrap.ModuleSpec */

int spec_start(void)
{
	PyObject *bootstrap = PyImport_ImportModule("_frozen_importlib");

	if (bootstrap)
		record_set(&spec_type, PyObject_GetAttrString(bootstrap, "ModuleSpec"));
	Py_XDECREF(bootstrap);
	return bootstrap && spec_type ? 0 : -1;
}

void spec_stop(void)
{
	Py_CLEAR(spec_type);
}

static PyObject *spec_call(PyObject *name, PyObject *filename)
{
	PyObject *loader, *arguments = NULL, *keywords = NULL, *spec = NULL;

	loader = PyObject_CallFunctionObjArgs(engine->loader_type, name, filename, NULL);
	if (loader)
		arguments = PyTuple_Pack(2, name, loader);
	if (arguments)
		keywords = Py_BuildValue("{sO}", "origin", filename);
	if (keywords)
		spec = PyObject_Call(spec_type, arguments, keywords);
	Py_XDECREF(keywords);
	Py_XDECREF(arguments);
	Py_XDECREF(loader);
	return spec;
}

PyObject *spec_create(PyObject *name, const char *path, const char *package_dir)
{
	PyObject *filename = PyUnicode_DecodeFSDefault(path), *dirs = NULL;
	PyObject *spec = filename ? spec_call(name, filename) : NULL;

	if (spec && PyObject_SetAttrString(spec, "_set_fileattr", Py_True) < 0)
		Py_CLEAR(spec);
	if (spec && package_dir) {
		dirs = Py_BuildValue("[N]", PyUnicode_DecodeFSDefault(package_dir));
		if (!dirs || PyObject_SetAttrString(spec, "submodule_search_locations", dirs) < 0)
			Py_CLEAR(spec);
		Py_XDECREF(dirs);
	}
	Py_XDECREF(filename);
	return spec;
}

bool spec_is_ours(PyObject *spec)
{
	PyObject *loader = spec ? PyObject_GetAttrString(spec, "loader") : NULL;
	bool ours = loader && (PyObject *)Py_TYPE(loader) == engine->loader_type;

	Py_XDECREF(loader);
	PyErr_Clear();
	return ours;
}

static bool same_origin(PyObject *a, PyObject *b)
{
	PyObject *x = PyObject_GetAttrString(a, "origin"), *y = PyObject_GetAttrString(b, "origin");
	bool same = x && y && PyUnicode_Check(x) && PyUnicode_Check(y) && !PyUnicode_Compare(x, y);

	Py_XDECREF(x);
	Py_XDECREF(y);
	return same;
}

/* Where its bytecode would be, which takes long to find out, is where the one before has it. */
static void spec_take_cached(PyObject *spec, PyObject *before)
{
	PyObject *cached = NULL;

	if (before && spec_is_ours(before) && same_origin(spec, before))
		cached = PyObject_GetAttrString(before, "_cached");
	if (cached && PyUnicode_Check(cached))
		PyObject_SetAttrString(spec, "_cached", cached);
	Py_XDECREF(cached);
	PyErr_Clear();
}

/* Steals value. */
static int take(PyObject *dict, const char *name, PyObject *value)
{
	int result = value ? PyDict_SetItemString(dict, name, value) : -1;

	Py_XDECREF(value);
	return result;
}

/* The package that the module is, or is in. */
static PyObject *package_of(PyObject *name, bool is_package)
{
	Py_ssize_t dot = PyUnicode_FindChar(name, '.', 0, PyUnicode_GET_LENGTH(name), -1);

	if (is_package)
		return Py_NewRef(name);
	return dot < 0 ? PyUnicode_FromString("") : PyUnicode_Substring(name, 0, dot);
}

int spec_fill(PyObject *spec, PyObject *name, PyObject *dict, PyObject *before)
{
	PyObject *dirs = PyObject_GetAttrString(spec, "submodule_search_locations"), *cached;
	int result = -1;

	if (!dirs)
		return -1;
	spec_take_cached(spec, before);
	if (take(dict, "__loader__", PyObject_GetAttrString(spec, "loader")) == 0 &&
		take(dict, "__package__", package_of(name, dirs != Py_None)) == 0 &&
		PyDict_SetItemString(dict, "__spec__", spec) == 0)
		result = dirs == Py_None ? 0 : PyDict_SetItemString(dict, "__path__", dirs);
	Py_DECREF(dirs);
	if (result < 0 || take(dict, "__file__", PyObject_GetAttrString(spec, "origin")) < 0)
		return -1;
	cached = PyObject_GetAttrString(spec, "cached");
	if (cached == Py_None) {
		Py_DECREF(cached);
		return 0;
	}
	return take(dict, "__cached__", cached);
}
