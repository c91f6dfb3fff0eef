/* SPDX-License-Identifier: MIT */
/*
 * Running a member's body in its scratch module.
 *
 * A scratch module starts with what the import system gives a new one (__name__, __spec__, ...) and
 * nothing else. The body's imports of other members come back here through the overlay. In a cycle
 * the importer gets the half-run scratch module, as Python's own import would give it.
 */
#include "batch.h"
#include "../watch/clock.h"

static PyObject *module_create(PyTypeObject *type, PyObject *name)
{
	return PyObject_CallFunctionObjArgs((PyObject *)type, name, NULL);
}

int member_create_scratch(struct member *member)
{
	member->scratch = module_create(&Scratch_Type, member->name);
	if (!member->scratch)
		return -1;
	member->dict = Py_NewRef(PyModule_GetDict(member->scratch));
	return spec_fill(member->spec, member->name, member->dict,
		PyDict_GetItemString(member->live_dict, "__spec__"));
}

/* Submodules are left out: the scratch module finds them (scratch.c), and runs first what is to run. */
static int shadow_fill(struct member *shadow)
{
	PyObject *name, *value;
	Py_ssize_t position = 0;

	while (PyDict_Next(shadow->live_dict, &position, &name, &value))
		if (!package_has_child(shadow, name, value) &&
			PyDict_SetItem(shadow->dict, name, value) < 0)
			return -1;
	shadow->before = PyDict_Copy(shadow->dict);
	return shadow->before ? 0 : -1;
}

int member_create_shadow(struct batch *batch, PyObject *name, PyObject *live)
{
	struct member *shadow = calloc(1, sizeof(*shadow));

	if (!shadow || !PyUnicode_AsUTF8(name)) {
		free(shadow);
		PyErr_NoMemory();
		return -1;
	}
	shadow->kind = MEMBER_SHADOW;
	shadow->state = MEMBER_DONE;
	shadow->name = Py_NewRef(name);
	shadow->text = PyUnicode_AsUTF8(name);
	shadow->live = Py_NewRef(live);
	shadow->live_dict = Py_NewRef(PyModule_GetDict(live));
	shadow->scratch = module_create(&Scratch_Type, name);
	shadow->dict = shadow->scratch ? Py_NewRef(PyModule_GetDict(shadow->scratch)) : NULL;
	if (!shadow->dict || shadow_fill(shadow) < 0) {
		member_destroy(shadow);
		return -1;
	}
	HASH_ADD_KEYPTR(hh, batch->members, shadow->text, strlen(shadow->text), shadow);
	return 0;
}

void member_destroy(struct member *member)
{
	Py_XDECREF(member->live);
	Py_XDECREF(member->live_dict);
	Py_XDECREF(member->scratch);
	Py_XDECREF(member->dict);
	Py_XDECREF(member->before);
	Py_XDECREF(member->previous);
	Py_XDECREF(member->spec);
	Py_XDECREF(member->bytes);
	Py_XDECREF(member->code);
	Py_XDECREF(member->uses);
	Py_XDECREF(member->defined);
	Py_XDECREF(member->inner_names);
	Py_XDECREF(member->replacement);
	Py_XDECREF(member->name);
	free(member->path);
	free(member);
}

/* A thread that imports a module which is only now being made waits on its lock; nothing else of
 * the batch is visible to it. */
static int body_run(struct member *member)
{
	struct body *body;
	PyObject *result, *events;

	if (PyDict_SetItemString(member->dict, "__builtins__", engine->builtins) < 0)
		return -1;
	body = track_begin(member->dict);
	if (!body)
		return -1;
	result = PyEval_EvalCode(member->code, member->dict, member->dict);
	events = track_end(body);
	Py_XDECREF(result);
	if (result)
		member->uses = track_uses(events, member->code, member->dict);
	else
		detect_want(events);
	Py_DECREF(events);
	return member->uses ? 0 : -1;
}

/* What the namespace holds at the end of the body is what the source defines. */
static int body_note(struct member *member)
{
	member->defined = PyFrozenSet_New(member->dict);
	member->inner_names = record_inner_names(member->dict);
	if (!member->defined || !member->inner_names)
		return -1;
	return member->kind == MEMBER_RUNS ? hooks_keep(member) : 0;
}

int member_run(struct batch *batch, struct member *member)
{
	double start = clock_seconds();

	member->state = MEMBER_RUNNING;
	if (body_run(member) < 0 || body_note(member) < 0) {
		member->state = MEMBER_FAILED;
		return batch_fail(batch, member->name);
	}
	member->seconds = clock_seconds() - start;
	member->state = MEMBER_DONE;
	member->turn = ++batch->finished;
	if (member->kind == MEMBER_RUNS && PyList_Append(batch->report->reloaded, member->name) < 0)
		return -1;
	return 0;
}
