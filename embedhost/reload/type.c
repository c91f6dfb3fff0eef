/* SPDX-License-Identifier: MIT */
/*
 * Attributes and bases of a class, set without any Python code: past its metaclass, past the hooks of
 * sys.addaudithook() (internal/pycore_interp.h of CPython 3.11).
 *
 * What a class's C slots follow goes through type's own setter, which sees to them; the rest straight
 * into the namespace.
 */
#define Py_BUILD_CORE 1 /* before Python.h */
#include "batch.h"

#include <internal/pycore_interp.h>

bool type_orders_itself(PyTypeObject *type)
{
	PyObject *name = PyUnicode_InternFromString("mro");
	bool own =
		name && _PyType_Lookup(Py_TYPE(type), name) != _PyType_Lookup(&PyType_Type, name);

	Py_XDECREF(name);
	PyErr_Clear();
	return own;
}

static int collect_ordering(PyTypeObject *type, PyObject *list)
{
	PyObject *key, *reference;
	Py_ssize_t position = 0;

	if (type_orders_itself(type) && PyList_Append(list, (PyObject *)type) < 0)
		return -1;
	while (type->tp_subclasses &&
		PyDict_Next(type->tp_subclasses, &position, &key, &reference)) {
		PyObject *subclass = PyWeakref_GET_OBJECT(reference);

		if (PyType_Check(subclass) && collect_ordering((PyTypeObject *)subclass, list) < 0)
			return -1;
	}
	return 0;
}

/* A class may be anything to its metaclass, whose descriptors, __getattribute__() or __setattr__() are
 * Python code: meanwhile it passes for a plain one. */
static int type_set_past_metaclass(PyTypeObject *type, PyObject *name, PyObject *value)
{
	PyTypeObject *metatype = Py_TYPE(type);
	int result;

	Py_SET_TYPE(type, &PyType_Type);
	result = PyType_Type.tp_setattro((PyObject *)type, name, value);
	Py_SET_TYPE(type, metatype);
	return result;
}

/* Virtual subclasses that others registered stay. */
int type_forget_checks(PyTypeObject *type)
{
	PyTypeObject *metatype = Py_TYPE(type);
	PyObject *result;

	if (!PyDict_GetItemString(type->tp_dict, "_abc_impl"))
		return 0;
	Py_SET_TYPE(type, &PyType_Type);
	result = PyObject_CallOneArg(engine->abc_forget, (PyObject *)type);
	Py_SET_TYPE(type, metatype);
	Py_XDECREF(result);
	return result ? 0 : -1;
}

/* A metaclass's method mro() as well: it is asked for each class below `type`. Whose order it is says
 * class.c. */
static int type_set_plainly(PyTypeObject *type, PyObject *name, PyObject *bases)
{
	PyObject *list = PyList_New(0), *hidden = earlier_hide(type);
	Py_ssize_t count =
		list && hidden && collect_ordering(type, list) == 0 ? PyList_GET_SIZE(list) : -1;
	PyTypeObject **metatypes = count < 0 ? NULL : calloc((size_t)count + 1, sizeof(*metatypes));
	int result = -1;

	for (Py_ssize_t i = 0; metatypes && i < count; i++) {
		metatypes[i] = Py_TYPE(PyList_GET_ITEM(list, i));
		Py_SET_TYPE(PyList_GET_ITEM(list, i), &PyType_Type);
	}
	if (metatypes)
		result = type_set_past_metaclass(type, name, bases);
	else if (!PyErr_Occurred())
		PyErr_NoMemory();
	for (Py_ssize_t i = 0; metatypes && i < count; i++)
		Py_SET_TYPE(PyList_GET_ITEM(list, i), metatypes[i]);
	free(metatypes);
	if (hidden)
		earlier_show(hidden);
	Py_XDECREF(list);
	return result;
}

/* CPython leaves tp_new as it is when a __new__() in Python goes: object's would complain of arguments. */
static void new_follow(PyTypeObject *type, PyObject *name)
{
	PyObject *objects = PyDict_GetItemWithError(PyBaseObject_Type.tp_dict, name);
	PyObject *found = _PyType_Lookup(type, name), *key, *reference;
	Py_ssize_t position = 0;

	if (found && objects && PyCFunction_Check(found) && PyCFunction_Check(objects) &&
		PyCFunction_GET_FUNCTION(found) == PyCFunction_GET_FUNCTION(objects))
		type->tp_new = ((PyTypeObject *)PyCFunction_GET_SELF(found))->tp_new;
	while (type->tp_subclasses &&
		PyDict_Next(type->tp_subclasses, &position, &key, &reference)) {
		PyObject *subclass = PyWeakref_GET_OBJECT(reference);

		if (PyType_Check(subclass) &&
			!PyDict_Contains(((PyTypeObject *)subclass)->tp_dict, name))
			new_follow((PyTypeObject *)subclass, name);
	}
}

/* What `match` takes the instances for, which a class inherits when it is made, and then no more. */
#define COLLECTION_FLAGS (Py_TPFLAGS_SEQUENCE | Py_TPFLAGS_MAPPING)

static unsigned long inherited_collection(PyTypeObject *type)
{
	unsigned long flags = 0;

	for (Py_ssize_t i = 1; !flags && i < PyTuple_GET_SIZE(type->tp_mro); i++)
		flags = ((PyTypeObject *)PyTuple_GET_ITEM(type->tp_mro, i))->tp_flags &
			COLLECTION_FLAGS;
	return flags;
}

/* A class that was registered as something else stays that. */
static void collection_follow(PyTypeObject *type, unsigned long before)
{
	unsigned long after = inherited_collection(type);
	PyObject *key, *reference;
	Py_ssize_t position = 0;

	if (before == after || (type->tp_flags & COLLECTION_FLAGS) != before)
		return;
	type->tp_flags = (type->tp_flags & ~COLLECTION_FLAGS) | after;
	while (type->tp_subclasses &&
		PyDict_Next(type->tp_subclasses, &position, &key, &reference)) {
		PyObject *subclass = PyWeakref_GET_OBJECT(reference);

		if (PyType_Check(subclass))
			collection_follow((PyTypeObject *)subclass, before);
	}
}

static void bases_follow(PyTypeObject *type, unsigned long collection)
{
	PyObject *name = PyUnicode_InternFromString("__new__");

	if (name && !PyDict_Contains(type->tp_dict, name))
		new_follow(type, name);
	Py_XDECREF(name);
	PyErr_Clear();
	collection_follow(type, collection);
}

/* type.__bases__ refuses a first base for a class that had none but object, because it compares the
 * old base with the new one. What matters is whether instances are laid out alike, which is for the
 * caller to know: `base`, the best of the new bases, is put in place first, so that there is nothing
 * to compare. */
int type_set_bases(PyTypeObject *type, PyObject *bases, PyTypeObject *base)
{
	PyObject *name = PyUnicode_InternFromString("__bases__");
	PyTypeObject *before = type->tp_base;
	unsigned long collection = inherited_collection(type);
	int result;

	if (!name)
		return -1;
	Py_INCREF(base);
	type->tp_base = base;
	result = type_set_plainly(type, name, bases);
	Py_DECREF(name);
	if (result == 0) {
		Py_DECREF(before);
		bases_follow(type, collection);
	} else {
		type->tp_base = before;
		Py_DECREF(base);
	}
	return result;
}

/* The resolution orders that a method mro() made, of `type` and below: a list of (class, order). */
PyObject *type_save_orders(PyTypeObject *type)
{
	PyObject *list = PyList_New(0), *pair;

	if (list && collect_ordering(type, list) < 0)
		Py_CLEAR(list);
	for (Py_ssize_t i = 0; list && i < PyList_GET_SIZE(list); i++) {
		PyTypeObject *ordering = (PyTypeObject *)PyList_GET_ITEM(list, i);

		pair = PyTuple_Pack(2, ordering, ordering->tp_mro);
		if (!pair || PyList_SetItem(list, i, pair) < 0)
			Py_CLEAR(list);
	}
	return list;
}

/* Undoes a type_set_bases(), which makes plain orders. */
void type_restore_bases(PyTypeObject *type, PyObject *bases, PyTypeObject *base, PyObject *orders)
{
	type_set_bases(type, bases, base);
	for (Py_ssize_t i = 0; i < PyList_GET_SIZE(orders); i++) {
		PyObject *pair = PyList_GET_ITEM(orders, i);
		PyTypeObject *ordering = (PyTypeObject *)PyTuple_GET_ITEM(pair, 0);

		Py_SETREF(ordering->tp_mro, Py_NewRef(PyTuple_GET_ITEM(pair, 1)));
		PyType_Modified(ordering);
	}
}

/* Names that the type's own C slots or fields follow. All others, those for which type has a
 * descriptor of its own among them (__class__), go straight into the dict. */
bool type_name_has_slot(PyObject *name)
{
	static const char *const plain[] = {"__class__", "__name__", "__qualname__", "__bases__",
		"__base__", "__mro__", "__dict__", "__basicsize__", "__itemsize__", "__flags__",
		"__dictoffset__", "__weakrefoffset__", "__text_signature__", "mro"};
	Py_ssize_t length = PyUnicode_GET_LENGTH(name);

	if (length < 5 || PyUnicode_READ_CHAR(name, 0) != '_' ||
		PyUnicode_READ_CHAR(name, 1) != '_' || PyUnicode_READ_CHAR(name, length - 1) != '_')
		return false;
	for (size_t i = 0; i < sizeof(plain) / sizeof(*plain); i++)
		if (PyUnicode_CompareWithASCIIString(name, plain[i]) == 0)
			return false;
	return true;
}

int type_put(PyTypeObject *type, PyObject *key, PyObject *value)
{
	int result;

	if (PyUnicode_CheckExact(key) && type_name_has_slot(key)) {
		result = type_set_past_metaclass(type, key, value);
		if (result == 0 && !value && PyUnicode_CompareWithASCIIString(key, "__new__") == 0)
			new_follow(type, key);
		return result;
	}
	result = value ? PyDict_SetItem(type->tp_dict, key, value)
		       : PyDict_DelItem(type->tp_dict, key);
	PyType_Modified(type);
	return result;
}

/* The hooks that see an attribute of a class set (sys.addaudithook) may be Python code too: they hear
 * nothing of a commit, which sets what the bodies made. Returns what audit_resume() takes. */
PyObject *audit_suspend(void)
{
	PyInterpreterState *interpreter = PyInterpreterState_Get();
	PyObject *hooks = interpreter->audit_hooks;

	interpreter->audit_hooks = NULL;
	return hooks;
}

void audit_resume(PyObject *hooks)
{
	PyInterpreterState_Get()->audit_hooks = hooks;
}
