/* SPDX-License-Identifier: MIT */
/*
 * Weak references that the bodies made to what becomes an old object: a registry that holds its
 * callbacks weakly would lose them, for the new object dies with the batch.
 *
 * A plain weakref.ref is looked up by its hash, which is its object's. It is replaced by one to the
 * old object wherever it is held, like any object of the map. References of derived types have
 * contents of their own: they are made to point elsewhere as they are (struct _PyWeakReference of
 * CPython 3.11).
 */
#include "batch.h"

static PyObject *target_of(struct batch *batch, PyObject *reference)
{
	PyObject *object = PyWeakref_GET_OBJECT(reference), *mapped = map_get(batch, object);

	return mapped != object && !map_becomes(batch, object) ? mapped : NULL;
}

/* Those by which classes know their subclasses, real and virtual ones, look after themselves. */
static bool is_of_class(PyObject *reference)
{
	PyObject *callback = ((PyWeakReference *)reference)->wr_callback;
	PyObject *object = PyWeakref_GET_OBJECT(reference);

	if (!PyType_Check(object))
		return false;
	if (callback)
		return PyCFunction_Check(callback) &&
		       strcmp(((PyCFunctionObject *)callback)->m_ml->ml_name, "_destroy") == 0;
	/* One more is the list's of young objects. */
	return Py_REFCNT(reference) <= PyTuple_GET_SIZE(((PyTypeObject *)object)->tp_bases) + 1;
}

static int match_one(struct batch *batch, PyObject *reference)
{
	PyObject *old = target_of(batch, reference), *fresh;
	int result;

	if (!old || !PyWeakref_CheckRefExact(reference) || is_of_class(reference))
		return 0;
	fresh = PyWeakref_NewRef(old, ((PyWeakReference *)reference)->wr_callback);
	result = fresh ? map_add(batch, reference, fresh) : -1;
	Py_XDECREF(fresh);
	return result;
}

int weak_match(struct batch *batch, PyObject *young)
{
	for (Py_ssize_t i = 0; i < PyList_GET_SIZE(young); i++)
		if (PyWeakref_Check(PyList_GET_ITEM(young, i)) &&
			match_one(batch, PyList_GET_ITEM(young, i)) < 0)
			return -1;
	return 0;
}

static void reference_unlink(PyWeakReference *reference, PyWeakReference **list)
{
	if (reference->wr_prev)
		reference->wr_prev->wr_next = reference->wr_next;
	else
		*list = reference->wr_next;
	if (reference->wr_next)
		reference->wr_next->wr_prev = reference->wr_prev;
}

/* At the end: CPython looks for its shared references at the beginning of the list. */
static void reference_link(PyWeakReference *reference, PyWeakReference **list)
{
	PyWeakReference *last = NULL;

	for (; *list; list = &last->wr_next)
		last = *list;
	*list = reference;
	reference->wr_prev = last;
	reference->wr_next = NULL;
}

static PyWeakReference **list_of(PyObject *object)
{
	return (PyWeakReference **)PyObject_GET_WEAKREFS_LISTPTR(object);
}

static void finish_one(struct batch *batch, PyObject *reference)
{
	PyWeakReference *weak = (PyWeakReference *)reference;
	PyObject *old = target_of(batch, reference);

	if (!old || (PyWeakref_CheckRefExact(reference) && is_of_class(reference)))
		return;
	if (PyWeakref_CheckRefExact(reference)) {
		_PyWeakref_ClearRef(weak); /* that its object dies is no news to anybody */
		return;
	}
	reference_unlink(weak, list_of(weak->wr_object));
	weak->wr_object = old;
	reference_link(weak, list_of(old));
}

void weak_finish(struct batch *batch, PyObject *young)
{
	for (Py_ssize_t i = 0; i < PyList_GET_SIZE(young); i++)
		if (PyWeakref_Check(PyList_GET_ITEM(young, i)))
			finish_one(batch, PyList_GET_ITEM(young, i));
}
