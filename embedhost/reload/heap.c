/* SPDX-License-Identifier: MIT */
/*
 * References to what the commit replaces, wherever they are.
 *
 * Everything that was made since the batch began is young (collector.c tells it apart). That is
 * rewritten always: the namespace of new functions, `__class__` cells, lists and dicts of functions.
 * Older objects can hold a new one only if a body gave it to them; the reference counts tell, and
 * only then is the whole heap walked, once.
 */
#include "batch.h"

int heap_find_young(struct batch *batch, PyObject **ret_list)
{
	PyObject *list;

	collector_hold(&batch->pause);
	list = collector_young(&batch->pause);
	for (Py_ssize_t i = 0; list && i < PyList_GET_SIZE(list); i++) {
		PyObject *object = PyList_GET_ITEM(list, i);

		if ((PyFunction_Check(object) || PyType_Check(object)) &&
			young_add(batch, object) < 0)
			Py_CLEAR(list);
	}
	*ret_list = list;
	return list ? 0 : -1;
}

/* ---- is anything held elsewhere? ---- */

struct tally {
	const PyObject *key;
	Py_ssize_t known;
	UT_hash_handle hh;
};

static void tally_add(struct tally *tallies, const PyObject *object)
{
	struct tally *tally;

	HASH_FIND_PTR(tallies, &object, tally);
	if (tally)
		tally->known++;
}

static int visit_tally(PyObject *object, void *data)
{
	tally_add(data, object);
	return 0;
}

static int tally_create(struct tally **tallies, const PyObject *key, Py_ssize_t known)
{
	struct tally *tally = calloc(1, sizeof(*tally));

	if (!tally) {
		PyErr_NoMemory();
		return -1;
	}
	tally->key = key;
	tally->known = known;
	HASH_ADD_PTR(*tallies, key, tally);
	return 0;
}

/* The engine's own references to each object of the maps. */
static int tally_start(struct batch *batch, struct tally **tallies)
{
	struct mapping *mapping;
	struct member *member;

	for (mapping = batch->map; mapping; mapping = mapping->hh.next)
		if (tally_create(tallies, mapping->from, 2) < 0) /* in map and taken */
			return -1;
	for (mapping = batch->codes; mapping; mapping = mapping->hh.next)
		if (tally_create(tallies, mapping->from, 2) < 0) /* here and its parent's */
			return -1;
	for (mapping = batch->young; mapping; mapping = mapping->hh.next) {
		tally_add(*tallies, mapping->from);
		tally_add(*tallies, mapping->from);
	}
	for (member = batch->members; member; member = member->hh.next) {
		tally_add(*tallies, member->scratch);
		tally_add(*tallies, member->dict);
	}
	return 0;
}

/* What is looked up by its contents, made by the bodies: if an older table has it, that is to be
 * found and filled anew. */
static int find_keys(struct batch *batch, PyObject *young)
{
	for (Py_ssize_t i = 0; i < PyList_GET_SIZE(young); i++)
		if (rehash_is_due(batch, PyList_GET_ITEM(young, i)) &&
			due_add(batch, PyList_GET_ITEM(young, i)) < 0)
			return -1;
	return 0;
}

static int tally_keys(struct batch *batch, struct tally **tallies)
{
	for (struct mapping *key = batch->due; key; key = key->hh.next) {
		struct tally *tally;

		HASH_FIND_PTR(*tallies, &key->from, tally);
		if (tally)
			tally->known += 2;
		else if (tally_create(tallies, key->from, 2) < 0)
			return -1;
	}
	return 0;
}

/* What a step has put where it is: into a module, a class, a function. */
static PyObject *change_value(const struct change *change)
{
	PyObject *dict = change->kind == CHANGE_TYPE ? ((PyTypeObject *)change->owner)->tp_dict
						     : change->owner;

	if (change->kind == CHANGE_SLOT)
		return *change->slot;
	if ((change->kind == CHANGE_DICT || change->kind == CHANGE_TYPE) &&
		PyUnicode_CheckExact(change->key))
		return PyDict_GetItemWithError(dict, change->key);
	return NULL;
}

static void tally_journal(struct batch *batch, struct tally *tallies)
{
	for (size_t i = 0; i < batch->journal.count; i++) {
		struct change *change = &batch->journal.changes[i];

		tally_add(tallies, change->owner);
		tally_add(tallies, change->old);
		if (change->kind != CHANGE_RAW)
			tally_add(tallies, change->key);
		if (change->kind == CHANGE_KEYS || change->kind == CHANGE_BASES)
			Py_TYPE(change->old)->tp_traverse(change->old, visit_tally, tallies);
	}
}

static int tally_frame(struct _PyInterpreterFrame *frame, void *data)
{
	tally_add(data, frame_code(frame));
	return 0;
}

static bool tally_finish(struct tally *tallies)
{
	struct tally *tally, *next;
	bool held = false;

	HASH_ITER (hh, tallies, tally, next) {
		held = held || Py_REFCNT(tally->key) > tally->known;
		HASH_DEL(tallies, tally);
		free(tally);
	}
	return held;
}

/* steps: those before the heap was looked at. */
static int is_held_elsewhere(struct batch *batch, PyObject *young, size_t steps, bool *ret_held)
{
	struct tally *tallies = NULL;
	int result = tally_start(batch, &tallies) < 0 ? -1 : tally_keys(batch, &tallies);

	for (size_t i = 0; result == 0 && i < steps; i++)
		tally_add(tallies, change_value(&batch->journal.changes[i]));
	for (Py_ssize_t i = 0; result == 0 && i < PyList_GET_SIZE(young); i++) {
		PyObject *object = PyList_GET_ITEM(young, i);

		tally_add(tallies, object);
		if (Py_TYPE(object)->tp_traverse)
			Py_TYPE(object)->tp_traverse(object, visit_tally, tallies);
	}
	if (result == 0) {
		tally_journal(batch, tallies);
		frames_walk(tally_frame, tallies);
	}
	*ret_held = tally_finish(tallies) && result == 0;
	return result;
}

int heap_rewrite(struct batch *batch, PyObject *young)
{
	size_t steps = batch->journal.count;
	bool held = false;
	PyObject *all;
	int result;

	if (find_keys(batch, young) < 0 || frames_move_threads(batch) < 0 ||
		rewrite_list(batch, young) < 0 || is_held_elsewhere(batch, young, steps, &held) < 0)
		return -1;
	if (!held && !batch->becomes)
		return 0;
	all = collector_all();
	result = all ? rewrite_list(batch, all) : -1;
	Py_XDECREF(all);
	return result == 0 ? tables_rewrite_exit(batch) : -1;
}
