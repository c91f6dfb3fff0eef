/* SPDX-License-Identifier: MIT */
/*
 * sys.modules as the reloading thread sees it.
 *
 * While a batch runs, the type of the interpreter's module dict is a subclass of dict with the same
 * layout: the object, its storage and what every other thread gets from it stay the same, and the
 * batch's thread gets scratch modules for the members. Looking a member up runs its body if it has
 * not run yet: so bodies run in the order of their imports without any graph. All ways lead here:
 * the import statement, importlib and C code use the mapping protocol on a dict that is no exact
 * dict (import.c, import_get_module() in CPython 3.11).
 */
#include "batch.h"

static bool is_ours(struct batch *batch, PyObject *key)
{
	return batch && batch->thread == PyThread_get_thread_ident() && PyUnicode_Check(key);
}

bool batch_is_mine(void)
{
	return engine && engine->batch && engine->batch->thread == PyThread_get_thread_ident();
}

static bool path_list_is_watched(PyObject *module)
{
	PyObject *path = PyObject_GetAttrString(module, "__path__"), *first = NULL;
	const char *text = NULL;
	bool watched;

	if (path)
		first = PySequence_GetItem(path, 0);
	if (first && PyUnicode_Check(first))
		text = PyUnicode_AsUTF8(first);
	watched = text && engine_path_is_watched(text);
	Py_XDECREF(path);
	Py_XDECREF(first);
	PyErr_Clear();
	return watched;
}

static PyObject *member_get(struct batch *batch, struct member *member)
{
	if (member->state == MEMBER_FAILED) {
		PyErr_Format(PyExc_ImportError, "%U failed in this batch", member->name);
		return NULL;
	}
	if (member->state == MEMBER_WAITING && member_run(batch, member) < 0)
		return NULL;
	if (member->replacement)
		return member->replacement == Py_None ? NULL : Py_NewRef(member->replacement);
	return Py_NewRef(member->scratch);
}

PyObject *overlay_find(struct batch *batch, PyObject *modules, PyObject *key)
{
	struct member *member = batch_find(batch, key);
	PyObject *module;

	if (member)
		return member_get(batch, member);
	module = PyDict_GetItemWithError(batch->added, key);
	if (module || PyErr_Occurred())
		return Py_XNewRef(module);
	if (PySet_Contains(batch->deleted, key) || PySet_Contains(batch->hidden, key))
		return NULL;
	module = PyDict_GetItemWithError(modules, key);
	if (!module || !PyModule_Check(module) || !path_list_is_watched(module))
		return Py_XNewRef(module);
	if (member_create_shadow(batch, key, module) < 0)
		return NULL;
	return Py_NewRef(batch_find(batch, key)->scratch);
}

static PyObject *overlay_subscript(PyObject *self, PyObject *key)
{
	PyObject *value;

	if (!is_ours(engine->batch, key))
		return PyDict_Type.tp_as_mapping->mp_subscript(self, key);
	value = overlay_find(engine->batch, self, key);
	if (!value && !PyErr_Occurred())
		PyErr_SetObject(PyExc_KeyError, key);
	return value;
}

static bool module_is_watched(PyObject *module)
{
	PyObject *spec = PyObject_GetAttrString(module, "__spec__");
	bool watched = spec && spec_is_ours(spec);

	Py_XDECREF(spec);
	PyErr_Clear();
	return watched || (PyModule_Check(module) && path_list_is_watched(module));
}

/* What only the batch brought in goes at once, all else when the batch is in effect. */
static int overlay_hide(struct batch *batch, PyObject *self, PyObject *key)
{
	if (PySequence_Contains(batch->foreign, key) == 1)
		return PyDict_DelItem(self, key);
	if (PyDict_Contains(self, key) != 1 || PySet_Contains(batch->hidden, key) == 1) {
		PyErr_SetObject(PyExc_KeyError, key);
		return -1;
	}
	return PySet_Add(batch->hidden, key);
}

static int overlay_store(struct batch *batch, PyObject *self, PyObject *key, PyObject *value)
{
	struct member *member = batch_find(batch, key);

	if (member && member->kind == MEMBER_RUNS) {
		Py_XSETREF(member->replacement, Py_NewRef(value ? value : Py_None));
		return 0;
	}
	if (PyDict_Contains(batch->added, key) == 1)
		return value ? PyDict_SetItem(batch->added, key, value)
			     : PyDict_DelItem(batch->added, key);
	if (!value)
		return overlay_hide(batch, self, key);
	PySet_Discard(batch->hidden, key);
	if (PyDict_Contains(self, key) || module_is_watched(value))
		return PyDict_SetItem(batch->added, key, value);
	if (PyList_Append(batch->foreign, key) < 0)
		return -1;
	return PyDict_SetItem(self, key, value);
}

static int overlay_ass_subscript(PyObject *self, PyObject *key, PyObject *value)
{
	if (is_ours(engine->batch, key))
		return overlay_store(engine->batch, self, key, value);
	return PyDict_Type.tp_as_mapping->mp_ass_subscript(self, key, value);
}

static int overlay_contains(PyObject *self, PyObject *key)
{
	PyObject *value;

	if (!is_ours(engine->batch, key))
		return PyDict_Contains(self, key);
	if (batch_find(engine->batch, key))
		return 1;
	value = overlay_find(engine->batch, self, key);
	Py_XDECREF(value);
	return PyErr_Occurred() ? -1 : value != NULL;
}

static PyObject *overlay_get(PyObject *self, PyObject *const *args, Py_ssize_t count)
{
	PyObject *value, *fallback = count > 1 ? args[1] : Py_None;

	if (count < 1 || count > 2) {
		PyErr_SetString(PyExc_TypeError, "get expected 1 or 2 arguments");
		return NULL;
	}
	if (is_ours(engine->batch, args[0]))
		value = overlay_find(engine->batch, self, args[0]);
	else
		value = Py_XNewRef(PyDict_GetItemWithError(self, args[0]));
	if (!value && !PyErr_Occurred())
		value = Py_NewRef(fallback);
	return value;
}

static PyObject *overlay_pop(PyObject *self, PyObject *const *args, Py_ssize_t count)
{
	PyObject *value;

	if (count < 1 || count > 2) {
		PyErr_SetString(PyExc_TypeError, "pop expected 1 or 2 arguments");
		return NULL;
	}
	value = PyObject_GetItem(self, args[0]);
	if (value && PyObject_DelItem(self, args[0]) < 0)
		Py_CLEAR(value);
	if (!value && count == 2 && PyErr_ExceptionMatches(PyExc_KeyError)) {
		PyErr_Clear();
		value = Py_NewRef(args[1]);
	}
	return value;
}

static PyObject *overlay_setdefault(PyObject *self, PyObject *const *args, Py_ssize_t count)
{
	PyObject *value, *fallback = count > 1 ? args[1] : Py_None;

	if (count < 1 || count > 2) {
		PyErr_SetString(PyExc_TypeError, "setdefault expected 1 or 2 arguments");
		return NULL;
	}
	value = PyObject_GetItem(self, args[0]);
	if (!value && PyErr_ExceptionMatches(PyExc_KeyError)) {
		PyErr_Clear();
		if (PyObject_SetItem(self, args[0], fallback) == 0)
			value = Py_NewRef(fallback);
	}
	return value;
}

static PyMethodDef overlay_methods[] = {
	{"get", (PyCFunction)(void (*)(void))overlay_get, METH_FASTCALL, NULL},
	{"pop", (PyCFunction)(void (*)(void))overlay_pop, METH_FASTCALL, NULL},
	{"setdefault", (PyCFunction)(void (*)(void))overlay_setdefault, METH_FASTCALL, NULL},
	{NULL, NULL, 0, NULL},
};

static PyMappingMethods overlay_mapping = {
	.mp_subscript = overlay_subscript,
	.mp_ass_subscript = overlay_ass_subscript,
};

static PySequenceMethods overlay_sequence = {
	.sq_contains = overlay_contains,
};

PyTypeObject Overlay_Type = {
	PyVarObject_HEAD_INIT(NULL, 0).tp_name = "pymodhost.Modules",
	.tp_doc = "sys.modules while a batch runs.",
	.tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION,
	.tp_as_mapping = &overlay_mapping,
	.tp_as_sequence = &overlay_sequence,
	.tp_methods = overlay_methods,
};

/* Only an exact dict can change its type for one of the same layout and back. */
int overlay_begin(struct batch *batch)
{
	if (!PyDict_CheckExact(engine->modules)) {
		PyErr_Format(PyExc_RuntimeError, "sys.modules is a %s, not a dict",
			Py_TYPE(engine->modules)->tp_name);
		return -1;
	}
	if (!Overlay_Type.tp_base) {
		Overlay_Type.tp_base = &PyDict_Type;
		if (PyType_Ready(&Overlay_Type) < 0)
			return -1;
	}
	engine->batch = batch;
	Py_SET_TYPE(engine->modules, &Overlay_Type);
	return 0;
}

void overlay_end(struct batch *batch)
{
	Py_SET_TYPE(engine->modules, &PyDict_Type);
	engine->batch = NULL;
}
