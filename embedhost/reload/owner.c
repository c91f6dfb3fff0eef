/* SPDX-License-Identifier: MIT */
/*
 * Whose an object of an old version is. What a module only got from another one must not become what
 * the module now makes itself: the other one goes on with it.
 *
 * A function says where its code was written. One that was made by a call of a function from elsewhere (a
 * decorator) doesn't say who called: it is another module's if a module that the body used has it.
 */
#include "batch.h"

/* To one that runs again: a package that only stands in keeps its functions. */
bool owner_is_member(struct batch *batch, PyFunctionObject *function)
{
	struct member *member = function->func_module && PyUnicode_Check(function->func_module)
					? batch_find(batch, function->func_module)
					: NULL;

	if (member && member->kind != MEMBER_SHADOW)
		return true;
	for (member = batch->members; member; member = member->hh.next)
		if (member->live_dict == function->func_globals && member->kind != MEMBER_SHADOW)
			return true;
	return false;
}

static bool dict_has_value(PyObject *dict, const PyObject *wanted)
{
	PyObject *key, *value;
	Py_ssize_t position = 0;

	while (PyDict_Next(dict, &position, &key, &value))
		if (value == wanted)
			return true;
	return false;
}

/* In a cycle each may have it from the other. */
static bool uses_in_turn(PyObject *name, const struct record *record)
{
	PyObject *self = PyUnicode_FromString(record->name);
	struct record *other = record_find(name);
	bool uses = self && other && other->uses && PySet_Contains(other->uses, self) == 1;

	Py_XDECREF(self);
	PyErr_Clear();
	return uses;
}

bool owner_is_elsewhere(struct batch *batch, PyObject *object)
{
	struct member *member = batch->matched;
	PyObject *uses = member && member->record ? member->record->uses : NULL, *name, *module;
	Py_ssize_t position = 0;
	Py_hash_t hash;

	while (uses && _PySet_NextEntry(uses, &position, &name, &hash)) {
		module = PyDict_GetItemWithError(engine->modules, name);
		if (module && PyModule_Check(module) && module != member->live &&
			dict_has_value(PyModule_GetDict(module), object) &&
			!uses_in_turn(name, member->record))
			return true;
	}
	return false;
}
