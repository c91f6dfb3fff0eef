/* SPDX-License-Identifier: MIT */
/*
 * Classes in place. The old class gets the new one's attributes and bases; its instances, its
 * subclasses and whoever holds it go on with the new code.
 *
 * That needs instances of one layout: the same slots and the same kind of memory (layout.c). A class
 * whose layout changed can't be the same object: see become.c.
 */
#include "batch.h"

static PyHeapTypeObject *heap_type(PyObject *type)
{
	return (PyHeapTypeObject *)type;
}

/* The bases of fresh as they will be; NULL with an exception when out of memory. */
static PyObject *mapped_tuple(struct batch *batch, PyObject *tuple)
{
	PyObject *mapped = PyTuple_New(PyTuple_GET_SIZE(tuple));

	for (Py_ssize_t i = 0; mapped && i < PyTuple_GET_SIZE(tuple); i++)
		PyTuple_SET_ITEM(mapped, i, Py_NewRef(map_get(batch, PyTuple_GET_ITEM(tuple, i))));
	return mapped;
}

bool same_items(PyObject *a, PyObject *b)
{
	if (PyTuple_GET_SIZE(a) != PyTuple_GET_SIZE(b))
		return false;
	for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(a); i++)
		if (PyTuple_GET_ITEM(a, i) != PyTuple_GET_ITEM(b, i))
			return false;
	return true;
}

/* Whether the new bases can be set is for CPython to say: done and undone at once. */
static bool bases_fit(struct batch *batch, PyTypeObject *old, PyTypeObject *fresh)
{
	PyObject *bases = mapped_tuple(batch, fresh->tp_bases), *before = Py_NewRef(old->tp_bases);
	PyTypeObject *base = (PyTypeObject *)map_get(batch, (PyObject *)fresh->tp_base);
	PyTypeObject *old_base = old->tp_base;
	PyObject *orders = type_save_orders(old);
	bool fit = bases && same_items(bases, before);

	if (bases && orders && !fit && type_orders_itself(fresh)) {
		fit = true; /* what it made of the new class, it will make of the old */
	} else if (bases && orders && !fit) {
		Py_INCREF(old_base);
		fit = type_set_bases(old, bases, base) == 0;
		if (fit)
			type_restore_bases(old, before, old_base, orders);
		Py_DECREF(old_base);
	}
	PyErr_Clear();
	Py_XDECREF(orders);
	Py_XDECREF(bases);
	Py_DECREF(before);
	return fit;
}

/* Members of a mixed-in type carry their value in themselves, where it can't be changed. */
static bool enum_member_fits(PyObject *old, PyObject *fresh)
{
	if (PyLong_Check(old) && PyLong_Check(fresh))
		return PyObject_IsTrue(PyLong_Type.tp_richcompare(old, fresh, Py_EQ)) == 1;
	if (PyUnicode_Check(old) && PyUnicode_Check(fresh))
		return PyUnicode_Compare(old, fresh) == 0;
	return Py_TYPE(old)->tp_basicsize == PyBaseObject_Type.tp_basicsize ||
	       _PyObject_GetDictPtr(old) != NULL;
}

static int enum_match(struct batch *batch, PyTypeObject *old, PyTypeObject *fresh)
{
	PyObject *was = PyDict_GetItemString(old->tp_dict, "_member_map_");
	PyObject *is = PyDict_GetItemString(fresh->tp_dict, "_member_map_");
	PyObject *name, *value, *before;
	Py_ssize_t position = 0;

	if (!was || !is || !PyDict_Check(was) || !PyDict_Check(is))
		return 0;
	while (PyDict_Next(is, &position, &name, &value)) {
		before = PyDict_GetItemWithError(was, name);
		if (before && enum_member_fits(before, value) && map_add(batch, value, before) < 0)
			return -1;
	}
	return 0;
}

static bool is_composite(PyObject *member, PyObject *names)
{
	PyObject **dict = _PyObject_GetDictPtr(member), *name;

	name = dict && *dict ? PyDict_GetItemString(*dict, "_name_") : NULL;
	return !name || name == Py_None || PyDict_GetItemWithError(names, name) != member;
}

/* Flags make a member for each combination that was ever asked for; those are held like others. */
static int enum_keep_composites(struct batch *batch, PyTypeObject *old, PyTypeObject *fresh)
{
	PyObject *names = PyDict_GetItemString(old->tp_dict, "_member_map_");
	PyObject *was = PyDict_GetItemString(old->tp_dict, "_value2member_map_");
	PyObject *is = PyDict_GetItemString(fresh->tp_dict, "_value2member_map_");
	PyObject *value, *member;
	Py_ssize_t position = 0;

	if (!names || !was || !is || !PyDict_Check(names) || !PyDict_Check(was) ||
		!PyDict_Check(is))
		return 0;
	while (PyDict_Next(was, &position, &value, &member))
		if (PyLong_CheckExact(value) && is_composite(member, names) &&
			!PyDict_Contains(is, value) &&
			journal_dict_set(&batch->journal, is, value, member) < 0)
			return -1;
	return 0;
}

static int attributes_match(struct batch *batch, PyTypeObject *old, PyTypeObject *fresh)
{
	PyObject *name, *value, *before;
	Py_ssize_t position = 0;

	while (PyDict_Next(fresh->tp_dict, &position, &name, &value)) {
		before = PyDict_GetItemWithError(old->tp_dict, name);
		if (before && !class_is_layout(value) &&
			match_values(batch, before, value, name) < 0)
			return -1;
	}
	return 0;
}

int class_match(struct batch *batch, PyObject *old, PyObject *fresh)
{
	PyTypeObject *was = (PyTypeObject *)old, *is = (PyTypeObject *)fresh;
	int result;

	if (map_get(batch, fresh) != fresh || map_get(batch, old) != old)
		return 0;
	if (same_metalayout(Py_TYPE(old), Py_TYPE(fresh)) && same_layout(batch, was, is) &&
		bases_fit(batch, was, is))
		result = map_add(batch, fresh, old) < 0 ? -1 : layout_match_fields(batch, was, is);
	else
		result = map_add_becomes(batch, old, fresh);
	if (result == 0)
		result = enum_match(batch, was, is);
	return result < 0 ? -1 : attributes_match(batch, was, is);
}

static int class_set_all(struct batch *batch, PyTypeObject *old, PyTypeObject *fresh)
{
	PyObject *name, *value;
	Py_ssize_t position = 0;

	while (PyDict_Next(fresh->tp_dict, &position, &name, &value)) {
		if (class_names_layout(name) || class_is_layout(value))
			continue;
		if (journal_type_set(&batch->journal, old, name, map_get(batch, value)) < 0)
			return -1;
	}
	return 0;
}

/* Of the instances' own dict and weak references, where the old class had them from a base that it hasn't any
 * more. A descriptor works for one class only. */
static int class_set_own_layout(struct batch *batch, PyTypeObject *old, PyTypeObject *fresh)
{
	static const char *const names[] = {"__dict__", "__weakref__"};
	int result = 0;

	for (size_t i = 0; result == 0 && i < sizeof(names) / sizeof(*names); i++) {
		PyObject *name = PyUnicode_InternFromString(names[i]);
		PyObject *has = name ? PyDict_GetItemWithError(fresh->tp_dict, name) : NULL;
		PyObject *own = NULL;

		if (has && Py_TYPE(has) == &PyGetSetDescr_Type &&
			!PyDict_Contains(old->tp_dict, name)) {
			own = PyDescr_NewGetSet(old, ((PyGetSetDescrObject *)has)->d_getset);
			result = own ? journal_type_set(&batch->journal, old, name, own) : -1;
		}
		Py_XDECREF(own);
		Py_XDECREF(name);
	}
	return PyErr_Occurred() ? -1 : result;
}

/* A class that wasn't abstract has no registry of its own, and would take its base's for it. */
static int class_set_registry(struct batch *batch, PyTypeObject *old, PyTypeObject *fresh)
{
	PyObject *name = PyUnicode_InternFromString("_abc_impl");
	PyObject *registry = name ? PyDict_GetItemWithError(fresh->tp_dict, name) : NULL;
	int result = name ? 0 : -1;

	if (registry && !PyDict_Contains(old->tp_dict, name))
		result = journal_type_set(&batch->journal, old, name, registry);
	Py_XDECREF(name);
	return result;
}

static int class_remove_gone(
	struct batch *batch, PyTypeObject *old, PyTypeObject *fresh, PyObject *defined)
{
	PyObject *names = PyDict_Keys(old->tp_dict);
	int result = names ? 0 : -1;

	for (Py_ssize_t i = 0; result == 0 && i < PyList_GET_SIZE(names); i++) {
		PyObject *name = PyList_GET_ITEM(names, i);

		if (class_names_layout(name) || PyDict_Contains(fresh->tp_dict, name) ||
			(defined && !PySet_Contains(defined, name)))
			continue;
		result = journal_type_set(&batch->journal, old, name, NULL);
	}
	Py_XDECREF(names);
	return result;
}

/* What the metaclass made of the new class. */
static int class_set_order(struct batch *batch, PyTypeObject *old, PyTypeObject *fresh)
{
	PyObject *order = mapped_tuple(batch, fresh->tp_mro);
	int result = order ? 0 : -1;

	if (result == 0 && !same_items(order, old->tp_mro))
		result = journal_slot_set(&batch->journal, (PyObject *)old, &old->tp_mro, order);
	Py_XDECREF(order);
	return result;
}

int class_update(struct batch *batch, PyTypeObject *old, PyTypeObject *fresh)
{
	PyObject *bases = mapped_tuple(batch, fresh->tp_bases);
	PyObject *defined = defined_names(batch, PyDict_GetItemString(old->tp_dict, "__module__"),
		heap_type((PyObject *)old)->ht_qualname);
	int result = bases ? 0 : -1;

	if (result == 0 && !same_items(bases, old->tp_bases))
		result = journal_bases_set(&batch->journal, old, bases,
			(PyTypeObject *)map_get(batch, (PyObject *)fresh->tp_base));
	if (result == 0 && type_orders_itself(fresh))
		result = class_set_order(batch, old, fresh);
	if (result == 0 && map_get(batch, (PyObject *)Py_TYPE(fresh)) != (PyObject *)Py_TYPE(old))
		result = journal_class_set(&batch->journal, (PyObject *)old,
			(PyTypeObject *)map_get(batch, (PyObject *)Py_TYPE(fresh)));
	if (result == 0)
		result = enum_keep_composites(batch, old, fresh);
	if (result == 0)
		result = class_remove_gone(batch, old, fresh, defined);
	if (result == 0)
		result = class_set_all(batch, old, fresh);
	if (result == 0)
		result = class_set_own_layout(batch, old, fresh);
	if (result == 0)
		result = class_set_registry(batch, old, fresh);
	if (result == 0)
		result = type_forget_checks(old);
	PyType_Modified(old);
	Py_XDECREF(bases);
	return result;
}

/* Registers with the old class what the new body registered with the new one. */
static void abc_move(struct batch *batch, PyObject *abc, PyObject *from, PyObject *to)
{
	PyObject *dump = PyObject_CallMethod(abc, "_get_dump", "O", from), *refs = NULL;

	if (dump && PyTuple_Check(dump) && PyTuple_GET_SIZE(dump) > 0)
		refs = PySequence_List(PyTuple_GET_ITEM(dump, 0));
	for (Py_ssize_t i = 0; refs && i < PyList_GET_SIZE(refs); i++) {
		PyObject *type = PyObject_CallNoArgs(PyList_GET_ITEM(refs, i)), *result = NULL;

		if (type && type != Py_None)
			result = PyObject_CallMethod(
				abc, "_abc_register", "OO", to, map_get(batch, type));
		Py_XDECREF(result);
		Py_XDECREF(type);
		PyErr_Clear();
	}
	Py_XDECREF(refs);
	Py_XDECREF(dump);
	PyErr_Clear();
}

/* After the commit: subclass checks may be Python code. */
void class_move_registrations(struct batch *batch)
{
	PyObject *abc = PyImport_ImportModule("_abc");

	for (struct mapping *mapping = batch->map; abc && mapping; mapping = mapping->hh.next)
		if (PyType_Check(mapping->to) &&
			PyDict_GetItemString(((PyTypeObject *)mapping->to)->tp_dict, "_abc_impl"))
			abc_move(batch, abc, mapping->from, mapping->to);
	Py_XDECREF(abc);
	PyErr_Clear();
}
