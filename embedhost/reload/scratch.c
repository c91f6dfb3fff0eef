/* SPDX-License-Identifier: MIT */
/*
 * What a scratch module answers beyond what is in its namespace.
 *
 * The import system sets a submodule on its package only when it loads it, and in a batch most are
 * loaded already. So a scratch module finds them when it is asked for one, and before its whole
 * namespace is looked at (`from package import *`, dir()) gets those that would have been there in a
 * new process: all whose first import was over before that of the module whose body asks.
 */
#include "batch.h"

bool package_has_child(struct member *package, PyObject *name, PyObject *value)
{
	PyObject *full;
	bool loaded;

	if (!value || !PyUnicode_Check(name))
		return false;
	full = PyUnicode_FromFormat("%U.%U", package->name, name);
	loaded = full && PyDict_GetItemWithError(engine->modules, full) == value;
	Py_XDECREF(full);
	PyErr_Clear();
	return loaded;
}

/* Of the module whose body runs; those of the batch's own are the last. */
static uint64_t running_end(struct batch *batch)
{
	PyObject *globals = track_running();
	struct member *member;

	for (member = batch->members; member; member = member->hh.next)
		if (member->dict == globals && member->record)
			return member->record->ended;
	return UINT64_MAX;
}

/* A loaded submodule as it is now; NULL if it isn't there yet. Borrowed, and runs nothing. */
static PyObject *child_now(struct batch *batch, PyObject *full, PyObject *live, uint64_t end)
{
	struct member *member = batch_find(batch, full);
	struct record *record = record_find(full);

	if (member && member->state != MEMBER_DONE)
		return NULL;
	if (member)
		return member->replacement ? member->replacement : member->scratch;
	if (PySet_Contains(batch->deleted, full) || PySet_Contains(batch->hidden, full))
		return NULL;
	return record && record->ended > end ? NULL : live;
}

static int scratch_add_children(struct batch *batch, struct member *package)
{
	uint64_t end = running_end(batch);
	PyObject *name, *live, *full, *child;
	Py_ssize_t position = 0;
	int result = 0;

	while (result == 0 && PyDict_Next(package->live_dict, &position, &name, &live)) {
		if (PyDict_Contains(package->dict, name) || !package_has_child(package, name, live))
			continue;
		full = PyUnicode_FromFormat("%U.%U", package->name, name);
		child = full ? child_now(batch, full, live, end) : NULL;
		if (!full || (child && PyDict_SetItem(package->dict, name, child) < 0))
			result = -1;
		Py_XDECREF(full);
	}
	return PyErr_Occurred() ? -1 : result;
}

static int scratch_complete(PyObject *self)
{
	struct member *member;

	for (member = engine->batch->members; member; member = member->hh.next)
		if (member->scratch == self)
			return member->live_dict ? scratch_add_children(engine->batch, member) : 0;
	return 0;
}

static bool child_is_loaded(PyObject *full)
{
	return PyDict_Contains(engine->modules, full) == 1 ||
	       PyDict_Contains(engine->batch->added, full) == 1;
}

/* NULL without an exception: it has no such submodule. */
static PyObject *scratch_child(PyObject *self, PyObject *name)
{
	PyObject *dict = PyModule_GetDict(self), *own = PyDict_GetItemString(dict, "__name__");
	PyObject *full, *child = NULL;

	if (!own || !PyUnicode_Check(own) || PyDict_Contains(dict, name) == 1)
		return NULL;
	full = PyUnicode_FromFormat("%U.%U", own, name);
	if (full && child_is_loaded(full))
		child = overlay_find(engine->batch, engine->modules, full);
	Py_XDECREF(full);
	return child;
}

/* A submodule comes before the module's own __getattr__(), as one that is set on it does. */
static PyObject *scratch_getattro(PyObject *self, PyObject *name)
{
	PyObject *child = NULL;

	if (!batch_is_mine())
		return PyModule_Type.tp_getattro(self, name);
	if (PyUnicode_CompareWithASCIIString(name, "__dict__") != 0)
		child = scratch_child(self, name);
	else if (scratch_complete(self) < 0)
		return NULL;
	if (child || PyErr_Occurred())
		return child;
	return PyModule_Type.tp_getattro(self, name);
}

PyTypeObject Scratch_Type = {
	PyVarObject_HEAD_INIT(NULL, 0).tp_name = "pymodhost.ScratchModule",
	.tp_doc = "A module whose new version is not in effect yet.",
	.tp_flags = Py_TPFLAGS_DEFAULT,
	.tp_getattro = scratch_getattro,
};
