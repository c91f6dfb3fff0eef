/* SPDX-License-Identifier: MIT */
/*
 * In which order the bodies of a batch start.
 *
 * Imports run members on demand, so any order gives the right result; but a body should not start
 * before what it imports has ended, whichever module the batch happens to begin with. So members
 * start in the order of their import statements, as the new code has them: strongly connected
 * components (Tarjan), and within a cycle in the order of the first import, for where one enters a
 * cycle decides what is half-made.
 */
#include "batch.h"

struct sorter {
	struct batch *batch;
	struct member **stack;
	size_t depth;
	unsigned int next, turn;
};

static int visit(struct sorter *sorter, struct member *member);

static int visit_name(struct sorter *sorter, struct member *from, PyObject *name)
{
	struct member *to = name ? batch_find(sorter->batch, name) : NULL;

	Py_XDECREF(name);
	if (!to || to == from || to->kind != MEMBER_RUNS)
		return PyErr_Occurred() ? -1 : 0;
	if (!to->index) {
		if (visit(sorter, to) < 0)
			return -1;
		if (to->low < from->low)
			from->low = to->low;
	} else if (to->on_stack && to->index < from->low) {
		from->low = to->index;
	}
	return 0;
}

/* A module and the items that may be modules of its. */
static int visit_import(struct sorter *sorter, struct member *from, PyObject *import)
{
	PyObject *items = PyTuple_GET_ITEM(import, 2), *name;
	int result;

	name = track_absolute(PyTuple_GET_ITEM(import, 1), from->dict,
		PyLong_AsLong(PyTuple_GET_ITEM(import, 0)));
	if (!name)
		return PyErr_Occurred() ? -1 : 0;
	result = visit_name(sorter, from, Py_NewRef(name));
	for (Py_ssize_t i = 0; result == 0 && PyTuple_Check(items) && i < PyTuple_GET_SIZE(items);
		i++)
		result = visit_name(sorter, from,
			PyUnicode_FromFormat("%U.%U", name, PyTuple_GET_ITEM(items, i)));
	Py_DECREF(name);
	return result;
}

static int visit_imports(struct sorter *sorter, struct member *member)
{
	struct analysis analysis;
	int result = 0;

	if (analyze_code(member->code, &analysis) < 0)
		return -1;
	for (Py_ssize_t i = 0; result == 0 && i < PyList_GET_SIZE(analysis.imports); i++)
		result = visit_import(sorter, member, PyList_GET_ITEM(analysis.imports, i));
	analysis_finish(&analysis);
	return result;
}

/* Members of one component share a turn; by_turn() keeps the order of the first import there. */
static int visit(struct sorter *sorter, struct member *member)
{
	struct member *popped;

	member->index = member->low = ++sorter->next;
	sorter->stack[sorter->depth++] = member;
	member->on_stack = true;
	if (visit_imports(sorter, member) < 0)
		return -1;
	if (member->low != member->index)
		return 0;
	sorter->turn++;
	do {
		popped = sorter->stack[--sorter->depth];
		popped->on_stack = false;
		popped->turn = sorter->turn;
	} while (popped != member);
	return 0;
}

/* The sort is stable, and members were in the order of their first imports. */
static int by_turn(struct member *a, struct member *b)
{
	return a->turn < b->turn ? -1 : a->turn > b->turn;
}

int order_members(struct batch *batch)
{
	struct sorter sorter = {.batch = batch};
	struct member *member;
	int result = 0;

	sorter.stack = calloc(HASH_COUNT(batch->members) + 1, sizeof(*sorter.stack));
	if (!sorter.stack) {
		PyErr_NoMemory();
		return -1;
	}
	for (member = batch->members; result == 0 && member; member = member->hh.next)
		if (!member->index)
			result = visit(&sorter, member);
	free(sorter.stack);
	HASH_SORT(batch->members, by_turn);
	return result;
}
