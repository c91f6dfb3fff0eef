/* SPDX-License-Identifier: MIT */
/*
 * How one object that refers to what the commit replaces is rewritten.
 *
 * Dicts, lists, sets and deques by their API; for all others the object's own memory is searched for
 * the pointer, and replaced if it stands there exactly as often as the object's tp_traverse reports
 * it. So partial objects, bound methods, slots, cells and C types that nobody thought of are
 * covered, and nothing is touched that isn't an owned reference.
 */
#include "batch.h"

struct visit {
	struct batch *batch;
	size_t hits;
};

static int visit_count(PyObject *object, void *data)
{
	struct visit *visit = data;

	if (map_get(visit->batch, object) != object)
		visit->hits++;
	return 0;
}

static size_t count_hits(struct batch *batch, PyObject *object)
{
	struct visit visit = {batch, 0};

	if (Py_TYPE(object)->tp_traverse)
		Py_TYPE(object)->tp_traverse(object, visit_count, &visit);
	return visit.hits;
}

int rewrite_values(struct batch *batch, PyObject *dict)
{
	PyObject *key, *value, *mapped;
	Py_ssize_t position = 0;
	bool rekey = false;

	while (PyDict_Next(dict, &position, &key, &value)) {
		rekey = rekey || map_touches(batch, key);
		mapped = map_get(batch, value);
		if (mapped != value &&
			journal_value_set(&batch->journal, dict, position, key, mapped) < 0)
			return -1;
	}
	if (!rekey)
		return 0;
	return dict_is_plain(dict) ? journal_dict_rekey(batch, dict) : rehash_add(batch, dict);
}

static int rewrite_set(struct batch *batch, PyObject *set)
{
	PyObject *key, *items = PyList_New(0);
	Py_ssize_t position = 0;
	Py_hash_t hash;
	bool plain = true;
	int result = items ? 0 : -1;

	while (result == 0 && _PySet_NextEntry(set, &position, &key, &hash))
		if (map_touches(batch, key)) {
			result = PyList_Append(items, key);
			plain = plain && key_is_plain(key);
		}
	if (result == 0 && !plain) {
		Py_DECREF(items);
		return rehash_add(batch, set);
	}
	for (Py_ssize_t i = 0; result == 0 && i < PyList_GET_SIZE(items); i++) {
		PyObject *mapped = map_get_deep(batch, PyList_GET_ITEM(items, i));

		result = mapped ? journal_set_swap(
					  &batch->journal, set, PyList_GET_ITEM(items, i), mapped)
				: -1;
		Py_XDECREF(mapped);
	}
	Py_XDECREF(items);
	return result;
}

static int rewrite_slots(
	struct batch *batch, PyObject *owner, PyObject **slots, size_t count, size_t hits)
{
	size_t found = 0;

	for (size_t i = 0; i < count; i++)
		if (slots[i] && map_get(batch, slots[i]) != slots[i])
			found++;
	if (found != hits)
		return 0;
	for (size_t i = 0; i < count; i++)
		if (slots[i] && journal_slot_set(&batch->journal, owner, &slots[i],
					map_get(batch, slots[i])) < 0)
			return -1;
	return 0;
}

static size_t object_words(PyObject *object)
{
	PyTypeObject *type = Py_TYPE(object);
	size_t size = (size_t)type->tp_basicsize, words;

	if (frame_words_inside(object, &words))
		return words;
	if (type->tp_itemsize)
		size += (size_t)type->tp_itemsize * (size_t)Py_ABS(Py_SIZE(object));
	return size / sizeof(PyObject *);
}

static int rewrite_body(struct batch *batch, PyObject *object, size_t hits)
{
	size_t head = sizeof(PyObject) / sizeof(PyObject *), words = object_words(object);

	return rewrite_slots(batch, object, (PyObject **)object + head, words - head, hits);
}

/* Attributes that are not in a dict yet are put into one. */
static int rewrite_instance(struct batch *batch, PyObject *object)
{
	PyObject **dict = _PyObject_GetDictPtr(object);
	size_t hits;

	if (dict && *dict && PyDict_Check(*dict) && rewrite_values(batch, *dict) < 0)
		return -1;
	hits = count_hits(batch, object);
	return hits ? rewrite_body(batch, object, hits) : 0;
}

static int rewrite_deque(struct batch *batch, PyObject *deque)
{
	Py_ssize_t size = engine->deque->tp_as_sequence->sq_length(deque);
	int result = size < 0 ? -1 : 0;

	for (Py_ssize_t i = 0; result == 0 && i < size; i++) {
		PyObject *item = engine->deque->tp_as_sequence->sq_item(deque, i), *mapped;

		mapped = item ? map_get(batch, item) : NULL;
		if (!item)
			result = -1;
		else if (mapped != item)
			result = journal_item_set(&batch->journal, deque, i, mapped);
		Py_XDECREF(item);
	}
	return result;
}

static bool has_becoming(struct batch *batch, PyObject *tuple)
{
	for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(tuple); i++)
		if (map_becomes(batch, PyTuple_GET_ITEM(tuple, i)))
			return true;
	return false;
}

static bool is_bases_of_subclass(PyTypeObject *type, PyObject *tuple)
{
	PyObject *key, *reference, *subclass;
	Py_ssize_t position = 0;

	if (!type->tp_subclasses)
		return false;
	while (PyDict_Next(type->tp_subclasses, &position, &key, &reference)) {
		subclass = PyWeakref_GET_OBJECT(reference);
		if (PyType_Check(subclass) && ((PyTypeObject *)subclass)->tp_bases == tuple)
			return true;
	}
	return false;
}

/* The tuple is the bases or the resolution order of one of the classes in it, or of one below. */
static bool is_used_by_class(PyObject *tuple)
{
	PyTypeObject *first;

	if (!PyTuple_GET_SIZE(tuple))
		return false;
	first = (PyTypeObject *)PyTuple_GET_ITEM(tuple, 0);
	if (first->tp_mro == tuple || first->tp_bases == tuple)
		return true;
	return is_bases_of_subclass(first, tuple);
}

/* Resolution orders and descriptors are the inside of a class that stays what it is. */
static bool is_inside_of_class(struct batch *batch, PyObject *object)
{
	if (Py_TYPE(object) == &PyMemberDescr_Type || Py_TYPE(object) == &PyGetSetDescr_Type)
		return true;
	if (!batch->becomes || !PyTuple_CheckExact(object) || !has_becoming(batch, object))
		return false;
	for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(object); i++)
		if (!PyType_Check(PyTuple_GET_ITEM(object, i)))
			return false;
	return is_used_by_class(object);
}

/* Bases of a class that is new with this batch. What has an old counterpart is class.c's. */
static int rewrite_type(struct batch *batch, PyTypeObject *type)
{
	PyObject *bases;
	bool same = true;
	int result = 0;

	if (batch->becomes && class_follow(batch, type) < 0)
		return -1;
	if (!PyType_HasFeature(type, Py_TPFLAGS_HEAPTYPE) || !type->tp_bases ||
		map_get(batch, (PyObject *)type) != (PyObject *)type)
		return 0;
	if (rewrite_values(batch, type->tp_dict) < 0)
		return -1;
	PyType_Modified(type);
	if (has_becoming(batch, type->tp_bases))
		return 0; /* its instances are laid out as its base's were */
	bases = map_get_deep(batch, type->tp_bases);
	same = bases == type->tp_bases;
	if (bases && !same)
		result = journal_bases_set(&batch->journal, type, bases,
			(PyTypeObject *)map_get(batch, (PyObject *)type->tp_base));
	Py_XDECREF(bases);
	return bases ? result : -1;
}

static int rewrite_class_of(struct batch *batch, PyObject *object)
{
	PyObject *type = (PyObject *)Py_TYPE(object), *mapped = map_get(batch, type);

	if (mapped == type || PyType_Check(object) || map_becomes(batch, type))
		return 0;
	_PyObject_GetDictPtr(object); /* shared keys belong to the class that it had */
	return journal_class_set(&batch->journal, object, (PyTypeObject *)mapped);
}

static PyObject *names_of(PyObject *code)
{
	return PyCode_GetFreevars((PyCodeObject *)code);
}

static PyObject *cell_by_name(PyObject *names, PyObject *cells, PyObject *name)
{
	for (Py_ssize_t i = 0; cells && i < PyTuple_GET_SIZE(names); i++)
		if (PyUnicode_Compare(PyTuple_GET_ITEM(names, i), name) == 0)
			return Py_NewRef(PyTuple_GET_ITEM(cells, i));
	return NULL;
}

/* The cells that the new code wants, by name. NULL without an exception: it wants a variable that
 * this closure never had, and so can only go on with its old code. */
static PyObject *closure_for(PyFunctionObject *function, PyObject *code)
{
	PyObject *had = names_of(function->func_code), *wants = names_of(code), *cells = NULL;

	if (had && wants)
		cells = PyTuple_New(PyTuple_GET_SIZE(wants));
	for (Py_ssize_t i = 0; cells && i < PyTuple_GET_SIZE(wants); i++) {
		PyObject *cell =
			cell_by_name(had, function->func_closure, PyTuple_GET_ITEM(wants, i));

		if (!cell) {
			Py_CLEAR(cells);
			break;
		}
		PyTuple_SET_ITEM(cells, i, cell);
	}
	Py_XDECREF(had);
	Py_XDECREF(wants);
	return cells;
}

static bool same_names(PyObject *a, PyObject *b, Py_ssize_t start, Py_ssize_t count)
{
	for (Py_ssize_t i = start; i < start + count; i++)
		if (PyUnicode_Compare(PyTuple_GET_ITEM(a, i), PyTuple_GET_ITEM(b, i)) != 0)
			return false;
	return true;
}

/* The defaults that such a function has are for the parameters of its old code. */
static bool same_parameters(PyCodeObject *a, PyCodeObject *b)
{
	PyObject *names = PyCode_GetVarnames(a), *others = PyCode_GetVarnames(b);
	bool same = names && others && a->co_argcount == b->co_argcount &&
		    a->co_posonlyargcount == b->co_posonlyargcount &&
		    a->co_kwonlyargcount == b->co_kwonlyargcount &&
		    same_names(names, others, a->co_argcount, a->co_kwonlyargcount);

	Py_XDECREF(names);
	Py_XDECREF(others);
	return same;
}

/* A function that only its code tells: a closure, a lambda, a callback that has no name. */
static int rewrite_code(struct batch *batch, PyFunctionObject *function)
{
	PyObject *code = codes_get(batch, function->func_code), *cells, *owner;
	int result;

	if (!code || !same_parameters((PyCodeObject *)function->func_code, (PyCodeObject *)code))
		return PyErr_Occurred() ? -1 : 0;
	cells = closure_for(function, code);
	if (!cells)
		return PyErr_Occurred() ? -1 : 0;
	owner = (PyObject *)function;
	result = journal_slot_set(&batch->journal, owner, &function->func_closure,
		PyTuple_GET_SIZE(cells) ? cells : NULL);
	if (result == 0)
		result = journal_slot_set(&batch->journal, owner, &function->func_code, code);
	function->func_version = 0;
	Py_DECREF(cells);
	return result;
}

/* First what is looked up by hash: its keys must be found before they change. */
static int rewrite_hashed(struct batch *batch, PyObject *object)
{
	if (PyDict_Check(object))
		return count_hits(batch, object) || PyDict_CheckExact(object)
			       ? rewrite_values(batch, object)
			       : 0;
	if (PySet_Check(object))
		return rewrite_set(batch, object);
	if (PyType_Check(object))
		return rewrite_type(batch, (PyTypeObject *)object);
	return 0;
}

static int rewrite_other(struct batch *batch, PyObject *object)
{
	size_t hits;

	if (frames_move_inside(batch, object) < 0 || rewrite_class_of(batch, object) < 0)
		return -1;
	if (PyFunction_Check(object) && rewrite_code(batch, (PyFunctionObject *)object) < 0)
		return -1;
	if (PyType_Check(object) || is_inside_of_class(batch, object))
		return 0;
	if (PyFrozenSet_Check(object))
		return rewrite_set(batch, object);
	hits = count_hits(batch, object);
	if (!hits)
		return 0;
	if (PyObject_TypeCheck(object, engine->deque) && rewrite_deque(batch, object) < 0)
		return -1;
	if (PyList_Check(object))
		return rewrite_slots(batch, object, ((PyListObject *)object)->ob_item,
			(size_t)PyList_GET_SIZE(object), hits);
	if (PyDict_Check(object) || PyAnySet_Check(object))
		return 0;
	return rewrite_instance(batch, object);
}

int rewrite_list(struct batch *batch, PyObject *objects)
{
	for (Py_ssize_t i = 0; i < PyList_GET_SIZE(objects); i++) {
		PyObject *object = PyList_GET_ITEM(objects, i);

		if ((PyDict_Check(object) || PyAnySet_Check(object)) &&
			rehash_note(batch, object) < 0)
			return -1;
	}
	for (Py_ssize_t i = 0; i < PyList_GET_SIZE(objects); i++)
		if (rewrite_hashed(batch, PyList_GET_ITEM(objects, i)) < 0)
			return -1;
	for (Py_ssize_t i = 0; i < PyList_GET_SIZE(objects); i++)
		if (rewrite_other(batch, PyList_GET_ITEM(objects, i)) < 0)
			return -1;
	return 0;
}
