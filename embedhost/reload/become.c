/* SPDX-License-Identifier: MIT */
/*
 * A class whose instances are laid out otherwise now: the new class takes the place of the old one
 * wherever that is referred to; instances that were made before stay with the old one, which keeps
 * nothing but their layout and finds all else in the new one, from which it derives (derive.c).
 */
#include "batch.h"

/* A descriptor of the instances' memory; a field of a ctypes.Structure is one of its own kind. */
bool class_is_layout(PyObject *value)
{
	return Py_TYPE(value) == &PyMemberDescr_Type || Py_TYPE(value) == &PyGetSetDescr_Type ||
	       strcmp(Py_TYPE(value)->tp_name, "_ctypes.CField") == 0;
}

bool class_names_layout(PyObject *name)
{
	return PyUnicode_Check(name) &&
	       (PyUnicode_CompareWithASCIIString(name, "__dict__") == 0 ||
		       PyUnicode_CompareWithASCIIString(name, "__weakref__") == 0 ||
		       PyUnicode_CompareWithASCIIString(name, "_abc_impl") == 0);
}

/* Every class has its own of these. */
static bool name_is_of_class(PyObject *name)
{
	return PyUnicode_Check(name) &&
	       (PyUnicode_CompareWithASCIIString(name, "__module__") == 0 ||
		       PyUnicode_CompareWithASCIIString(name, "__doc__") == 0 ||
		       PyUnicode_CompareWithASCIIString(name, "__slots__") == 0);
}

/* What the instances of the old layout need to keep is about their memory. */
static int become_strip(struct batch *batch, PyTypeObject *old)
{
	PyObject *names = PyDict_Keys(old->tp_dict), *name;
	int result = names ? 0 : -1;

	for (Py_ssize_t i = 0; result == 0 && i < PyList_GET_SIZE(names); i++) {
		name = PyList_GET_ITEM(names, i);
		if (!class_names_layout(name) && !name_is_of_class(name) &&
			!class_is_layout(PyDict_GetItemWithError(old->tp_dict, name)))
			result = journal_type_set(&batch->journal, old, name, NULL);
	}
	Py_XDECREF(names);
	return result;
}

/* The resolution order with a class right behind another. */
static PyObject *order_with(PyObject *order, PyObject *old, PyObject *fresh)
{
	PyObject *list = PyList_New(0), *result = NULL;
	int code = list ? 0 : -1;

	for (Py_ssize_t i = 0; code == 0 && i < PyTuple_GET_SIZE(order); i++) {
		PyObject *item = PyTuple_GET_ITEM(order, i);

		if (item != fresh)
			code = PyList_Append(list, item);
		if (code == 0 && item == old)
			code = PyList_Append(list, fresh);
	}
	if (code == 0)
		result = PyList_AsTuple(list);
	Py_XDECREF(list);
	return result;
}

/* Whoever has a class that became another one in its resolution order has that too. */
int class_follow(struct batch *batch, PyTypeObject *type)
{
	PyObject *order = type->tp_mro ? Py_NewRef(type->tp_mro) : NULL, *longer;
	int result = 0;

	for (Py_ssize_t i = 0; result == 0 && order && i < PyTuple_GET_SIZE(order); i++) {
		PyObject *item = PyTuple_GET_ITEM(order, i), *fresh = map_get(batch, item);

		if (!map_becomes(batch, item) || (PyObject *)type == fresh)
			continue;
		longer = order_with(type->tp_mro, item, fresh);
		result = longer ? journal_slot_set(
					  &batch->journal, (PyObject *)type, &type->tp_mro, longer)
				: -1;
		Py_XDECREF(longer);
	}
	Py_XDECREF(order);
	PyType_Modified(type);
	return result;
}

/* type(self) of an old instance is asked for what the new metaclass has. */
static int become_metaclass(struct batch *batch, PyTypeObject *old, PyTypeObject *fresh)
{
	PyObject *metaclass = map_get(batch, (PyObject *)Py_TYPE(fresh));

	if (metaclass == (PyObject *)Py_TYPE(old) || !same_metalayout(Py_TYPE(old), Py_TYPE(fresh)))
		return 0;
	return journal_class_set(&batch->journal, (PyObject *)old, (PyTypeObject *)metaclass);
}

int class_become(struct batch *batch, PyTypeObject *old, PyTypeObject *fresh)
{
	if (class_follow(batch, old) < 0 || become_metaclass(batch, old, fresh) < 0 ||
		become_strip(batch, old) < 0)
		return -1;
	PyType_Modified(old);
	return 0;
}
