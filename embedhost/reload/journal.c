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

#include <stdlib.h>

/* For tests: the step whose number is in the environment finds no memory. */
static bool step_fails(const struct journal *journal)
{
#ifdef PYMODHOST_FAULT_POINTS
	const char *step = getenv("PYMODHOST_FAIL_STEP");

	return step && strtoul(step, NULL, 10) == journal->count;
#else
	(void)journal;
	return false;
#endif
}

static struct change *journal_push(struct journal *journal, enum change_kind kind, PyObject *owner)
{
	struct change *change, *grown;

	if (step_fails(journal)) {
		PyErr_NoMemory();
		return NULL;
	}
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

/* The slot is found anew by the key to undo it: the dict may have been filled anew meanwhile. */
int journal_value_set(struct journal *journal, PyObject *dict, Py_ssize_t position, PyObject *key,
	PyObject *value)
{
	PyObject **slot = dict_value_at(dict, position);
	struct change *change;

	if (!slot)
		return journal_dict_set(journal, dict, key, value);
	change = journal_push(journal, CHANGE_VALUE, dict);
	if (!change)
		return -1;
	change->key = Py_NewRef(key);
	change->old = *slot;
	*slot = Py_NewRef(value);
	return 0;
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

int journal_bases_set(
	struct journal *journal, PyTypeObject *type, PyObject *bases, PyTypeObject *base)
{
	struct change *change = journal_push(journal, CHANGE_BASES, (PyObject *)type);

	if (!change)
		return -1;
	change->old = Py_NewRef(type->tp_bases);
	change->key = Py_BuildValue("(ON)", type->tp_base, type_save_orders(type));
	return change->key ? type_set_bases(type, bases, base) : -1;
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
	change->old = engine->deque->tp_as_sequence->sq_item(sequence, index);
	return change->old ? engine->deque_set(sequence, index, value) : -1;
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
	PyObject *current, **slot;

	switch (change->kind) {
	case CHANGE_DICT:
		dict_put(change->owner, change->key, change->old);
		break;
	case CHANGE_VALUE:
		slot = dict_value_of(change->owner, change->key);
		if (!slot)
			break;
		current = *slot;
		*slot = change->old;
		change->old = current;
		break;
	case CHANGE_TYPE:
		type_put((PyTypeObject *)change->owner, change->key, change->old);
		break;
	case CHANGE_BASES:
		if (change->key)
			type_restore_bases((PyTypeObject *)change->owner, change->old,
				(PyTypeObject *)PyTuple_GET_ITEM(change->key, 0),
				PyTuple_GET_ITEM(change->key, 1));
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
		if (PyType_Check(change->owner))
			PyType_Modified((PyTypeObject *)change->owner);
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
