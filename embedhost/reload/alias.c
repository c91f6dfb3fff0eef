/* SPDX-License-Identifier: MIT */
/*
 * Functions that C code holds where nobody can replace them.
 *
 * A body may hand its new function to a library that keeps it in memory of its own: a database, a
 * parser, a toolkit. The commit makes the module's function of it everywhere else, but this one stays an
 * object beside it. It is an alias from then on: whatever the module's function becomes in a later
 * version, the alias becomes too.
 */
#include "batch.h"

/* What a batch itself holds of each new function: in map, taken and twice in young. */
#define OWN_REFERENCES 4

static int alias_add(PyObject *alias, PyObject *function)
{
	PyObject *pair = Py_BuildValue(
		"(NN)", PyWeakref_NewRef(alias, NULL), PyWeakref_NewRef(function, NULL));
	int result = pair ? PyList_Append(engine->aliases, pair) : -1;

	Py_XDECREF(pair);
	return result;
}

static PyObject *pair_get(PyObject *pair, Py_ssize_t index)
{
	return PyWeakref_GET_OBJECT(PyTuple_GET_ITEM(pair, index));
}

static void aliases_forget_dead(void)
{
	for (Py_ssize_t i = PyList_GET_SIZE(engine->aliases); i > 0; i--) {
		PyObject *pair = PyList_GET_ITEM(engine->aliases, i - 1);

		if ((pair_get(pair, 0) == Py_None || pair_get(pair, 1) == Py_None) &&
			PyList_SetSlice(engine->aliases, i - 1, i, NULL) < 0)
			PyErr_Clear();
	}
}

void aliases_note(struct batch *batch)
{
	struct mapping *mapping;

	aliases_forget_dead();
	for (mapping = batch->map; mapping; mapping = mapping->hh.next)
		if (PyFunction_Check(mapping->from) && PyFunction_Check(mapping->to) &&
			Py_REFCNT(mapping->from) > OWN_REFERENCES &&
			alias_add(mapping->from, mapping->to) < 0)
			PyErr_Clear();
}

int aliases_update(struct batch *batch)
{
	for (Py_ssize_t i = 0; i < PyList_GET_SIZE(engine->aliases); i++) {
		PyObject *pair = PyList_GET_ITEM(engine->aliases, i);
		PyObject *alias = pair_get(pair, 0), *fresh;

		fresh = map_source(batch, pair_get(pair, 1));
		if (fresh && PyFunction_Check(alias) && function_update(batch, alias, fresh) < 0)
			return -1;
	}
	return 0;
}
