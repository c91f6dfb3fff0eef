/* SPDX-License-Identifier: MIT */
/*
 * The steps of a commit and how to take them back.
 *
 * A commit is atomic because it holds the GIL and runs no Python code. Replacing a value could: the
 * last reference to it may go, and its __del__ or a weak reference's callback run. So each step
 * keeps what it replaced until journal_finish(), after the commit; journal_undo() puts it back.
 * The garbage collector must be off from the first step to the last.
 */
#include "batch.h"

static struct change *journal_push(struct journal *journal, enum change_kind kind, PyObject *owner)
{
	struct change *change, *grown;

	if (journal->count == journal->room) {
		size_t room = journal->room ? journal->room * 2 : 256;

		grown = realloc(journal->changes, room * sizeof(*grown));
		if (!grown) {
			PyErr_NoMemory();
			return NULL;
		}
		journal->changes = grown;
		journal->room = room;
	}
	change = &journal->changes[journal->count++];
	*change = (struct change){.kind = kind, .owner = Py_XNewRef(owner)};
	return change;
}

static int dict_put(PyObject *dict, PyObject *key, PyObject *value)
{
	if (value)
		return PyDict_SetItem(dict, key, value);
	return PyDict_DelItem(dict, key);
}

/* value NULL: the key goes. */
int journal_dict_set(struct journal *journal, PyObject *dict, PyObject *key, PyObject *value)
{
	PyObject *old = PyDict_GetItemWithError(dict, key);
	struct change *change;

	if (old == value)
		return PyErr_Occurred() ? -1 : 0;
	change = journal_push(journal, CHANGE_DICT, dict);
	if (!change)
		return -1;
	change->key = Py_NewRef(key);
	change->old = Py_XNewRef(old);
	return dict_put(dict, key, value);
}

/* A field that owns a reference, inside owner. */
int journal_slot_set(struct journal *journal, PyObject *owner, PyObject **slot, PyObject *value)
{
	struct change *change;

	if (*slot == value)
		return 0;
	change = journal_push(journal, CHANGE_SLOT, owner);
	if (!change)
		return -1;
	change->slot = (void **)slot;
	change->old = *slot;
	*slot = Py_XNewRef(value);
	return 0;
}

/* A field that owns nothing. */
int journal_raw_set(struct journal *journal, PyObject *owner, void **slot, void *value)
{
	struct change *change = journal_push(journal, CHANGE_RAW, owner);

	if (!change)
		return -1;
	change->slot = slot;
	change->key = *slot;
	*slot = value;
	return 0;
}

static bool is_heap(PyTypeObject *type)
{
	return PyType_HasFeature(type, Py_TPFLAGS_HEAPTYPE);
}

/* The class of an instance; the caller has seen to it that both are of one layout. An instance owns
 * a reference to a class made at run time, and none to a static one. */
int journal_class_set(struct journal *journal, PyObject *object, PyTypeObject *type)
{
	struct change *change = journal_push(journal, CHANGE_CLASS, object);

	if (!change)
		return -1;
	change->old = (PyObject *)Py_TYPE(object);
	if (!is_heap(Py_TYPE(object)))
		Py_INCREF(change->old);
	if (is_heap(type))
		Py_INCREF(type);
	Py_SET_TYPE(object, type);
	return 0;
}

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

/* A metaclass with a method mro() is Python code, which must not run here: meanwhile the classes
 * below `type` that have one pass for plain ones. Whose order it is says class.c. */
static int type_set_plainly(PyTypeObject *type, PyObject *name, PyObject *bases)
{
	PyObject *list = PyList_New(0);
	Py_ssize_t count = list && collect_ordering(type, list) == 0 ? PyList_GET_SIZE(list) : -1;
	PyTypeObject **metatypes = count < 0 ? NULL : calloc((size_t)count + 1, sizeof(*metatypes));
	int result = -1;

	for (Py_ssize_t i = 0; metatypes && i < count; i++) {
		metatypes[i] = Py_TYPE(PyList_GET_ITEM(list, i));
		Py_SET_TYPE(PyList_GET_ITEM(list, i), &PyType_Type);
	}
	if (metatypes)
		result = PyType_Type.tp_setattro((PyObject *)type, name, bases);
	else if (!PyErr_Occurred())
		PyErr_NoMemory();
	for (Py_ssize_t i = 0; metatypes && i < count; i++)
		Py_SET_TYPE(PyList_GET_ITEM(list, i), metatypes[i]);
	free(metatypes);
	Py_XDECREF(list);
	return result;
}

/* type.__bases__ refuses a first base for a class that had none but object, because it compares the
 * old base with the new one. What matters is whether instances are laid out alike, which is for the
 * caller to know: `base`, the best of the new bases, is put in place first, so that there is nothing
 * to compare. */
int type_set_bases(PyTypeObject *type, PyObject *bases, PyTypeObject *base)
{
	PyObject *name = PyUnicode_InternFromString("__bases__");
	PyTypeObject *before = type->tp_base;
	int result;

	if (!name)
		return -1;
	Py_INCREF(base);
	type->tp_base = base;
	result = type_set_plainly(type, name, bases);
	Py_DECREF(name);
	if (result == 0) {
		Py_DECREF(before);
	} else {
		type->tp_base = before;
		Py_DECREF(base);
	}
	return result;
}

int journal_bases_set(
	struct journal *journal, PyTypeObject *type, PyObject *bases, PyTypeObject *base)
{
	struct change *change = journal_push(journal, CHANGE_BASES, (PyObject *)type);

	if (!change)
		return -1;
	change->old = Py_NewRef(type->tp_bases);
	change->key = Py_BuildValue("(OO)", type->tp_base, type->tp_mro);
	return change->key ? type_set_bases(type, bases, base) : -1;
}

/* Names that the type's own C slots or fields follow. All others, those for which type has a
 * descriptor of its own among them (__class__), go straight into the dict. */
static bool name_has_slot(PyObject *name)
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

static int type_put(PyTypeObject *type, PyObject *key, PyObject *value)
{
	int result;

	if (PyUnicode_CheckExact(key) && name_has_slot(key))
		return PyType_Type.tp_setattro((PyObject *)type, key, value);
	result = dict_put(type->tp_dict, key, value);
	PyType_Modified(type);
	return result;
}

/* An attribute of a class, past whatever its metaclass has to say. */
int journal_type_set(struct journal *journal, PyTypeObject *type, PyObject *key, PyObject *value)
{
	PyObject *old = PyDict_GetItemWithError(type->tp_dict, key);
	struct change *change;

	if (old == value)
		return PyErr_Occurred() ? -1 : 0;
	change = journal_push(journal, CHANGE_TYPE, (PyObject *)type);
	if (!change)
		return -1;
	change->key = Py_NewRef(key);
	change->old = Py_XNewRef(old);
	return type_put(type, key, value);
}

/* A frozen set is one in all but its type. */
static int set_swap(PyObject *set, PyObject *old, PyObject *fresh)
{
	PyTypeObject *type = Py_TYPE(set);
	int result;

	if (!PySet_Check(set))
		Py_SET_TYPE(set, &PySet_Type);
	result = PySet_Discard(set, old) < 0 ? -1 : PySet_Add(set, fresh);
	Py_SET_TYPE(set, type);
	((PySetObject *)set)->hash = -1;
	return result;
}

int journal_set_swap(struct journal *journal, PyObject *set, PyObject *old, PyObject *fresh)
{
	struct change *change = journal_push(journal, CHANGE_SET, set);

	if (!change)
		return -1;
	change->key = Py_NewRef(fresh);
	change->old = Py_NewRef(old);
	return set_swap(set, old, fresh);
}

/* Of a type whose items no API but the sequence's reaches; it must be C code. */
int journal_item_set(struct journal *journal, PyObject *sequence, Py_ssize_t index, PyObject *value)
{
	struct change *change = journal_push(journal, CHANGE_ITEM, sequence);

	if (!change)
		return -1;
	change->index = index;
	change->old = PySequence_GetItem(sequence, index);
	return change->old ? engine->deque_set(sequence, index, value) : -1;
}

/* An OrderedDict has a list of its keys beside the table, in an order of its own. */
static PyObject *odict_copy(PyObject *dict)
{
	PyObject *copy = PyDict_New(), *iterator = PyODict_Type.tp_iter(dict), *key, *value;

	while (copy && iterator && (key = PyIter_Next(iterator))) {
		value = PyDict_GetItemWithError(dict, key);
		if (!value || PyDict_SetItem(copy, key, value) < 0)
			Py_CLEAR(copy);
		Py_DECREF(key);
	}
	Py_XDECREF(iterator);
	if (PyErr_Occurred())
		Py_CLEAR(copy);
	return copy;
}

int dict_clear(PyObject *dict)
{
	PyObject *result;

	if (!PyODict_Check(dict)) {
		PyDict_Clear(dict);
		return 0;
	}
	result = PyObject_CallMethod((PyObject *)&PyODict_Type, "clear", "O", dict);
	Py_XDECREF(result);
	return result ? 0 : -1;
}

/* hash -1: not known */
int dict_add(PyObject *dict, PyObject *key, PyObject *value, Py_hash_t hash)
{
	if (PyODict_Check(dict))
		return PyODict_SetItem(dict, key, value);
	return hash == -1 ? PyDict_SetItem(dict, key, value)
			  : _PyDict_SetItem_KnownHash(dict, key, value, hash);
}

/* batch NULL: as it is in the copy. */
static int dict_fill(struct batch *batch, PyObject *dict, PyObject *copy)
{
	PyObject *key, *value, *mapped;
	Py_ssize_t position = 0;
	Py_hash_t hash;
	int result = 0;

	while (result == 0 && _PyDict_Next(copy, &position, &key, &value, &hash)) {
		mapped = batch ? map_get_deep(batch, key) : Py_NewRef(key);
		if (!mapped)
			return -1;
		value = batch ? map_get(batch, value) : value;
		result = dict_add(dict, mapped, value, mapped == key ? hash : -1);
		Py_DECREF(mapped);
	}
	return result;
}

/* Keys that are mapped, or tuples of such, hash differently afterwards: the dict is filled anew, in
 * its order. */
int journal_dict_rekey(struct batch *batch, PyObject *dict)
{
	PyObject *copy = PyODict_Check(dict) ? odict_copy(dict) : PyDict_Copy(dict);
	struct change *change = copy ? journal_push(&batch->journal, CHANGE_KEYS, dict) : NULL;

	if (!change) {
		Py_XDECREF(copy);
		return -1;
	}
	change->old = copy;
	return dict_clear(dict) < 0 ? -1 : dict_fill(batch, dict, copy);
}

static void change_undo(struct change *change)
{
	PyObject *current;

	switch (change->kind) {
	case CHANGE_DICT:
		dict_put(change->owner, change->key, change->old);
		break;
	case CHANGE_TYPE:
		type_put((PyTypeObject *)change->owner, change->key, change->old);
		break;
	case CHANGE_BASES:
		type_set_bases((PyTypeObject *)change->owner, change->old,
			(PyTypeObject *)PyTuple_GET_ITEM(change->key, 0));
		break;
	case CHANGE_KEYS:
		dict_clear(change->owner);
		dict_fill(NULL, change->owner, change->old);
		break;
	case CHANGE_SET:
		set_swap(change->owner, change->key, change->old);
		break;
	case CHANGE_ITEM:
		engine->deque_set(change->owner, change->index, change->old);
		break;
	case CHANGE_SLOT:
		current = *change->slot;
		*change->slot = change->old;
		change->old = current;
		break;
	case CHANGE_RAW:
		*change->slot = change->key;
		break;
	case CHANGE_CLASS:
		current = (PyObject *)Py_TYPE(change->owner);
		Py_SET_TYPE(change->owner, (PyTypeObject *)change->old);
		if (!is_heap((PyTypeObject *)change->old))
			Py_DECREF(change->old);
		if (!is_heap((PyTypeObject *)current))
			Py_INCREF(current);
		change->old = current;
		break;
	}
	PyErr_Clear();
}

void journal_undo(struct journal *journal)
{
	PyObject *type, *value, *traceback;

	PyErr_Fetch(&type, &value, &traceback);
	for (size_t i = journal->count; i > 0; i--)
		change_undo(&journal->changes[i - 1]);
	PyErr_Restore(type, value, traceback);
}

/* Python code may run from here on. */
void journal_finish(struct journal *journal)
{
	struct journal done = *journal;

	*journal = (struct journal){0};
	for (size_t i = 0; i < done.count; i++) {
		struct change *change = &done.changes[i];

		if (change->kind != CHANGE_RAW)
			Py_XDECREF(change->key);
		Py_XDECREF(change->old);
		Py_XDECREF(change->owner);
	}
	free(done.changes);
}
