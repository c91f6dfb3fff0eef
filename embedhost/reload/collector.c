/* SPDX-License-Identifier: MIT */
/*
 * The collector's lists (internal/pycore_gc.h of CPython 3.11): which objects a batch made, and all
 * there are.
 *
 * While a batch runs, the interpreter believes to be collecting already, so that nobody collects: not
 * by the thresholds, and not by gc.collect() in a body or another thread either. Objects that are
 * made then join the end of the youngest list, behind a mark that the batch has put there. One call
 * still moves them: gc.freeze() appends the lists to the permanent one, the youngest first. A second
 * mark at the beginning of the next list says where the batch's objects end in that case.
 */
#define Py_BUILD_CORE 1 /* before Python.h */
#include "batch.h"

#include <internal/pycore_gc.h>
#include <internal/pycore_interp.h>
#include <unistd.h>

#define COLLECTION_MILLISECONDS 50

static struct _gc_runtime_state *collector(void)
{
	return &PyInterpreterState_Get()->gc;
}

static PyGC_Head *head_of(PyObject *object)
{
	return _Py_AS_GC(object);
}

static PyObject *object_of(PyGC_Head *head)
{
	return (PyObject *)(head + 1);
}

static void head_move_first(PyGC_Head *node, PyGC_Head *list)
{
	PyGC_Head *before = _PyGCHead_PREV(node), *after = _PyGCHead_NEXT(node);

	_PyGCHead_SET_NEXT(before, after);
	_PyGCHead_SET_PREV(after, before);
	after = _PyGCHead_NEXT(list);
	_PyGCHead_SET_NEXT(list, node);
	_PyGCHead_SET_PREV(node, list);
	_PyGCHead_SET_NEXT(node, after);
	_PyGCHead_SET_PREV(after, node);
}

/* A finaliser may have let go of the GIL in the middle of another thread's collection. That one ends soon, or it is
 * our own that is under way: then its end says that nobody collects any more. */
static void wait_for_collection(struct _gc_runtime_state *gc)
{
	for (int i = 0; gc->collecting && i < COLLECTION_MILLISECONDS; i++) {
		Py_BEGIN_ALLOW_THREADS usleep(1000);
		Py_END_ALLOW_THREADS
	}
}

/* Again before the commit, where nobody may collect in any case. */
void collector_hold(struct pause *pause)
{
	struct _gc_runtime_state *gc = collector();

	if (gc->collecting)
		return;
	gc->collecting = 1;
	pause->holds = true;
}

int collector_pause(struct pause *pause)
{
	struct _gc_runtime_state *gc = collector();

	wait_for_collection(gc);

	pause->begin = PyList_New(0);
	pause->end = PyList_New(0);
	if (!pause->begin || !pause->end) {
		Py_CLEAR(pause->begin);
		Py_CLEAR(pause->end);
		return -1;
	}
	head_move_first(head_of(pause->end), &gc->generations[1].head);
	collector_hold(pause);
	return 0;
}

void collector_resume(struct pause *pause)
{
	if (!pause->begin)
		return;
	if (pause->holds)
		collector()->collecting = 0;
	pause->holds = false;
	Py_CLEAR(pause->begin);
	Py_CLEAR(pause->end);
}

static bool is_list_head(struct _gc_runtime_state *gc, PyGC_Head *head)
{
	for (int i = 0; i < NUM_GENERATIONS; i++)
		if (head == &gc->generations[i].head)
			return true;
	return head == &gc->permanent_generation.head;
}

/* From behind `at` to the end of its list, or to `stop`. Returns where it ended; NULL with an
 * exception. The list that is filled is an object of the youngest generation itself. */
static PyGC_Head *collect_from(PyGC_Head *at, PyGC_Head *stop, PyObject *list)
{
	struct _gc_runtime_state *gc = collector();

	for (at = _PyGCHead_NEXT(at); at != stop && !is_list_head(gc, at); at = _PyGCHead_NEXT(at))
		if (object_of(at) != list && PyList_Append(list, object_of(at)) < 0)
			return NULL;
	return at;
}

PyObject *collector_young(const struct pause *pause)
{
	struct _gc_runtime_state *gc = collector();
	PyGC_Head *youngest = &gc->generations[0].head, *end;
	PyObject *list = PyList_New(0);

	if (!list)
		return NULL;
	end = collect_from(head_of(pause->begin), head_of(pause->end), list);
	if (end && end != youngest) /* frozen since */
		end = collect_from(youngest, NULL, list);
	if (!end)
		Py_CLEAR(list);
	return list;
}

PyObject *collector_all(void)
{
	struct _gc_runtime_state *gc = collector();
	PyObject *list = PyList_New(0);

	for (int i = 0; list && i < NUM_GENERATIONS; i++)
		if (!collect_from(&gc->generations[i].head, NULL, list))
			Py_CLEAR(list);
	if (list && !collect_from(&gc->permanent_generation.head, NULL, list))
		Py_CLEAR(list);
	return list;
}

/* The oldest generation that the interpreter would collect by its own rule, at least the youngest. */
static int generation_due(const struct _gc_runtime_state *gc)
{
	for (int i = NUM_GENERATIONS - 1; i > 0 && gc->enabled; i--)
		if (gc->generations[i].count > gc->generations[i].threshold &&
			(i < NUM_GENERATIONS - 1 ||
				gc->long_lived_pending >= gc->long_lived_total / 4))
			return i;
	return 0;
}

/* The youngest holds the shells of what a batch replaced: classes are cycles. The interpreter collects
 * older ones only when the youngest is full, which it never is in a program that does little else but
 * reload, since it is emptied here; so those have their turn here too. */
void collector_collect_due(void)
{
	int generation = generation_due(collector());
	PyObject *result = PyObject_CallFunction(engine->gc_collect, "i", generation);

	Py_XDECREF(result);
	PyErr_Clear();
}
