/* SPDX-License-Identifier: MIT */
/*
 * A class whose instances are laid out otherwise now: the new class takes the place of the old one
 * wherever that is referred to; instances that were made before stay with the old one, which keeps
 * nothing but their layout and finds all else in the new one, as if derived from it.
 *
 * A slot that the old instances have no room for must not be found in the new class: its descriptor would
 * take some other memory for it. A *bar* stands before it, which raises AttributeError, as a slot without a
 * value does. What an instance has in its own dict comes first.
 *
 * The old class is made a subclass of the new one, in its own bases and in the new one's list of subclasses: so
 * CPython itself carries over what a program or a later version changes (special methods, bases), and forgets
 * what it remembers of an attribute, which it does without a reference.
 */
#include "batch.h"

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

/* ---- the old class as one that derives from the new one ---- */

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

/* A base before those that the class has. object before all others fits into no resolution order: with that
 * first the order stays as it is, since CPython can't make another. */
static PyObject *bases_with(PyTypeObject *old, PyTypeObject *fresh, bool derive)
{
	PyObject *list = PyList_New(0), *bases = NULL;
	int result = list ? 0 : -1;

	if (result == 0 && !derive)
		result = PyList_Append(list, (PyObject *)&PyBaseObject_Type);
	if (result == 0)
		result = PyList_Append(list, (PyObject *)fresh);
	for (Py_ssize_t i = 0; result == 0 && i < PyTuple_GET_SIZE(old->tp_bases); i++) {
		PyObject *base = PyTuple_GET_ITEM(old->tp_bases, i);

		if (base != (PyObject *)fresh && (derive || base != (PyObject *)&PyBaseObject_Type))
			result = PyList_Append(list, base);
	}
	if (result == 0)
		bases = PyList_AsTuple(list);
	Py_XDECREF(list);
	return bases;
}

/* type.__subclasses__() leaves it out: earlier.c. */
static int become_link(struct batch *batch, PyTypeObject *old, PyTypeObject *base)
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
static int become_set_bases(
	struct batch *batch, PyTypeObject *old, PyTypeObject *fresh, bool derive)
{
	PyObject *bases = bases_with(old, fresh, derive);
	int result =
		bases ? journal_slot_set(&batch->journal, (PyObject *)old, &old->tp_bases, bases)
		      : -1;

	for (Py_ssize_t i = 0; result == 0 && i < PyTuple_GET_SIZE(bases); i++)
		result = become_link(batch, old, (PyTypeObject *)PyTuple_GET_ITEM(bases, i));
	Py_XDECREF(bases);
	return result;
}

static int become_set_orders_below(struct batch *batch, PyTypeObject *type);

/* As CPython would make it; TypeError: there is none. */
static int become_set_order(struct batch *batch, PyTypeObject *type)
{
	PyObject *list = NULL, *order = NULL;
	int result = -1;

	if (type_orders_itself(type))
		return 0;
	list = PyObject_CallMethod((PyObject *)&PyType_Type, "mro", "O", type);
	if (list)
		order = PyList_AsTuple(list);
	if (order)
		result = journal_slot_set(&batch->journal, (PyObject *)type, &type->tp_mro, order);
	Py_XDECREF(order);
	Py_XDECREF(list);
	return result == 0 ? become_set_orders_below(batch, type) : -1;
}

/* A class that would have none keeps the one it has. */
static int become_set_orders_below(struct batch *batch, PyTypeObject *type)
{
	PyObject *key, *reference;
	Py_ssize_t position = 0;
	int result = 0;

	while (result == 0 && type->tp_subclasses &&
		PyDict_Next(type->tp_subclasses, &position, &key, &reference)) {
		PyObject *subclass = PyWeakref_GET_OBJECT(reference);

		if (PyType_Check(subclass))
			result = become_set_order(batch, (PyTypeObject *)subclass);
		if (result < 0 && PyErr_ExceptionMatches(PyExc_TypeError)) {
			PyErr_Clear();
			result = 0;
		}
	}
	return result;
}

/* By identity: a metaclass may have its own idea of what is equal. */
static bool has_item(PyObject *sequence, PyObject *object)
{
	for (Py_ssize_t i = 0; i < PySequence_Fast_GET_SIZE(sequence); i++)
		if (PySequence_Fast_GET_ITEM(sequence, i) == object)
			return true;
	return false;
}

/* The class itself, what may come in of the new one's order, and the rest of its own. */
static int become_set_order_beside(struct batch *batch, PyTypeObject *old, PyTypeObject *fresh)
{
	PyObject *list = Py_BuildValue("[OO]", old, fresh), *order = NULL;
	int result = list ? 0 : -1;

	for (Py_ssize_t i = 1; result == 0 && i < PyTuple_GET_SIZE(fresh->tp_mro); i++) {
		PyObject *type = PyTuple_GET_ITEM(fresh->tp_mro, i);

		if (may_come_in(old, (PyTypeObject *)type) && !has_item(old->tp_mro, type))
			result = PyList_Append(list, type);
	}
	for (Py_ssize_t i = 0; result == 0 && i < PyTuple_GET_SIZE(old->tp_mro); i++)
		if (!has_item(list, PyTuple_GET_ITEM(old->tp_mro, i)))
			result = PyList_Append(list, PyTuple_GET_ITEM(old->tp_mro, i));
	if (result == 0)
		order = PyList_AsTuple(list);
	if (order)
		result = journal_slot_set(&batch->journal, (PyObject *)old, &old->tp_mro, order);
	Py_XDECREF(order);
	Py_XDECREF(list);
	return order && result == 0 ? become_set_orders_below(batch, old) : -1;
}

static int become_derive(struct batch *batch, PyTypeObject *old, PyTypeObject *fresh)
{
	bool derive = may_derive(old, fresh);

	if (become_set_bases(batch, old, fresh, derive) < 0)
		return -1;
	if (!derive)
		return become_set_order_beside(batch, old, fresh);
	if (become_set_order(batch, old) == 0)
		return 0;
	if (!PyErr_ExceptionMatches(PyExc_TypeError))
		return -1;
	PyErr_Clear();
	return become_set_bases(batch, old, fresh, false);
}

/* ---- what it finds there ---- */

static int become_bar(struct batch *batch, PyTypeObject *old, PyObject *name)
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
static int become_set_slot(struct batch *batch, PyTypeObject *old, PyObject *name)
{
	PyObject *own = _PyType_Lookup(old->tp_base, name);

	if (own && class_is_layout(own))
		return journal_type_set(&batch->journal, old, name, own);
	return become_bar(batch, old, name);
}

static int become_bars(struct batch *batch, PyTypeObject *old, PyTypeObject *type)
{
	PyObject *name, *value;
	Py_ssize_t position = 0;
	int result = 0;

	while (result == 0 && PyDict_Next(type->tp_dict, &position, &name, &value))
		if (class_is_layout(value) && !class_names_layout(name) &&
			!PyDict_Contains(old->tp_dict, name))
			result = become_set_slot(batch, old, name);
	return result;
}

/* The C slot of a special method follows the attribute's coming and going: what remains is what the method
 * resolution finds. Classes below follow. */
static int become_special_method(struct batch *batch, PyTypeObject *old, PyObject *name)
{
	if (!PyUnicode_CheckExact(name) || !type_name_has_slot(name) ||
		PyDict_Contains(old->tp_dict, name))
		return 0;
	if (journal_type_set(&batch->journal, old, name, Py_None) < 0)
		return -1;
	return journal_type_set(&batch->journal, old, name, NULL);
}

static int become_special_methods(struct batch *batch, PyTypeObject *old, PyTypeObject *type)
{
	PyObject *name, *value;
	Py_ssize_t position = 0;
	int result = 0;

	while (result == 0 && PyDict_Next(type->tp_dict, &position, &name, &value))
		result = become_special_method(batch, old, name);
	return result;
}

static int become_find(struct batch *batch, PyTypeObject *old, PyTypeObject *fresh)
{
	PyObject *order = Py_NewRef(fresh->tp_mro);
	int result = 0;

	for (Py_ssize_t i = 0; result == 0 && i < PyTuple_GET_SIZE(order); i++) {
		PyTypeObject *type = (PyTypeObject *)PyTuple_GET_ITEM(order, i);

		if (!PyType_HasFeature(type, Py_TPFLAGS_HEAPTYPE) || !PyType_IsSubtype(old, type))
			continue;
		if (!PyType_IsSubtype(old->tp_base, type))
			result = become_bars(batch, old, type);
		if (result == 0)
			result = become_special_methods(batch, old, type);
	}
	Py_DECREF(order);
	if (result == 0)
		result = earlier_set(batch, old, fresh);
	PyType_Modified(old);
	return result;
}

/* When the new classes have the bases that they will have. */
int become_follow(struct batch *batch)
{
	struct mapping *mapping;
	int result = 0;

	for (mapping = batch->map; result == 0 && mapping; mapping = mapping->hh.next)
		if (mapping->becomes)
			result = become_derive(
				batch, (PyTypeObject *)mapping->from, (PyTypeObject *)mapping->to);
	for (mapping = batch->map; result == 0 && mapping; mapping = mapping->hh.next)
		if (mapping->becomes)
			result = become_find(
				batch, (PyTypeObject *)mapping->from, (PyTypeObject *)mapping->to);
	return result;
}
