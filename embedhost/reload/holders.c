/* SPDX-License-Identifier: MIT */
/*
 * Who still runs or holds an old version.
 *
 * A version that went can live on in its code: in a frame on some thread's stack, a generator or
 * coroutine that was not resumed since, a function that the new version doesn't have. For each
 * module there are weak references to the code objects of its earlier versions; those that are
 * alive when somebody asks have a holder. The list shrinks with each reload to what is held.
 */
#include "batch.h"

static int note_code(PyObject *list, PyObject *code)
{
	PyObject *consts = ((PyCodeObject *)code)->co_consts, *reference;
	int result;

	reference = PyWeakref_NewRef(code, NULL);
	result = reference ? PyList_Append(list, reference) : -1;
	Py_XDECREF(reference);
	for (Py_ssize_t i = 0; result == 0 && i < PyTuple_GET_SIZE(consts); i++)
		if (PyCode_Check(PyTuple_GET_ITEM(consts, i)))
			result = note_code(list, PyTuple_GET_ITEM(consts, i));
	return result;
}

static PyObject *living(PyObject *references)
{
	PyObject *list = PyList_New(0);

	for (Py_ssize_t i = 0; list && references && i < PyList_GET_SIZE(references); i++)
		if (PyWeakref_GET_OBJECT(PyList_GET_ITEM(references, i)) != Py_None &&
			PyList_Append(list, PyList_GET_ITEM(references, i)) < 0)
			Py_CLEAR(list);
	return list;
}

int holders_note(struct record *record, PyObject *code)
{
	PyObject *list = living(record->outdated);

	if (!list || note_code(list, code) < 0) {
		Py_XDECREF(list);
		return -1;
	}
	record_set(&record->outdated, list);
	return 0;
}

/* By identity: an unchanged function's new code equals its old. */
static int codes_have(PyObject *codes, PyObject *code)
{
	PyObject *address = PyLong_FromVoidPtr(code);
	int found = address ? PySet_Contains(codes, address) : -1;

	Py_XDECREF(address);
	return found;
}

static int add_text(PyObject *list, PyObject *text)
{
	int result = text ? PyList_Append(list, text) : -1;

	Py_XDECREF(text);
	return result;
}

struct search {
	PyObject *list, *codes;
};

static int add_frame(struct search *search, struct _PyInterpreterFrame *frame, const char *kind)
{
	PyObject *code = frame_code(frame);
	PyCodeObject *c = (PyCodeObject *)code;

	if (codes_have(search->codes, code) != 1)
		return PyErr_Occurred() ? -1 : 0;
	return add_text(search->list, PyUnicode_FromFormat("%s %U, %U:%d", kind, c->co_qualname,
					      c->co_filename, frame_line(frame)));
}

static int add_running(struct _PyInterpreterFrame *frame, void *data)
{
	return frame_is_generators(frame) ? 0 : add_frame(data, frame, "running");
}

static const char *generator_kind(PyObject *object)
{
	if (PyCoro_CheckExact(object))
		return "coroutine";
	if (PyAsyncGen_CheckExact(object))
		return "asynchronous generator";
	return PyGen_Check(object) ? "generator" : NULL;
}

static int add_object(struct search *search, PyObject *object)
{
	const char *kind = generator_kind(object);
	PyFunctionObject *function = (PyFunctionObject *)object;

	if (kind)
		return frame_inside(object) ? add_frame(search, frame_inside(object), kind) : 0;
	if (!PyFunction_Check(object) || codes_have(search->codes, function->func_code) != 1)
		return PyErr_Occurred() ? -1 : 0;
	return add_text(search->list, PyUnicode_FromFormat("function %U", function->func_qualname));
}

static int add_heap(struct search *search)
{
	PyObject *objects = collector_all();
	int result = objects ? 0 : -1;

	for (Py_ssize_t i = 0; result == 0 && i < PyList_GET_SIZE(objects); i++)
		result = add_object(search, PyList_GET_ITEM(objects, i));
	Py_XDECREF(objects);
	return result;
}

/* The addresses of code objects that are alive. */
static PyObject *living_codes(PyObject *references)
{
	PyObject *codes = PySet_New(NULL), *address;

	for (Py_ssize_t i = 0; codes && i < PyList_GET_SIZE(references); i++) {
		address = PyLong_FromVoidPtr(PyWeakref_GET_OBJECT(PyList_GET_ITEM(references, i)));
		if (!address || PySet_Add(codes, address) < 0)
			Py_CLEAR(codes);
		Py_XDECREF(address);
	}
	return codes;
}

PyObject *engine_holders(PyObject *name)
{
	struct record *record = record_find(name);
	PyObject *list = PyList_New(0), *references, *codes = NULL;
	struct search search;

	if (!record || !list)
		return list;
	references = living(record->outdated);
	if (references)
		codes = living_codes(references);
	Py_XDECREF(references);
	search = (struct search){list, codes};
	if (!codes || (PySet_GET_SIZE(codes) &&
			      (frames_walk(add_running, &search) < 0 || add_heap(&search) < 0)))
		Py_CLEAR(list);
	Py_XDECREF(codes);
	return list;
}
