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
	result = PyType_Type.tp_setattro((PyObject *)type, name, bases);
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

int journal_set_swap(struct journal *journal, PyObject *set, PyObject *old, PyObject *fresh)
{
	struct change *change = journal_push(journal, CHANGE_SET, set);

	if (!change)
		return -1;
	change->key = Py_NewRef(fresh);
	change->old = Py_NewRef(old);
	return PySet_Discard(set, old) < 0 ? -1 : PySet_Add(set, fresh);
}

static int dict_fill(struct batch *batch, PyObject *dict, PyObject *copy)
{
	PyObject *key, *value, *mapped;
	Py_ssize_t position = 0;
	Py_hash_t hash;
	int result = 0;

	while (result == 0 && _PyDict_Next(copy, &position, &key, &value, &hash)) {
		mapped = map_get_deep(batch, key);
		if (!mapped)
			return -1;
		value = map_get(batch, value);
		result = mapped == key ? _PyDict_SetItem_KnownHash(dict, key, value, hash)
				       : PyDict_SetItem(dict, mapped, value);
		Py_DECREF(mapped);
	}
	return result;
}

/* Keys that are mapped, or tuples of such, hash differently afterwards: the dict is filled anew, in
 * its order. */
int journal_dict_rekey(struct batch *batch, PyObject *dict)
{
	PyObject *copy = PyDict_Copy(dict);
	struct change *change = copy ? journal_push(&batch->journal, CHANGE_KEYS, dict) : NULL;

	if (!change) {
		Py_XDECREF(copy);
		return -1;
	}
	change->old = copy;
	PyDict_Clear(dict);
	return dict_fill(batch, dict, copy);
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
		PyDict_Clear(change->owner);
		PyDict_Update(change->owner, change->old);
		break;
	case CHANGE_SET:
		PySet_Discard(change->owner, change->key);
		PySet_Add(change->owner, change->old);
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
