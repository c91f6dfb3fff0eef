/* SPDX-License-Identifier: MIT */
/*
 * The class of instances of an earlier layout (become.c) as one that derives from the class that took its place.
 *
 * It has the new class among its bases and stands in the new one's list of subclasses: so CPython itself carries
 * over what a program or a later version changes (special methods, bases), and forgets what it remembers of an
 * attribute, which it does without a reference.
 *
 * A slot that the old instances have no room for must not be found in the new class: its descriptor would
 * take some other memory for it. The old class has the descriptor of its own slot of that name, or a *bar*, which
 * raises AttributeError, as a slot without a value does. What an instance has in its own dict comes first.
 *
 * Where the new class takes the place of one that had taken another's before, all of them derive from the last one.
 */
#include "batch.h"

/* Whose memory the instances begin with. */
static bool is_part_of(PyTypeObject *type, PyTypeObject *part)
{
	while (type && type != part)
		type = type->tp_base;
	return type != NULL;
}

/* Python code made it, and its instances have no more memory than its base's but for its slots, a dict and weak references. */
static bool is_made_of_slots(PyTypeObject *type)
{
	PyObject *slots = ((PyHeapTypeObject *)type)->ht_slots;
	PyTypeObject *base = type->tp_base;
	Py_ssize_t words = slots ? PyTuple_GET_SIZE(slots) : 0;

	if (type->tp_weaklistoffset && !base->tp_weaklistoffset)
		words++;
	if (type->tp_itemsize && type->tp_dictoffset && !base->tp_dictoffset)
		words++;
	return type->tp_itemsize == base->tp_itemsize &&
	       type->tp_basicsize == base->tp_basicsize + words * (Py_ssize_t)sizeof(PyObject *);
}

/* C code takes an instance of a class for what it is by the resolution order: no class may come in whose memory
 * the old instances don't have. Slots are a matter of bars. */
static bool may_come_in(PyTypeObject *old, PyTypeObject *type)
{
	return PyType_IsSubtype(old->tp_base, type) ||
	       (PyType_HasFeature(type, Py_TPFLAGS_HEAPTYPE) && is_made_of_slots(type));
}

static bool may_derive(PyTypeObject *old, PyTypeObject *fresh)
{
	for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(fresh->tp_mro); i++)
		if (!may_come_in(old, (PyTypeObject *)PyTuple_GET_ITEM(fresh->tp_mro, i)))
			return false;
	return true;
}

/* By identity: a metaclass may have its own idea of what is equal. */
static bool has_item(PyObject *sequence, PyObject *object)
{
	for (Py_ssize_t i = 0; i < PySequence_Fast_GET_SIZE(sequence); i++)
		if (PySequence_Fast_GET_ITEM(sequence, i) == object)
			return true;
	return false;
}

/* A base before those that the class has. object before all others fits into no resolution order: with that
 * first the order stays as it is, since CPython can't make another. */
static PyObject *bases_with(PyTypeObject *old, PyTypeObject *fresh, PyTypeObject *gone, bool derive)
{
	PyObject *object = (PyObject *)&PyBaseObject_Type, *bases = NULL;
	PyObject *list =
		derive ? Py_BuildValue("[O]", fresh) : Py_BuildValue("[OO]", object, fresh);
	int result = list ? 0 : -1;

	for (Py_ssize_t i = 0; result == 0 && i < PyTuple_GET_SIZE(old->tp_bases); i++) {
		PyObject *base = PyTuple_GET_ITEM(old->tp_bases, i);
		bool first_of_many = i == 0 && PyTuple_GET_SIZE(old->tp_bases) > 1;

		if (base != (PyObject *)gone && !(base == object && first_of_many) &&
			!has_item(list, base))
			result = PyList_Append(list, base);
	}
	if (result == 0)
		bases = PyList_AsTuple(list);
	Py_XDECREF(list);
	return bases;
}

/* type.__subclasses__() leaves it out: earlier.c. */
static int derive_link(struct batch *batch, PyTypeObject *old, PyTypeObject *base)
{
	PyObject *key = PyLong_FromVoidPtr(old), *reference = NULL, *dict = NULL;
	int result = -1;

	if (key)
		reference = PyWeakref_NewRef((PyObject *)old, NULL);
	if (reference)
		dict = base->tp_subclasses ? Py_NewRef(base->tp_subclasses) : PyDict_New();
	if (dict)
		result = journal_slot_set(
			&batch->journal, (PyObject *)base, &base->tp_subclasses, dict);
	if (result == 0)
		result = journal_dict_set(&batch->journal, dict, key, reference);
	Py_XDECREF(dict);
	Py_XDECREF(reference);
	Py_XDECREF(key);
	return result;
}

/* A class is linked with all its bases, so that it leaves no trace there when it is freed. */
static int derive_set_bases(struct batch *batch, PyTypeObject *old, PyTypeObject *fresh,
	PyTypeObject *gone, bool derive)
{
	PyObject *bases = bases_with(old, fresh, gone, derive);
	int result =
		bases ? journal_slot_set(&batch->journal, (PyObject *)old, &old->tp_bases, bases)
		      : -1;

	for (Py_ssize_t i = 0; result == 0 && i < PyTuple_GET_SIZE(bases); i++)
		result = derive_link(batch, old, (PyTypeObject *)PyTuple_GET_ITEM(bases, i));
	Py_XDECREF(bases);
	return result;
}

static int derive_set_orders_below(struct batch *batch, PyTypeObject *type);

static int set_order_of_list(struct batch *batch, PyTypeObject *type, PyObject *list)
{
	PyObject *order = PyList_AsTuple(list);
	int result =
		order ? journal_slot_set(&batch->journal, (PyObject *)type, &type->tp_mro, order)
		      : -1;

	Py_XDECREF(order);
	return result == 0 ? derive_set_orders_below(batch, type) : -1;
}

/* As CPython would make it; TypeError: there is none. */
static int derive_set_order(struct batch *batch, PyTypeObject *type)
{
	PyObject *list;
	int result = -1;

	if (type_orders_itself(type))
		return 0;
	list = PyObject_CallMethod((PyObject *)&PyType_Type, "mro", "O", type);
	if (list)
		result = set_order_of_list(batch, type, list);
	Py_XDECREF(list);
	return result;
}

/* What its bases have, one after the other, each class where it is found last. Of the new class beside which a class
 * stands comes in what may. */
static int collect_order(PyTypeObject *type, bool beside, PyObject *list)
{
	int result = 0;

	for (Py_ssize_t i = PyTuple_GET_SIZE(type->tp_bases); result == 0 && i-- > beside;) {
		PyTypeObject *base = (PyTypeObject *)PyTuple_GET_ITEM(type->tp_bases, i);

		for (Py_ssize_t k = PyTuple_GET_SIZE(base->tp_mro); result == 0 && k-- > 0;) {
			PyTypeObject *item = (PyTypeObject *)PyTuple_GET_ITEM(base->tp_mro, k);
			bool may = !beside || i > 1 || k == 0 || may_come_in(type, item);

			if (may && !has_item(list, (PyObject *)item))
				result = PyList_Append(list, (PyObject *)item);
		}
	}
	return result;
}

/* For a class for which CPython makes none. Its bases say whether it stands beside another: bases_with(). */
static int derive_set_other_order(struct batch *batch, PyTypeObject *type)
{
	bool beside = PyTuple_GET_ITEM(type->tp_bases, 0) == (PyObject *)&PyBaseObject_Type;
	PyObject *list = Py_BuildValue("[O]", &PyBaseObject_Type);
	int result = list ? collect_order(type, beside, list) : -1;

	if (result == 0)
		result = PyList_Append(list, (PyObject *)type);
	if (result == 0)
		result = PyList_Reverse(list);
	if (result == 0)
		result = set_order_of_list(batch, type, list);
	Py_XDECREF(list);
	return result;
}

/* CPython's order if there is one, else ours. */
static int derive_set_some_order(struct batch *batch, PyTypeObject *type)
{
	int result = derive_set_order(batch, type);

	if (result == 0 || !PyErr_ExceptionMatches(PyExc_TypeError))
		return result;
	PyErr_Clear();
	return derive_set_other_order(batch, type);
}

static int derive_set_orders_below(struct batch *batch, PyTypeObject *type)
{
	PyObject *key, *reference;
	Py_ssize_t position = 0;
	int result = 0;

	while (result == 0 && type->tp_subclasses &&
		PyDict_Next(type->tp_subclasses, &position, &key, &reference)) {
		PyObject *subclass = PyWeakref_GET_OBJECT(reference);

		if (PyType_Check(subclass))
			result = derive_set_some_order(batch, (PyTypeObject *)subclass);
	}
	return result;
}

/* gone: the class that had the new one's place before, or NULL. */
static int derive_from(
	struct batch *batch, PyTypeObject *old, PyTypeObject *fresh, PyTypeObject *gone)
{
	bool derive = may_derive(old, fresh);

	if (derive_set_bases(batch, old, fresh, gone, derive) < 0)
		return -1;
	if (derive && derive_set_order(batch, old) == 0)
		return 0;
	if (derive && !PyErr_ExceptionMatches(PyExc_TypeError))
		return -1;
	PyErr_Clear();
	if (derive && derive_set_bases(batch, old, fresh, gone, false) < 0)
		return -1;
	return derive_set_other_order(batch, old);
}

/* ---- from one class to the next ---- */

/* The C slot of a special method follows the attribute's coming and going: what remains is what the method
 * resolution finds. Classes below follow. */
static int derive_special_method(struct batch *batch, PyTypeObject *old, PyObject *name)
{
	if (!PyUnicode_CheckExact(name) || !type_name_has_slot(name) ||
		PyDict_Contains(old->tp_dict, name))
		return 0;
	if (journal_type_set(&batch->journal, old, name, Py_None) < 0)
		return -1;
	return journal_type_set(&batch->journal, old, name, NULL);
}

static int derive_special_methods(struct batch *batch, PyTypeObject *old, PyTypeObject *type)
{
	PyObject *name, *value;
	Py_ssize_t position = 0;
	int result = 0;

	while (result == 0 && PyDict_Next(type->tp_dict, &position, &name, &value))
		result = derive_special_method(batch, old, name);
	return result;
}

static int derive_unlink(struct batch *batch, PyTypeObject *old, PyTypeObject *base)
{
	PyObject *key = PyLong_FromVoidPtr(old);
	int result = key ? journal_dict_set(&batch->journal, base->tp_subclasses, key, NULL) : -1;

	Py_XDECREF(key);
	return result;
}

/* They say which slots of the class before the old instances have not. */
static int derive_remove_bars(struct batch *batch, PyTypeObject *old)
{
	PyObject *names = PyDict_Keys(old->tp_dict);
	int result = names ? 0 : -1;

	for (Py_ssize_t i = 0; result == 0 && i < PyList_GET_SIZE(names); i++) {
		PyObject *name = PyList_GET_ITEM(names, i);

		if (Py_TYPE(PyDict_GetItemWithError(old->tp_dict, name)) == &Bar_Type)
			result = journal_type_set(&batch->journal, old, name, NULL);
	}
	Py_XDECREF(names);
	return result;
}

/* What it found in classes that are in its resolution order no more. */
static int derive_forget(struct batch *batch, PyTypeObject *old, PyObject *order)
{
	int result = 0;

	for (Py_ssize_t i = 0; result == 0 && i < PyTuple_GET_SIZE(order); i++) {
		PyTypeObject *type = (PyTypeObject *)PyTuple_GET_ITEM(order, i);

		if (!PyType_IsSubtype(old, type))
			result = derive_special_methods(batch, old, type);
	}
	return result;
}

static int derive_anew(
	struct batch *batch, PyTypeObject *old, PyTypeObject *fresh, PyTypeObject *gone)
{
	PyObject *order = Py_NewRef(old->tp_mro);
	int result = -1;

	if (derive_unlink(batch, old, gone) == 0 && derive_remove_bars(batch, old) == 0 &&
		derive_from(batch, old, fresh, gone) == 0)
		result = derive_forget(batch, old, order);
	Py_DECREF(order);
	return result;
}

/* Those of layouts before that of `old`, which itself is free to go when it has no more instances. */
static int derive_earlier(struct batch *batch, PyTypeObject *old, PyTypeObject *fresh)
{
	PyObject *list = earlier_list(old);
	int result = list ? 0 : -1;

	for (Py_ssize_t i = 0; result == 0 && i < PyList_GET_SIZE(list); i++) {
		PyTypeObject *type = (PyTypeObject *)PyList_GET_ITEM(list, i);

		if (!type_orders_itself(type))
			result = derive_anew(batch, type, fresh, old);
	}
	Py_XDECREF(list);
	return result;
}

/* ---- what it finds there ---- */

struct bar {
	PyObject_HEAD PyObject *name;
};

static void bar_dealloc(PyObject *self)
{
	Py_XDECREF(((struct bar *)self)->name);
	PyObject_Free(self);
}

static PyObject *bar_get(PyObject *self, PyObject *object, PyObject *type)
{
	if (!object)
		return Py_NewRef(self);
	PyErr_Format(PyExc_AttributeError, "'%.200s' object has no attribute %R",
		Py_TYPE(object)->tp_name, ((struct bar *)self)->name);
	return NULL;
}

PyTypeObject Bar_Type = {
	PyVarObject_HEAD_INIT(NULL, 0).tp_name = "pymodhost.MissingSlot",
	.tp_basicsize = sizeof(struct bar),
	.tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION,
	.tp_dealloc = bar_dealloc,
	.tp_descr_get = bar_get,
};

static int derive_bar(struct batch *batch, PyTypeObject *old, PyObject *name)
{
	struct bar *bar = PyObject_New(struct bar, &Bar_Type);
	int result;

	if (!bar)
		return -1;
	bar->name = Py_NewRef(name);
	result = journal_type_set(&batch->journal, old, name, (PyObject *)bar);
	Py_DECREF(bar);
	return result;
}

/* The old instances may have such a slot of their own, from a base. */
static int derive_slot(struct batch *batch, PyTypeObject *old, PyObject *name)
{
	PyObject *own = NULL;

	for (PyTypeObject *type = old->tp_base; type && !own; type = type->tp_base) {
		own = PyDict_GetItemWithError(type->tp_dict, name);
		if (own && !class_is_layout(own))
			own = NULL;
	}
	if (own)
		return journal_type_set(&batch->journal, old, name, own);
	return derive_bar(batch, old, name);
}

static int derive_bars(struct batch *batch, PyTypeObject *old, PyTypeObject *type)
{
	PyObject *name, *value;
	Py_ssize_t position = 0;
	int result = 0;

	while (result == 0 && PyDict_Next(type->tp_dict, &position, &name, &value))
		if (class_is_layout(value) && !class_names_layout(name) &&
			!PyDict_Contains(old->tp_dict, name))
			result = derive_slot(batch, old, name);
	return result;
}

static int derive_find(struct batch *batch, PyTypeObject *old, PyTypeObject *fresh)
{
	PyObject *order = Py_NewRef(old->tp_mro);
	int result = 0;

	for (Py_ssize_t i = 1; result == 0 && i < PyTuple_GET_SIZE(order); i++) {
		PyTypeObject *type = (PyTypeObject *)PyTuple_GET_ITEM(order, i);

		if (!PyType_HasFeature(type, Py_TPFLAGS_HEAPTYPE) || is_part_of(old, type))
			continue;
		result = derive_bars(batch, old, type);
		if (result == 0)
			result = derive_special_methods(batch, old, type);
	}
	Py_DECREF(order);
	if (result == 0)
		result = earlier_set(batch, old, fresh);
	PyType_Modified(old);
	return result;
}

static int derive_find_all(struct batch *batch, PyTypeObject *old, PyTypeObject *fresh)
{
	PyObject *list = earlier_list(fresh);
	int result = list ? derive_find(batch, old, fresh) : -1;

	for (Py_ssize_t i = 0; result == 0 && i < PyList_GET_SIZE(list); i++)
		result = derive_find(batch, (PyTypeObject *)PyList_GET_ITEM(list, i), fresh);
	Py_XDECREF(list);
	return result;
}

/* Of a class below one that changed in place, which may have other bases now. */
static int derive_refresh(struct batch *batch, PyTypeObject *old)
{
	PyObject *before = Py_NewRef(old->tp_mro);
	int result = derive_set_some_order(batch, old);

	if (result == 0 && !same_items(before, old->tp_mro)) {
		result = derive_forget(batch, old, before);
		if (result == 0)
			result = derive_find(
				batch, old, (PyTypeObject *)PyTuple_GET_ITEM(old->tp_mro, 1));
	}
	Py_DECREF(before);
	return result;
}

static int derive_refresh_below(struct batch *batch, PyTypeObject *type)
{
	PyObject *list = earlier_below(type);
	int result = list ? 0 : -1;

	for (Py_ssize_t i = 0; result == 0 && i < PyList_GET_SIZE(list); i++)
		result = derive_refresh(
			batch, (PyTypeObject *)PyTuple_GET_ITEM(PyList_GET_ITEM(list, i), 3));
	Py_XDECREF(list);
	return result;
}

int derive_all(struct batch *batch)
{
	struct mapping *mapping;
	int result = 0;

	for (mapping = batch->map; result == 0 && mapping; mapping = mapping->hh.next) {
		PyTypeObject *old = (PyTypeObject *)mapping->from;
		PyTypeObject *fresh = (PyTypeObject *)mapping->to;

		if (mapping->becomes && derive_from(batch, old, fresh, NULL) == 0)
			result = derive_earlier(batch, old, fresh);
		else if (mapping->becomes)
			result = -1;
	}
	for (mapping = batch->map; result == 0 && mapping; mapping = mapping->hh.next)
		if (mapping->becomes)
			result = derive_find_all(
				batch, (PyTypeObject *)mapping->from, (PyTypeObject *)mapping->to);
	for (mapping = batch->map; result == 0 && mapping; mapping = mapping->hh.next)
		if (PyType_Check(mapping->to))
			result = derive_refresh_below(batch, (PyTypeObject *)mapping->to);
	return result;
}
