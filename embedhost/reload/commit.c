/* SPDX-License-Identifier: MIT */
/*
 * The commit: from scratch modules to live ones in one stretch of C.
 *
 * No step runs Python code or lets go of the GIL, so every other thread sees all of it or nothing.
 * If a step fails (no memory), journal_undo() puts everything back.
 */
#include "batch.h"

static int commit_names(struct batch *batch, struct member *member)
{
	PyObject *name, *value;
	Py_ssize_t position = 0;

	while (PyDict_Next(member->dict, &position, &name, &value)) {
		if (member->before && PyDict_GetItemWithError(member->before, name) == value)
			continue;
		if (journal_dict_set(
			    &batch->journal, member->live_dict, name, map_get(batch, value)) < 0)
			return -1;
	}
	return 0;
}

/* A submodule stays an attribute of its package as long as it is loaded. */
static int commit_gone_names(struct batch *batch, struct member *member, PyObject *defined)
{
	PyObject *names = PySequence_List(defined);
	int result = names ? 0 : -1;

	for (Py_ssize_t i = 0; result == 0 && i < PyList_GET_SIZE(names); i++) {
		PyObject *name = PyList_GET_ITEM(names, i);
		PyObject *value = PyDict_GetItemWithError(member->live_dict, name);

		if (value && !PyDict_Contains(member->dict, name) &&
			!package_has_child(member, name, value))
			result = journal_dict_set(&batch->journal, member->live_dict, name, NULL);
	}
	Py_XDECREF(names);
	return result;
}

static bool is_own_class(struct member *member, PyTypeObject *type)
{
	PyObject *owner = PyType_HasFeature(type, Py_TPFLAGS_HEAPTYPE)
				  ? PyDict_GetItemString(type->tp_dict, "__module__")
				  : NULL;

	return owner && PyUnicode_Check(owner) && PyUnicode_Compare(owner, member->name) == 0;
}

/* A body may give its module a class (sys.modules[__name__].__class__ = ...), or no longer. */
static int commit_class(struct batch *batch, struct member *member)
{
	PyTypeObject *is = Py_TYPE(member->live), *shall = is;

	if (member->kind != MEMBER_RUNS)
		return 0;
	if (Py_TYPE(member->scratch) != &Scratch_Type)
		shall = (PyTypeObject *)map_get(batch, (PyObject *)Py_TYPE(member->scratch));
	else if (is_own_class(member, is))
		shall = &PyModule_Type;
	if (shall == is || shall->tp_basicsize != is->tp_basicsize)
		return 0;
	return journal_class_set(&batch->journal, member->live, shall);
}

static int commit_member(struct batch *batch, struct member *member)
{
	PyObject *defined = member->record ? member->record->defined : member->before;

	if (member->kind == MEMBER_NEW)
		return 0;
	if (commit_class(batch, member) < 0)
		return -1;
	if (defined && commit_gone_names(batch, member, defined) < 0)
		return -1;
	return commit_names(batch, member);
}

static int instance_update(struct batch *batch, PyObject *old, PyObject *fresh)
{
	PyObject **to = _PyObject_GetDictPtr(old), **from = _PyObject_GetDictPtr(fresh);

	if (!to || !from || !*from)
		return 0;
	return journal_slot_set(&batch->journal, old, to, *from);
}

static int commit_object(struct batch *batch, PyObject *old, PyObject *fresh)
{
	if (PyFunction_Check(old))
		return function_update(batch, old, fresh);
	if (PyType_Check(old))
		return class_update(batch, (PyTypeObject *)old, (PyTypeObject *)fresh);
	if (!PyModule_Check(old) && !PyDict_Check(old) && !PyWeakref_Check(old))
		return instance_update(batch, old, fresh);
	return 0;
}

/* Those that become others first: classes below them that get new bases find their resolution orders as they will be. */
static int commit_objects(struct batch *batch)
{
	struct mapping *mapping;
	int result = 0;

	for (mapping = batch->map; result == 0 && mapping; mapping = mapping->hh.next)
		if (mapping->becomes)
			result = class_become(
				batch, (PyTypeObject *)mapping->from, (PyTypeObject *)mapping->to);
	for (mapping = batch->map; result == 0 && mapping; mapping = mapping->hh.next)
		if (!mapping->becomes)
			result = commit_object(batch, mapping->to, mapping->from);
	return result;
}

PyObject *parent_dict(PyObject *name, PyObject **ret_tail)
{
	Py_ssize_t length = PyUnicode_GET_LENGTH(name);
	Py_ssize_t dot = PyUnicode_FindChar(name, '.', 0, length, -1);
	PyObject *parent, *module;

	if (dot < 0)
		return NULL;
	parent = PyUnicode_Substring(name, 0, dot);
	*ret_tail = PyUnicode_Substring(name, dot + 1, length);
	module = parent ? PyDict_GetItemWithError(engine->modules, parent) : NULL;
	Py_XDECREF(parent);
	return module && PyModule_Check(module) ? PyModule_GetDict(module) : NULL;
}

static int commit_unload(struct batch *batch, PyObject *name)
{
	PyObject *module = PyDict_GetItemWithError(engine->modules, name), *tail = NULL, *dict;
	int result = 0;

	if (!module)
		return 0;
	dict = parent_dict(name, &tail);
	if (dict && tail && PyDict_GetItemWithError(dict, tail) == module)
		result = journal_dict_set(&batch->journal, dict, tail, NULL);
	if (result == 0)
		result = journal_dict_set(&batch->journal, engine->modules, name, NULL);
	Py_XDECREF(tail);
	return result == 0 ? PyList_Append(batch->report->unloaded, name) : -1;
}

static int commit_hidden(struct batch *batch)
{
	PyObject *names = PySequence_List(batch->hidden);
	int result = names ? 0 : -1;

	for (Py_ssize_t i = 0; result == 0 && i < PyList_GET_SIZE(names); i++)
		if (PyDict_Contains(engine->modules, PyList_GET_ITEM(names, i)) == 1)
			result = journal_dict_set(
				&batch->journal, engine->modules, PyList_GET_ITEM(names, i), NULL);
	Py_XDECREF(names);
	return result;
}

/* What an earlier version put there for itself goes, but not what a program did. */
static PyObject *entry_of(struct member *member, PyObject *present)
{
	PyObject *stand_in = member->record ? member->record->stand_in : NULL;

	if (member->replacement)
		return member->replacement == Py_None ? present : member->replacement;
	return stand_in && stand_in == present ? member->live : present;
}

static int commit_entry(struct batch *batch, struct member *member)
{
	PyObject *present = PyDict_GetItemWithError(engine->modules, member->name), *tail = NULL;
	PyObject *entry = entry_of(member, present), *dict;
	int result = 0;

	if (entry == present)
		return 0;
	dict = parent_dict(member->name, &tail);
	if (dict && tail && present && PyDict_GetItemWithError(dict, tail) == present)
		result = journal_dict_set(&batch->journal, dict, tail, entry);
	if (result == 0)
		result = journal_dict_set(&batch->journal, engine->modules, member->name, entry);
	Py_XDECREF(tail);
	return result;
}

/* A module that takes itself out of sys.modules stays: whoever imports it next would get another
 * one beside it. */
static int commit_modules(struct batch *batch)
{
	PyObject *gone = PySequence_List(batch->deleted), *name, *module;
	struct member *member;
	Py_ssize_t position = 0;
	int result = gone && PyList_Sort(gone) == 0 ? 0 : -1;

	for (Py_ssize_t i = 0; result == 0 && i < PyList_GET_SIZE(gone); i++)
		result = commit_unload(batch, PyList_GET_ITEM(gone, i));
	Py_XDECREF(gone);
	result = result == 0 ? commit_hidden(batch) : -1;
	while (result == 0 && PyDict_Next(batch->added, &position, &name, &module))
		result = journal_dict_set(&batch->journal, engine->modules, name, module);
	for (member = batch->members; result == 0 && member; member = member->hh.next)
		if (member->kind != MEMBER_SHADOW)
			result = commit_entry(batch, member);
	return result;
}

static int by_turn(struct member *a, struct member *b)
{
	return a->turn < b->turn ? -1 : a->turn > b->turn;
}

/* Another thread has imported meanwhile what this batch imported first. Its module is the one that
 * counts: ours is its next version. */
static int member_yield(struct batch *batch, struct member *member)
{
	PyObject *live = PyDict_GetItemWithError(engine->modules, member->name);

	if (member->kind != MEMBER_NEW || !live || live == member->live ||
		PyDict_GetItemWithError(batch->added, member->name) != member->live)
		return PyErr_Occurred() ? -1 : 0;
	member->record = record_find(member->name);
	if (!member->record || member->record->module != live) {
		batch->again = true;
		PyErr_Format(PyExc_ImportError,
			"another thread is importing %R, which this change imports too: it is "
			"tried again",
			member->name);
		return -1;
	}
	member->kind = MEMBER_RUNS;
	record_set(&member->live, Py_NewRef(live));
	record_set(&member->live_dict, Py_NewRef(PyModule_GetDict(live)));
	return PyDict_DelItem(batch->added, member->name);
}

int commit_settle(struct batch *batch)
{
	for (struct member *member = batch->members; member; member = member->hh.next)
		if (member_yield(batch, member) < 0)
			return -1;
	return 0;
}

static int commit_steps(struct batch *batch, PyObject *young)
{
	struct member *member;

	if (commit_settle(batch) < 0)
		return -1;

	/* Bases before what derives from them. */
	HASH_SORT(batch->members, by_turn);
	for (member = batch->members; member; member = member->hh.next)
		if (member->kind != MEMBER_NEW && match_member(batch, member) < 0)
			return -1;
	for (member = batch->members; member; member = member->hh.next)
		if (commit_member(batch, member) < 0)
			return -1;
	if (weak_match(batch, young) < 0 || commit_modules(batch) < 0 ||
		commit_objects(batch) < 0 || aliases_update(batch) < 0)
		return -1;
	return heap_rewrite(batch, young) < 0 ? -1 : derive_all(batch);
}

static void caches_clear(struct batch *batch)
{
	for (Py_ssize_t i = 0; i < PyList_GET_SIZE(batch->caches); i++) {
		PyObject *result =
			PyObject_CallMethod(PyList_GET_ITEM(batch->caches, i), "cache_clear", NULL);

		Py_XDECREF(result);
		PyErr_Clear();
	}
}

/* The records follow; nothing of this can fail but for want of memory, which leaves a record that
 * knows less. */
static int record_update(struct batch *batch, struct member *member)
{
	struct record *record = member->record;
	bool fresh = !record;

	if (!record && record_create(member->name, &record) < 0)
		return -1;
	record_set(&record->module, Py_NewRef(member->live));
	if (member->kind == MEMBER_NEW)
		record_set_stand_in(record, PyDict_GetItemWithError(engine->modules, member->name));
	else
		record_set_stand_in(
			record, member->replacement == Py_None ? NULL : member->replacement);
	if (record->code && holders_note(record, record->code) < 0)
		return -1;
	record_set(&record->source, Py_NewRef(member->bytes));
	record_set(&record->seen, NULL);
	record_set(&record->code, Py_NewRef(member->code));
	if (record_set_uses(record, Py_NewRef(member->uses)) < 0)
		return -1;
	record_set(&record->defined, Py_NewRef(member->defined));
	record_set(&record->inner_names, Py_NewRef(member->inner_names));
	record->stamp = member->stamp;
	record->gone = record->moved = record->told = false;
	record->version++;
	if (record_set_path(record, member->path) < 0)
		return -1;
	return report_add_event(batch->report, fresh ? "loaded" : "reloaded", member->name,
		record->version, member->seconds);
}

static void records_forget_deleted(struct batch *batch)
{
	PyObject *iterator = PyObject_GetIter(batch->deleted), *name;

	while (iterator && (name = PyIter_Next(iterator))) {
		struct record *record = record_find(name);

		if (record) {
			report_add_event(batch->report, "unloaded", name, record->version, 0);
			lines_show(record->path, NULL);
			record_forget(record);
		}
		Py_DECREF(name);
	}
	Py_XDECREF(iterator);
}

static void commit_records(struct batch *batch)
{
	struct member *member;

	records_forget_deleted(batch);
	for (member = batch->members; member; member = member->hh.next)
		if (member->kind != MEMBER_SHADOW && record_update(batch, member) < 0)
			PyErr_Clear();
	PyErr_Clear();
}

int commit_apply(struct batch *batch)
{
	PyObject *young = NULL, *hooks;
	int result;

	if (heap_find_young(batch, &young) < 0)
		return -1;
	hooks = audit_suspend();
	result = commit_steps(batch, young);
	if (result == 0)
		weak_finish(batch, young);
	else
		journal_undo(&batch->journal);
	audit_resume(hooks);
	if (result < 0) {
		Py_DECREF(young);
		return -1;
	}
	tables_rewrite_signals(batch);
	rehash_all(batch);
	commit_records(batch);
	Py_DECREF(young);
	caches_clear(batch);
	return 0;
}
