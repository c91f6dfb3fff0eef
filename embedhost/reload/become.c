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
 * The new class has the old one in no list of subclasses, so CPython doesn't carry its special methods over to the
 * C slots of the old one: that is done here, with this change and with later ones.
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

/* A descriptor of the instances' memory. */
bool class_is_layout(PyObject *value)
{
	return Py_TYPE(value) == &PyMemberDescr_Type || Py_TYPE(value) == &PyGetSetDescr_Type;
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

/* For slots of the new class that the old instances have no room for. */
static int become_bars(struct batch *batch, PyTypeObject *old, PyTypeObject *fresh)
{
	PyObject *name, *value;
	Py_ssize_t position = 0;
	int result = 0;

	while (result == 0 && PyDict_Next(fresh->tp_dict, &position, &name, &value))
		if (class_is_layout(value) && !class_names_layout(name) &&
			!PyDict_Contains(old->tp_dict, name))
			result = become_bar(batch, old, name);
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
		become_strip(batch, old) < 0 || become_bars(batch, old, fresh) < 0)
		return -1;
	PyType_Modified(old);
	return 0;
}

/* The slot of a special method follows the attribute's coming and going: what remains is what the method
 * resolution finds. Classes below follow. */
static int follow_name(struct batch *batch, PyTypeObject *old, PyObject *name)
{
	if (!PyUnicode_CheckExact(name) || !type_name_has_slot(name) ||
		PyDict_Contains(old->tp_dict, name))
		return 0;
	if (journal_type_set(&batch->journal, old, name, Py_None) < 0)
		return -1;
	return journal_type_set(&batch->journal, old, name, NULL);
}

static bool has_in_order(PyTypeObject *type, PyObject *base)
{
	for (Py_ssize_t i = 0; type->tp_mro && i < PyTuple_GET_SIZE(type->tp_mro); i++)
		if (PyTuple_GET_ITEM(type->tp_mro, i) == base)
			return true;
	return false;
}

static int follow_new_class(struct batch *batch, PyTypeObject *old, PyObject *fresh)
{
	PyObject *name, *value;
	Py_ssize_t position = 0;
	int result = 0;

	while (result == 0 &&
		PyDict_Next(((PyTypeObject *)fresh)->tp_dict, &position, &name, &value))
		result = follow_name(batch, old, name);
	return result;
}

/* steps: those of the commit itself; what is done here adds to them. CPython remembers what the attributes of a class are
 * until one of its bases changes, without a reference, and the new class is no base: that is forgotten. */
static int follow_changes(struct batch *batch, PyTypeObject *old, size_t steps)
{
	struct mapping *mapping;
	int result = 0;

	for (mapping = batch->map; result == 0 && mapping; mapping = mapping->hh.next)
		if (mapping->becomes && has_in_order(old, mapping->to))
			result = follow_new_class(batch, old, mapping->to);
	for (size_t i = 0; result == 0 && i < steps; i++) {
		struct change *change = &batch->journal.changes[i];

		if (change->kind == CHANGE_TYPE && change->owner != (PyObject *)old &&
			has_in_order(old, change->owner))
			result = follow_name(batch, old, change->key);
	}
	PyType_Modified(old);
	return result;
}

/* When every resolution order is as it will be. */
int become_follow(struct batch *batch)
{
	size_t steps = batch->journal.count;
	struct mapping *mapping;
	int result = 0;

	for (mapping = batch->map; result == 0 && mapping; mapping = mapping->hh.next)
		if (mapping->becomes)
			result = follow_changes(batch, (PyTypeObject *)mapping->from, steps);
	for (Py_ssize_t i = 0; result == 0 && i < PyList_GET_SIZE(engine->outgrown); i++) {
		PyObject *old = PyWeakref_GET_OBJECT(PyList_GET_ITEM(engine->outgrown, i));

		if (PyType_Check(old))
			result = follow_changes(batch, (PyTypeObject *)old, steps);
	}
	return result;
}

/* After the commit. Without memory for it they follow no later change. */
void become_note(struct batch *batch)
{
	PyObject *list = engine->outgrown, *reference;

	for (Py_ssize_t i = PyList_GET_SIZE(list) - 1; i >= 0; i--)
		if (PyWeakref_GET_OBJECT(PyList_GET_ITEM(list, i)) == Py_None)
			PyList_SetSlice(list, i, i + 1, NULL);
	for (struct mapping *mapping = batch->map; mapping; mapping = mapping->hh.next) {
		reference = mapping->becomes ? PyWeakref_NewRef(mapping->from, NULL) : NULL;
		if (reference)
			PyList_Append(list, reference);
		Py_XDECREF(reference);
	}
	PyErr_Clear();
}
