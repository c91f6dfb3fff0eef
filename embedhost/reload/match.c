/* SPDX-License-Identifier: MIT */
/*
 * Which object of the old version a new object becomes.
 *
 * Functions and classes bound to the same name in both versions, made by the module itself, are the
 * same to everybody who holds them: the old object gets the new one's content, and references to
 * the new one are redirected. What is inside them (methods, the functions in a wrapper's closure,
 * nested classes, members of an enum) is matched in the same way.
 *
 * Code objects are matched too, by qualified name and order in the source: a function that a
 * factory returned long ago has no name to be found by, but it has its code.
 */
#include "batch.h"

static bool is_heap_type(PyObject *object)
{
	return PyType_Check(object) &&
	       PyType_HasFeature((PyTypeObject *)object, Py_TPFLAGS_HEAPTYPE);
}

static PyObject *class_module(PyObject *type)
{
	return PyDict_GetItemString(((PyTypeObject *)type)->tp_dict, "__module__");
}

static bool same_text(PyObject *a, PyObject *b)
{
	return a && b && PyUnicode_Check(a) && PyUnicode_Check(b) && PyUnicode_Compare(a, b) == 0;
}

/* The first version of a module that runs as the program calls itself __main__. */
static bool same_module(struct batch *batch, PyObject *old, PyObject *fresh)
{
	struct member *member = batch->matched;
	PyObject *was = class_module(old), *is = class_module(fresh);

	return same_text(was, is) ||
	       (member && member->record->main && was && PyUnicode_Check(was) &&
		       PyUnicode_CompareWithASCIIString(was, "__main__") == 0 &&
		       same_text(is, member->name));
}

static bool classes_pair(struct batch *batch, PyObject *old, PyObject *fresh)
{
	return young_has(batch, fresh) && !map_is_taken(batch, old) &&
	       same_module(batch, old, fresh) &&
	       same_text(((PyHeapTypeObject *)old)->ht_qualname,
		       ((PyHeapTypeObject *)fresh)->ht_qualname);
}

static bool made_by_call(PyFunctionObject *function)
{
	Py_ssize_t length = PyUnicode_GET_LENGTH(function->func_qualname);

	return PyUnicode_Find(function->func_qualname, engine->locals_mark, 0, length, 1) >= 0;
}

/* The last part of the qualified name is the name that it is bound to, and not some other. */
static bool bears_name(PyFunctionObject *function, PyObject *name)
{
	return same_text(function->func_name, name) || made_by_call(function) ||
	       PyUnicode_READ_CHAR(function->func_name, 0) == '<';
}

static bool same_namespace(struct batch *batch, PyFunctionObject *was, PyFunctionObject *is)
{
	return map_get(batch, is->func_globals) == was->func_globals;
}

/* A function that the old version got from elsewhere must not be touched. One that a decorator from
 * elsewhere made for it is known by its twin. */
static bool functions_pair(struct batch *batch, PyObject *old, PyObject *fresh, PyObject *name)
{
	PyFunctionObject *was = (PyFunctionObject *)old, *is = (PyFunctionObject *)fresh;
	bool twins = same_text(was->func_qualname, is->func_qualname);

	if (!young_has(batch, fresh) || map_get(batch, old) != old || map_is_taken(batch, old))
		return false;
	if (!owner_is_member(batch, was))
		return twins && made_by_call(was) && !owner_is_elsewhere(batch, old);
	return twins || (name && same_namespace(batch, was, is) && bears_name(was, name) &&
				bears_name(is, name));
}

static PyObject *inner(PyObject *object, const char *attribute)
{
	PyObject *value = PyObject_GetAttrString(object, attribute);

	if (!value)
		PyErr_Clear();
	return value;
}

static int match_inner(
	struct batch *batch, PyObject *old, PyObject *fresh, const char *attribute, PyObject *name)
{
	PyObject *was = inner(old, attribute), *is = inner(fresh, attribute);
	int result = was && is ? match_values(batch, was, is, name) : 0;

	Py_XDECREF(was);
	Py_XDECREF(is);
	return result;
}

/* An lru_cache keeps its identity; what it remembers is the old code's. */
static int match_cache(struct batch *batch, PyObject *old, PyObject *fresh)
{
	if (map_is_taken(batch, old) || owner_is_elsewhere(batch, old))
		return 0;
	if (PyList_Append(batch->caches, old) < 0)
		return -1;
	return map_add(batch, fresh, old);
}

static int match_attributes(struct batch *batch, PyObject *old, PyObject *fresh)
{
	PyObject **old_dict = _PyObject_GetDictPtr(old), **fresh_dict = _PyObject_GetDictPtr(fresh);
	PyObject *name, *is, *was;
	Py_ssize_t position = 0;

	if (!old_dict || !*old_dict || !fresh_dict || !*fresh_dict)
		return 0;
	while (PyDict_Next(*fresh_dict, &position, &name, &is)) {
		was = PyDict_GetItemWithError(*old_dict, name);
		if (was && (PyFunction_Check(is) || is_heap_type(is)) &&
			match_values(batch, was, is, NULL) < 0)
			return -1;
	}
	return 0;
}

/* Objects around a function: the old one stays where it is, and what it calls is the new code. */
static int match_wrapper(struct batch *batch, PyObject *old, PyObject *fresh, PyObject *name)
{
	PyTypeObject *type = Py_TYPE(fresh);

	if ((PyObject *)Py_TYPE(old) != map_get(batch, (PyObject *)type))
		return 0;
	if (type == &PyStaticMethod_Type || type == &PyClassMethod_Type)
		return match_inner(batch, old, fresh, "__func__", name);
	if (type == &PyProperty_Type) {
		if (match_inner(batch, old, fresh, "fget", name) < 0 ||
			match_inner(batch, old, fresh, "fset", name) < 0)
			return -1;
		return match_inner(batch, old, fresh, "fdel", name);
	}
	if (strcmp(type->tp_name, "functools._lru_cache_wrapper") == 0 &&
		match_cache(batch, old, fresh) < 0)
		return -1;
	if (strcmp(type->tp_name, "functools.partial") == 0)
		return match_inner(batch, old, fresh, "func", NULL);
	return match_attributes(batch, old, fresh);
}

/* name is what both are bound to, or NULL. */
int match_values(struct batch *batch, PyObject *old, PyObject *fresh, PyObject *name)
{
	if (old == fresh || map_get(batch, fresh) != fresh || PyModule_Check(fresh))
		return 0;
	if (PyFunction_Check(fresh) && PyFunction_Check(old))
		return functions_pair(batch, old, fresh, name) ? function_match(batch, old, fresh)
							       : 0;
	if (is_heap_type(fresh) && is_heap_type(old))
		return classes_pair(batch, old, fresh) ? class_match(batch, old, fresh) : 0;
	return match_wrapper(batch, old, fresh, name);
}

static int match_names(struct batch *batch, struct member *member)
{
	PyObject *name, *fresh, *old;
	Py_ssize_t position = 0;

	while (PyDict_Next(member->dict, &position, &name, &fresh)) {
		old = PyDict_GetItemWithError(member->live_dict, name);
		if (old && match_values(batch, old, fresh, name) < 0)
			return -1;
	}
	return PyErr_Occurred() ? -1 : 0;
}

/* The code objects among the constants: qualified name -> list, in the order of the source. */
static PyObject *nested_codes(PyObject *consts)
{
	PyObject *by_name = PyDict_New(), *empty, *list;

	for (Py_ssize_t i = 0; by_name && i < PyTuple_GET_SIZE(consts); i++) {
		PyObject *code = PyTuple_GET_ITEM(consts, i);

		if (!PyCode_Check(code))
			continue;
		empty = PyList_New(0);
		list = empty ? PyDict_SetDefault(
				       by_name, ((PyCodeObject *)code)->co_qualname, empty)
			     : NULL;
		if (!list || PyList_Append(list, code) < 0)
			Py_CLEAR(by_name);
		Py_XDECREF(empty);
	}
	return by_name;
}

static int match_codes(struct batch *batch, PyCodeObject *old, PyCodeObject *fresh);

/* A class's body is no function's, though it may bear the name of one. */
static bool same_kind(PyCodeObject *a, PyCodeObject *b)
{
	return (a->co_flags & CO_OPTIMIZED) == (b->co_flags & CO_OPTIMIZED);
}

static int match_code_lists(struct batch *batch, PyObject *olds, PyObject *news)
{
	int result = 0;

	for (Py_ssize_t i = 0; result == 0 && i < PyList_GET_SIZE(olds); i++) {
		PyObject *old = PyList_GET_ITEM(olds, i), *fresh = PyList_GET_ITEM(news, i);

		if (!same_kind((PyCodeObject *)old, (PyCodeObject *)fresh))
			continue;
		result = codes_add(batch, old, fresh);
		if (result == 0)
			result = match_codes(batch, (PyCodeObject *)old, (PyCodeObject *)fresh);
	}
	return result;
}

/* Several of one name (lambdas) are told apart by their order, if there are as many as before. */
static int match_codes(struct batch *batch, PyCodeObject *old, PyCodeObject *fresh)
{
	PyObject *olds = nested_codes(old->co_consts), *news = NULL, *name, *was, *is;
	Py_ssize_t position = 0;
	int result = -1;

	if (olds)
		news = nested_codes(fresh->co_consts);
	if (news)
		result = 0;
	while (result == 0 && PyDict_Next(olds, &position, &name, &was)) {
		is = PyDict_GetItemWithError(news, name);
		if (is && PyList_GET_SIZE(was) == PyList_GET_SIZE(is))
			result = match_code_lists(batch, was, is);
	}
	Py_XDECREF(olds);
	Py_XDECREF(news);
	return result;
}

int match_member(struct batch *batch, struct member *member)
{
	if (map_add(batch, member->scratch, member->live) < 0 ||
		map_add(batch, member->dict, member->live_dict) < 0)
		return -1;
	if (member->kind != MEMBER_RUNS)
		return 0;
	batch->matched = member;
	if (match_names(batch, member) < 0)
		return -1;
	return match_codes(
		batch, (PyCodeObject *)member->record->code, (PyCodeObject *)member->code);
}

static PyObject *defined_in(struct member *member, PyObject *qualname)
{
	if (!member->record || !member->record->inner_names)
		return NULL;
	return PyDict_GetItemWithError(member->record->inner_names, qualname);
}

/* A module that is no member: it was given another's name. */
PyObject *defined_names(struct batch *batch, PyObject *module, PyObject *qualname)
{
	struct member *member =
		module && PyUnicode_Check(module) ? batch_find(batch, module) : NULL;
	PyObject *names = member ? defined_in(member, qualname) : NULL;

	if (member)
		return names;
	for (member = batch->members; member && !names; member = member->hh.next)
		names = defined_in(member, qualname);
	return names;
}
