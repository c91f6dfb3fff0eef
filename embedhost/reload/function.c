/* SPDX-License-Identifier: MIT */
/*
 * Functions in place. PyFunctionObject is a public struct (cpython/funcobject.h): the old function
 * gets every field of the new one, its namespace included, and stays the object that others hold.
 * A frame that runs keeps the code it has.
 *
 * func_version is what the interpreter's specialised calls go by; 0 means that they must look anew.
 */
#include "batch.h"

static PyObject *free_names(PyObject *function)
{
	return PyCode_GetFreevars((PyCodeObject *)((PyFunctionObject *)function)->func_code);
}

static PyObject *cell_value(PyObject *closure, Py_ssize_t index)
{
	return PyCell_GET(PyTuple_GET_ITEM(closure, index));
}

/* What a wrapper wraps is in its cells: matched by the variable's name. */
static int closure_match(struct batch *batch, PyObject *old, PyObject *fresh)
{
	PyObject *old_cells = ((PyFunctionObject *)old)->func_closure;
	PyObject *fresh_cells = ((PyFunctionObject *)fresh)->func_closure;
	PyObject *old_names, *fresh_names;
	int result = 0;

	if (!old_cells || !fresh_cells)
		return 0;
	old_names = free_names(old);
	fresh_names = free_names(fresh);
	for (Py_ssize_t i = 0; result == 0 && i < PyTuple_GET_SIZE(old_cells); i++)
		for (Py_ssize_t k = 0; result == 0 && k < PyTuple_GET_SIZE(fresh_cells); k++) {
			PyObject *was = cell_value(old_cells, i), *is = cell_value(fresh_cells, k);

			if (was && is && (PyFunction_Check(is) || PyType_Check(is)) &&
				PyUnicode_Compare(PyTuple_GET_ITEM(old_names, i),
					PyTuple_GET_ITEM(fresh_names, k)) == 0)
				result = match_values(batch, was, is, NULL);
		}
	Py_XDECREF(old_names);
	Py_XDECREF(fresh_names);
	return result;
}

int function_match(struct batch *batch, PyObject *old, PyObject *fresh)
{
	PyObject *was, *is;

	if (map_get(batch, fresh) != fresh)
		return 0;
	if (map_add(batch, fresh, old) < 0 || closure_match(batch, old, fresh) < 0)
		return -1;
	was = ((PyFunctionObject *)old)->func_dict;
	is = ((PyFunctionObject *)fresh)->func_dict;
	was = was ? PyDict_GetItemString(was, "__wrapped__") : NULL;
	is = is ? PyDict_GetItemString(is, "__wrapped__") : NULL;
	return was && is ? match_values(batch, was, is, NULL) : 0;
}

/* The new version's attributes, and those that others put on the old one. */
static PyObject *merged_attributes(
	struct batch *batch, PyFunctionObject *to, PyFunctionObject *from)
{
	PyObject *defined = defined_names(batch, to->func_module, to->func_qualname), *name, *value;
	PyObject *merged = from->func_dict ? PyDict_Copy(from->func_dict) : PyDict_New();
	Py_ssize_t position = 0;

	while (merged && PyDict_Next(to->func_dict, &position, &name, &value)) {
		if ((defined && PySet_Contains(defined, name) == 1) ||
			PyDict_Contains(merged, name) == 1)
			continue;
		if (PyDict_SetItem(merged, name, value) < 0)
			Py_CLEAR(merged);
	}
	return merged;
}

static int attributes_update(struct batch *batch, PyFunctionObject *to, PyFunctionObject *from)
{
	PyObject *merged;
	int result;

	if (!to->func_dict || !PyDict_GET_SIZE(to->func_dict))
		return journal_slot_set(
			&batch->journal, (PyObject *)to, &to->func_dict, from->func_dict);
	merged = merged_attributes(batch, to, from);
	if (!merged)
		return -1;
	result = rewrite_values(batch, merged);
	if (result == 0)
		result = journal_slot_set(&batch->journal, (PyObject *)to, &to->func_dict, merged);
	Py_DECREF(merged);
	return result;
}

/* The dict of functools.singledispatch, which is in a cell of its register(). */
static PyObject *dispatch_registry(PyFunctionObject *function)
{
	PyCodeObject *code = (PyCodeObject *)function->func_code;
	PyObject *add =
		function->func_dict ? PyDict_GetItemString(function->func_dict, "register") : NULL;
	PyObject *names, *found = NULL;

	if (!add || !PyFunction_Check(add) || !PyFunction_GET_CLOSURE(add) ||
		PyUnicode_CompareWithASCIIString(
			code->co_qualname, "singledispatch.<locals>.wrapper") != 0)
		return NULL;
	names = free_names(add);
	for (Py_ssize_t i = 0; names && i < PyTuple_GET_SIZE(names); i++)
		if (PyUnicode_CompareWithASCIIString(PyTuple_GET_ITEM(names, i), "registry") == 0)
			found = cell_value(PyFunction_GET_CLOSURE(add), i);
	Py_XDECREF(names);
	return found && PyDict_CheckExact(found) ? found : NULL;
}

static bool is_of_members(struct batch *batch, PyObject *implementation)
{
	PyObject *module = PyFunction_Check(implementation)
				   ? ((PyFunctionObject *)implementation)->func_module
				   : NULL;

	return !module || !PyUnicode_Check(module) || batch_find(batch, module);
}

static bool registry_has(struct batch *batch, PyObject *registry, PyObject *type)
{
	PyObject *key, *value;
	Py_ssize_t position = 0;

	while (PyDict_Next(registry, &position, &key, &value))
		if (map_get(batch, key) == type)
			return true;
	return false;
}

/* Implementations that others registered stay. */
static int dispatch_keep(struct batch *batch, PyFunctionObject *to, PyFunctionObject *from)
{
	PyObject *was = dispatch_registry(to), *is = dispatch_registry(from), *type, *function;
	Py_ssize_t position = 0;

	while (was && is && PyDict_Next(was, &position, &type, &function))
		if (!is_of_members(batch, function) && !registry_has(batch, is, type) &&
			journal_dict_set(&batch->journal, is, type, function) < 0)
			return -1;
	return 0;
}

int function_update(struct batch *batch, PyObject *old, PyObject *fresh)
{
	PyFunctionObject *to = (PyFunctionObject *)old, *from = (PyFunctionObject *)fresh;
	struct journal *journal = &batch->journal;
	PyObject **fields[][2] = {
		{&to->func_code, &from->func_code},
		{&to->func_globals, &from->func_globals},
		{&to->func_builtins, &from->func_builtins},
		{&to->func_defaults, &from->func_defaults},
		{&to->func_kwdefaults, &from->func_kwdefaults},
		{&to->func_closure, &from->func_closure},
		{&to->func_doc, &from->func_doc},
		{&to->func_name, &from->func_name},
		{&to->func_qualname, &from->func_qualname},
		{&to->func_annotations, &from->func_annotations},
		{&to->func_module, &from->func_module},
	};

	if (dispatch_keep(batch, to, from) < 0)
		return -1;
	for (size_t i = 0; i < sizeof(fields) / sizeof(*fields); i++) {
		PyObject *value = *fields[i][1];

		if (value)
			value = map_get(batch, value);
		if (journal_slot_set(journal, old, fields[i][0], value) < 0)
			return -1;
	}
	to->func_version = 0;
	return attributes_update(batch, to, from);
}
