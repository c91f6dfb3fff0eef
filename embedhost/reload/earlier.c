/* SPDX-License-Identifier: MIT */
/*
 * What an instance of an earlier layout (become.c) says of its class to Python code.
 *
 * x.__class__ is the class that is found by name now, type(x)(...) makes an instance of that, and a copy or
 * pickle of x becomes one, with the attributes for which both have room. type.__subclasses__() tells nobody
 * of the class behind x, but of its subclasses. A class that is called *earlier* here is known by its own __reduce_ex__.
 */
#include "batch.h"

static PyObject *earlier_reduce(PyObject *self, PyTypeObject *defining, PyObject *const *arguments,
	Py_ssize_t count, PyObject *names);

static PyMethodDef reduce_method = {"__reduce_ex__", (PyCFunction)(void (*)(void))earlier_reduce,
	METH_METHOD | METH_FASTCALL | METH_KEYWORDS, NULL};

static bool is_earlier(PyTypeObject *type)
{
	PyObject *reduce = PyDict_GetItemString(type->tp_dict, "__reduce_ex__");

	return reduce && Py_TYPE(reduce) == &PyMethodDescr_Type &&
	       ((PyMethodDescrObject *)reduce)->d_method == &reduce_method;
}

/* The new class stands right behind the earlier one. */
static bool is_earlier_of(PyTypeObject *type, PyObject *other)
{
	return is_earlier(type) && PyTuple_GET_SIZE(type->tp_mro) > 1 &&
	       PyTuple_GET_ITEM(type->tp_mro, 1) == other;
}

PyObject *earlier_list(PyTypeObject *type)
{
	PyObject *list = PyList_New(0), *key, *reference;
	Py_ssize_t position = 0;

	while (list && type->tp_subclasses &&
		PyDict_Next(type->tp_subclasses, &position, &key, &reference)) {
		PyObject *subclass = PyWeakref_GET_OBJECT(reference);

		if (PyType_Check(subclass) &&
			is_earlier_of((PyTypeObject *)subclass, (PyObject *)type) &&
			PyList_Append(list, subclass) < 0)
			Py_CLEAR(list);
	}
	return list;
}

static PyTypeObject *current_of(PyTypeObject *type)
{
	while (is_earlier(type) && PyTuple_GET_SIZE(type->tp_mro) > 1)
		type = (PyTypeObject *)PyTuple_GET_ITEM(type->tp_mro, 1);
	return type;
}

/* ---- their place among the subclasses ---- */

static int collect_below(PyTypeObject *type, PyObject *list)
{
	PyObject *key, *reference, *entry;
	Py_ssize_t position = 0;
	int result = 0;

	while (result == 0 && type->tp_subclasses &&
		PyDict_Next(type->tp_subclasses, &position, &key, &reference)) {
		PyObject *subclass = PyWeakref_GET_OBJECT(reference);

		if (!PyType_Check(subclass))
			continue;
		if (!is_earlier((PyTypeObject *)subclass)) {
			result = collect_below((PyTypeObject *)subclass, list);
			continue;
		}
		entry = Py_BuildValue("(OOOO)", type, key, reference, subclass);
		result = entry ? PyList_Append(list, entry) : -1;
		Py_XDECREF(entry);
	}
	return result;
}

PyObject *earlier_below(PyTypeObject *type)
{
	PyObject *list = PyList_New(0);

	if (list && collect_below(type, list) < 0)
		Py_CLEAR(list);
	return list;
}

static PyObject *subclasses_in(PyObject *entry)
{
	return ((PyTypeObject *)PyTuple_GET_ITEM(entry, 0))->tp_subclasses;
}

/* As long as CPython makes resolution orders anew: those of earlier classes are made at the end (derive.c), when all
 * their bases have theirs. */
PyObject *earlier_hide(PyTypeObject *type)
{
	PyObject *list = earlier_below(type);

	for (Py_ssize_t i = 0; list && i < PyList_GET_SIZE(list); i++) {
		PyObject *entry = PyList_GET_ITEM(list, i);

		if (PyDict_DelItem(subclasses_in(entry), PyTuple_GET_ITEM(entry, 1)) < 0)
			PyErr_Clear();
	}
	return list;
}

/* Steals list. There is room for what was there before. */
void earlier_show(PyObject *list)
{
	PyObject *kind, *value, *traceback;

	PyErr_Fetch(&kind, &value, &traceback);
	for (Py_ssize_t i = 0; i < PyList_GET_SIZE(list); i++) {
		PyObject *entry = PyList_GET_ITEM(list, i);

		if (PyDict_SetItem(subclasses_in(entry), PyTuple_GET_ITEM(entry, 1),
			    PyTuple_GET_ITEM(entry, 2)) < 0)
			PyErr_Clear();
	}
	PyErr_Restore(kind, value, traceback);
	Py_DECREF(list);
}

/* ---- __class__ ---- */

static PyObject *object_attribute(const char *name)
{
	return PyDict_GetItemString(PyBaseObject_Type.tp_dict, name);
}

static PyObject *class_get(PyObject *self, void *closure)
{
	(void)closure;
	return Py_NewRef(current_of(Py_TYPE(self)));
}

static int class_set(PyObject *self, PyObject *value, void *closure)
{
	PyObject *descriptor = object_attribute("__class__");

	(void)closure;
	return Py_TYPE(descriptor)->tp_descr_set(descriptor, self, value);
}

static PyGetSetDef class_attribute = {"__class__", class_get, class_set, NULL, NULL};

/* ---- copies and pickles ---- */

static bool is_objects(PyTypeObject *type, const char *name)
{
	PyObject *text = PyUnicode_InternFromString(name);
	PyObject *found = text ? _PyType_Lookup(type, text) : NULL;

	Py_XDECREF(text);
	return found == object_attribute(name);
}

static bool has_plain_state(PyTypeObject *type)
{
	return is_objects(type, "__getstate__") && is_objects(type, "__setstate__") &&
	       is_objects(type, "__reduce__") && is_objects(type, "__reduce_ex__");
}

/* Each attribute to where an instance of the class has it. */
static int sort_attributes(PyTypeObject *type, PyObject *all, PyObject *dict, PyObject *slots)
{
	PyObject *name, *value, *found, *from = PyDict_Copy(all);
	Py_ssize_t position = 0;
	int result = from ? 0 : -1;

	while (result == 0 && PyDict_Next(from, &position, &name, &value)) {
		found = PyUnicode_Check(name) ? _PyType_Lookup(type, name) : NULL;
		if (found && Py_TYPE(found) == &PyMemberDescr_Type)
			result = PyDict_SetItem(slots, name, value);
		else if (type->tp_dictoffset)
			result = PyDict_SetItem(dict, name, value);
	}
	Py_XDECREF(from);
	return result;
}

/* None, a dict, or a pair of a dict or None and one of slots, as copyreg describes it. */
static PyObject *state_for(PyTypeObject *type, PyObject *state)
{
	PyObject *parts[] = {state, NULL}, *dict = PyDict_New(), *slots = PyDict_New();
	PyObject *result = NULL;
	int code = dict && slots ? 0 : -1;

	if (PyTuple_CheckExact(state) && PyTuple_GET_SIZE(state) == 2) {
		parts[0] = PyTuple_GET_ITEM(state, 0);
		parts[1] = PyTuple_GET_ITEM(state, 1);
	}
	for (size_t i = 0; code == 0 && i < 2; i++)
		if (parts[i] && PyDict_Check(parts[i]))
			code = sort_attributes(type, parts[i], dict, slots);
	if (code == 0 && PyDict_GET_SIZE(slots))
		result = PyTuple_Pack(2, PyDict_GET_SIZE(dict) ? dict : Py_None, slots);
	else if (code == 0)
		result = Py_NewRef(PyDict_GET_SIZE(dict) ? dict : Py_None);
	Py_XDECREF(slots);
	Py_XDECREF(dict);
	return result;
}

static PyObject *tuple_replace(PyObject *tuple, PyObject *old, PyObject *fresh)
{
	PyObject *result = PyTuple_New(PyTuple_GET_SIZE(tuple));

	for (Py_ssize_t i = 0; result && i < PyTuple_GET_SIZE(tuple); i++) {
		PyObject *item = PyTuple_GET_ITEM(tuple, i);

		PyTuple_SET_ITEM(result, i, Py_NewRef(item == old ? fresh : item));
	}
	return result;
}

/* Steals reduced: (callable, arguments, state, ...). */
static PyObject *reduce_to_current(PyObject *reduced, PyTypeObject *old)
{
	PyTypeObject *fresh = current_of(old);
	PyObject *result = tuple_replace(reduced, (PyObject *)old, (PyObject *)fresh);
	PyObject *arguments = NULL, *state = NULL;

	Py_DECREF(reduced);
	if (!result || PyTuple_GET_SIZE(result) < 2 || !PyTuple_Check(PyTuple_GET_ITEM(result, 1)))
		return result;
	arguments = tuple_replace(PyTuple_GET_ITEM(result, 1), (PyObject *)old, (PyObject *)fresh);
	if (!arguments || PyTuple_SetItem(result, 1, arguments) < 0)
		goto fail;
	if (PyTuple_GET_SIZE(result) < 3 || !has_plain_state(fresh))
		return result;
	state = state_for(fresh, PyTuple_GET_ITEM(result, 2));
	if (state && PyTuple_SetItem(result, 2, state) == 0)
		return result;
fail:
	Py_DECREF(result);
	return NULL;
}

static PyObject *earlier_reduce(PyObject *self, PyTypeObject *defining, PyObject *const *arguments,
	Py_ssize_t count, PyObject *names)
{
	PyObject *super = PyObject_CallFunctionObjArgs(
		(PyObject *)&PySuper_Type, (PyObject *)defining, self, NULL);
	PyObject *method = super ? PyObject_GetAttrString(super, "__reduce_ex__") : NULL;
	PyObject *reduced = NULL;

	if (method)
		reduced = PyObject_Vectorcall(method, arguments, (size_t)count, names);
	Py_XDECREF(method);
	Py_XDECREF(super);
	if (reduced && PyTuple_CheckExact(reduced) && defining == Py_TYPE(self))
		return reduce_to_current(reduced, defining);
	return reduced;
}

/* ---- type(x)(...) ---- */

static PyObject *earlier_call(PyTypeObject *type, PyObject *arguments, PyObject *names)
{
	PyTypeObject *base = type;

	if (is_earlier(type))
		return PyObject_Call((PyObject *)current_of(type), arguments, names);
	while (base->tp_new == earlier_call)
		base = base->tp_base;
	return base->tp_new(type, arguments, names);
}

/* object.__new__() refuses a class with a tp_new of its own. */
static PyObject *derived_new(PyTypeObject *owner, PyObject *arguments, PyObject *names)
{
	PyObject *type = PyTuple_GET_ITEM(arguments, 0), *nothing, *function, *result = NULL;
	PyObject *super = PyObject_CallFunctionObjArgs(
		(PyObject *)&PySuper_Type, (PyObject *)owner, type, NULL);

	function = super ? PyObject_GetAttrString(super, "__new__") : NULL;
	nothing = function ? PyTuple_New(0) : NULL;
	if (nothing && function == object_attribute("__new__"))
		result = PyBaseObject_Type.tp_new((PyTypeObject *)type, nothing, NULL);
	else if (nothing)
		result = PyObject_Call(function, arguments, names);
	Py_XDECREF(nothing);
	Py_XDECREF(function);
	Py_XDECREF(super);
	return result;
}

/* type(x).__new__(type(x)): no __init__() follows. */
static PyObject *earlier_new(PyObject *self, PyObject *arguments, PyObject *names)
{
	PyTypeObject *owner = (PyTypeObject *)self;
	PyObject *mapped, *function, *result = NULL;

	if (PyTuple_GET_SIZE(arguments) == 0 || !PyType_Check(PyTuple_GET_ITEM(arguments, 0))) {
		PyErr_Format(PyExc_TypeError, "%s.__new__(): its first argument must be a class",
			owner->tp_name);
		return NULL;
	}
	if (PyTuple_GET_ITEM(arguments, 0) != self)
		return derived_new(owner, arguments, names);
	mapped = tuple_replace(arguments, self, (PyObject *)current_of(owner));
	function = mapped ? PyObject_GetAttrString((PyObject *)current_of(owner), "__new__") : NULL;
	if (function)
		result = PyObject_Call(function, mapped, names);
	Py_XDECREF(function);
	Py_XDECREF(mapped);
	return result;
}

static PyMethodDef new_method = {
	"__new__", (PyCFunction)(void (*)(void))earlier_new, METH_VARARGS | METH_KEYWORDS, NULL};

/* A class that makes its instances itself makes them of the class that it is called for. */
static int set_new(struct batch *batch, PyTypeObject *old, PyTypeObject *fresh)
{
	PyObject *name = PyUnicode_InternFromString("__new__"), *function = NULL;
	newfunc call = earlier_call;
	void *value;
	int result = 0;

	if (name && is_objects(fresh, "__new__") && old->tp_new == PyBaseObject_Type.tp_new) {
		function = PyCFunction_New(&new_method, (PyObject *)old);
		memcpy(&value, &call, sizeof(value));
		result = function ? journal_dict_set(&batch->journal, old->tp_dict, name, function)
				  : -1;
		if (result == 0)
			result = journal_raw_set(
				&batch->journal, (PyObject *)old, (void **)&old->tp_new, value);
	}
	Py_XDECREF(function);
	Py_XDECREF(name);
	return name ? result : -1;
}

/* ---- type.__subclasses__() ---- */

static PyMethodDef *subclasses_original;

/* In the place of an earlier layout of the class itself stand those that derive from that. */
static PyObject *subclasses(PyObject *self, PyObject *nothing)
{
	PyObject *list = subclasses_original->ml_meth(self, nothing);

	for (Py_ssize_t i = list ? PyList_GET_SIZE(list) : 0; list && i > 0; i--) {
		PyTypeObject *type = (PyTypeObject *)PyList_GET_ITEM(list, i - 1);
		PyObject *below;

		if (!is_earlier(type))
			continue;
		below = is_earlier_of(type, self) ? subclasses((PyObject *)type, nothing)
						  : PyList_New(0);
		if (!below || PyList_SetSlice(list, i - 1, i, below) < 0)
			Py_CLEAR(list);
		Py_XDECREF(below);
	}
	return list;
}

static PyMethodDef subclasses_method = {"__subclasses__", subclasses, METH_NOARGS, NULL};

/* The method stays the object it is. */
static void subclasses_hide(void)
{
	PyObject *found = PyDict_GetItemString(PyType_Type.tp_dict, "__subclasses__");
	PyMethodDescrObject *method = (PyMethodDescrObject *)found;

	if (!found || Py_TYPE(found) != &PyMethodDescr_Type ||
		method->d_method == &subclasses_method || method->d_method->ml_flags != METH_NOARGS)
		return;
	subclasses_original = method->d_method;
	subclasses_method.ml_doc = subclasses_original->ml_doc;
	method->d_method = &subclasses_method;
}

void earlier_stop(void)
{
	PyObject *found = PyDict_GetItemString(PyType_Type.tp_dict, "__subclasses__");

	if (subclasses_original && ((PyMethodDescrObject *)found)->d_method == &subclasses_method)
		((PyMethodDescrObject *)found)->d_method = subclasses_original;
}

static int set_descriptor(struct batch *batch, PyTypeObject *old, PyObject *descriptor)
{
	int result = descriptor ? journal_type_set(&batch->journal, old, PyDescr_NAME(descriptor),
					  descriptor)
				: -1;

	Py_XDECREF(descriptor);
	return result;
}

int earlier_set(struct batch *batch, PyTypeObject *old, PyTypeObject *fresh)
{
	subclasses_hide();
	if (set_new(batch, old, fresh) < 0)
		return -1;
	if (is_objects(fresh, "__class__") &&
		set_descriptor(batch, old, PyDescr_NewGetSet(old, &class_attribute)) < 0)
		return -1;
	return set_descriptor(batch, old, PyDescr_NewMethod(old, &reduce_method));
}
