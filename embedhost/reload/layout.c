/* SPDX-License-Identifier: MIT */
/*
 * Whether the instances of two classes are laid out alike, so that those of one can become those of the other.
 *
 * Sizes, flags and slots say that of what Python code adds. What is below it is some C type's memory: the same
 * size doesn't make a map of a filter, nor one ctypes.Structure of another, whose fields are in no size at all
 * but in the class's namespace, which is then no plain dict.
 */
#include "batch.h"

#define DEPTH 6 /* of fields in fields, of which one may point back */

static bool same_slots(PyObject *a, PyObject *b)
{
	Py_ssize_t size = a ? PyTuple_GET_SIZE(a) : 0;

	if (size != (b ? PyTuple_GET_SIZE(b) : 0))
		return false;
	for (Py_ssize_t i = 0; i < size; i++)
		if (PyUnicode_Compare(PyTuple_GET_ITEM(a, i), PyTuple_GET_ITEM(b, i)) != 0)
			return false;
	return true;
}

/* The next class down the line that has slots; NULL: none made by Python code. */
static PyTypeObject *slotted(PyTypeObject *type)
{
	while (type && PyType_HasFeature(type, Py_TPFLAGS_HEAPTYPE) &&
		same_slots(((PyHeapTypeObject *)type)->ht_slots, NULL))
		type = type->tp_base;
	return type && PyType_HasFeature(type, Py_TPFLAGS_HEAPTYPE) ? type : NULL;
}

/* What stands at which place in the instances' memory is a matter of the bases as well; but the descriptors of its own
 * slots are the class's. */
static bool same_slots_of_all(PyTypeObject *a, PyTypeObject *b)
{
	if (!same_slots(((PyHeapTypeObject *)a)->ht_slots, ((PyHeapTypeObject *)b)->ht_slots))
		return false;
	a = slotted(a->tp_base);
	b = slotted(b->tp_base);
	while (a && b &&
		same_slots(((PyHeapTypeObject *)a)->ht_slots, ((PyHeapTypeObject *)b)->ht_slots)) {
		a = slotted(a->tp_base);
		b = slotted(b->tp_base);
	}
	return !a && !b;
}

/* What the class statements began with: they have one way to free an instance, as our loader's class has. */
static PyTypeObject *c_base(PyTypeObject *type)
{
	destructor made_by_statement = ((PyTypeObject *)engine->loader_type)->tp_dealloc;

	while (type->tp_dealloc == made_by_statement)
		type = type->tp_base;
	return type;
}

/* All exceptions that add nothing to Exception are one: they share what frees and traverses them. */
static bool same_memory(PyTypeObject *a, PyTypeObject *b)
{
	return a == b || (a->tp_basicsize == b->tp_basicsize && a->tp_dealloc == b->tp_dealloc &&
				 a->tp_traverse == b->tp_traverse && a->tp_clear == b->tp_clear);
}

struct comparison {
	struct batch *batch;
	bool match; /* what is alike is one: pointer types and arrays that no name is bound to */
};

static bool same_fields(struct comparison *comparison, PyTypeObject *a, PyTypeObject *b, int depth);

static bool same_type(struct comparison *comparison, PyTypeObject *a, PyTypeObject *b, int depth)
{
	bool same = strcmp(a->tp_name, b->tp_name) == 0 && !PyDict_CheckExact(a->tp_dict) &&
		    same_fields(comparison, a, b, depth);

	if (same && comparison->match &&
		map_add(comparison->batch, (PyObject *)b, (PyObject *)a) < 0)
		return false;
	return same;
}

static bool same_value(struct comparison *comparison, PyObject *a, PyObject *b, int depth)
{
	if (a == b || (a && b && map_get(comparison->batch, b) == a))
		return true;
	if (!a || !b || Py_TYPE(a) != Py_TYPE(b) || depth == 0)
		return a && b && depth == 0;
	if (PyType_Check(a))
		return same_type(comparison, (PyTypeObject *)a, (PyTypeObject *)b, depth - 1);
	if (PyUnicode_CheckExact(a))
		return PyUnicode_Compare(a, b) == 0;
	if (PyLong_CheckExact(a))
		return PyObject_RichCompareBool(a, b, Py_EQ) == 1;
	if ((!PyTuple_CheckExact(a) && !PyList_CheckExact(a)) ||
		PySequence_Fast_GET_SIZE(a) != PySequence_Fast_GET_SIZE(b))
		return false;
	for (Py_ssize_t i = 0; i < PySequence_Fast_GET_SIZE(a); i++)
		if (!same_value(comparison, PySequence_Fast_GET_ITEM(a, i),
			    PySequence_Fast_GET_ITEM(b, i), depth - 1))
			return false;
	return true;
}

/* What ctypes makes a class's memory of, in the words that the class says it with. */
static bool same_fields(struct comparison *comparison, PyTypeObject *a, PyTypeObject *b, int depth)
{
	static const char *const names[] = {"_fields_", "_type_", "_length_", "_pack_",
		"_anonymous_", "_flags_", "_argtypes_", "_restype_"};

	if (PyDict_CheckExact(a->tp_dict) && PyDict_CheckExact(b->tp_dict))
		return true;
	if (Py_TYPE(a->tp_dict) != Py_TYPE(b->tp_dict))
		return false;
	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
		if (!same_value(comparison, PyDict_GetItemString(a->tp_dict, names[i]),
			    PyDict_GetItemString(b->tp_dict, names[i]), depth))
			return false;
	return true;
}

/* a is the old class. */
bool same_layout(struct batch *batch, PyTypeObject *a, PyTypeObject *b)
{
	unsigned long flags = Py_TPFLAGS_HEAPTYPE | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_MANAGED_DICT |
			      Py_TPFLAGS_LONG_SUBCLASS | Py_TPFLAGS_LIST_SUBCLASS |
			      Py_TPFLAGS_TUPLE_SUBCLASS | Py_TPFLAGS_BYTES_SUBCLASS |
			      Py_TPFLAGS_UNICODE_SUBCLASS | Py_TPFLAGS_DICT_SUBCLASS |
			      Py_TPFLAGS_BASE_EXC_SUBCLASS | Py_TPFLAGS_TYPE_SUBCLASS;
	struct comparison comparison = {batch, false};

	return a->tp_basicsize == b->tp_basicsize && a->tp_itemsize == b->tp_itemsize &&
	       a->tp_dictoffset == b->tp_dictoffset &&
	       a->tp_weaklistoffset == b->tp_weaklistoffset &&
	       (a->tp_flags & flags) == (b->tp_flags & flags) && same_slots_of_all(a, b) &&
	       same_memory(c_base(a), c_base(b)) && same_fields(&comparison, a, b, DEPTH);
}

int layout_match_fields(struct batch *batch, PyTypeObject *old, PyTypeObject *fresh)
{
	struct comparison comparison = {batch, true};

	same_fields(&comparison, old, fresh, DEPTH);
	return PyErr_Occurred() ? -1 : 0;
}

/* A class can get another metaclass if that makes no other kind of memory of it. */
bool same_metalayout(PyTypeObject *a, PyTypeObject *b)
{
	return a->tp_basicsize == b->tp_basicsize && a->tp_itemsize == b->tp_itemsize &&
	       a->tp_dictoffset == b->tp_dictoffset && a->tp_weaklistoffset == b->tp_weaklistoffset;
}
