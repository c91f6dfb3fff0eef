/* SPDX-License-Identifier: MIT */
/*
 * The module pymodhost, as Python code sees it. Built into a host, or an extension module of the
 * stock interpreter: the same functions over the same engine.
 */
#include "../reload/engine.h"
#include "module.h"

/* In an interpreter that was there before the host, code may hold the module when the host is gone. */
static bool has_engine(void)
{
	if (!engine)
		PyErr_SetString(PyExc_RuntimeError, "the host has been destroyed");
	return engine;
}

static PyObject *module_poll(PyObject *self, PyObject *unused)
{
	return has_engine() ? engine_poll() : NULL;
}

static PyObject *check_name(PyObject *name)
{
	if (!has_engine())
		return NULL;
	if (!PyUnicode_Check(name)) {
		PyErr_Format(PyExc_TypeError, "a module's name must be a str, not %.200s",
			Py_TYPE(name)->tp_name);
		return NULL;
	}
	return name;
}

static PyObject *module_load(PyObject *self, PyObject *name)
{
	return check_name(name) ? engine_load(name) : NULL;
}

static PyObject *module_reload(PyObject *self, PyObject *name)
{
	return check_name(name) ? engine_reload(name) : NULL;
}

static PyObject *module_unload(PyObject *self, PyObject *name)
{
	return check_name(name) ? engine_unload(name) : NULL;
}

static PyObject *module_reload_all(PyObject *self, PyObject *unused)
{
	return has_engine() ? engine_reload_all() : NULL;
}

static PyObject *module_source(PyObject *self, PyObject *name)
{
	return check_name(name) ? engine_source(name) : NULL;
}

static PyObject *module_holders(PyObject *self, PyObject *name)
{
	return check_name(name) ? engine_holders(name) : NULL;
}

static PyObject *module_run(PyObject *self, PyObject *args, PyObject *keywords)
{
	static char *names[] = {"text", "name", NULL};
	PyObject *text, *name = NULL, *report;

	if (!has_engine() ||
		!PyArg_ParseTupleAndKeywords(args, keywords, "U|U", names, &text, &name))
		return NULL;
	name = name ? Py_NewRef(name) : PyUnicode_FromString("<string>");
	report = name ? engine_run(text, name) : NULL;
	Py_XDECREF(name);
	return report;
}

static PyObject *module_on_event(PyObject *self, PyObject *callback)
{
	if (!has_engine())
		return NULL;
	if (!PyCallable_Check(callback)) {
		PyErr_SetString(PyExc_TypeError, "on_event() takes a callable");
		return NULL;
	}
	if (engine_add_observer(callback) < 0)
		return NULL;
	return Py_NewRef(callback);
}

static int watch_each(PyObject *paths)
{
	PyObject *list = PySequence_List(paths);
	int result = list ? 0 : -1;

	for (Py_ssize_t i = list ? PyList_GET_SIZE(list) : 0; result == 0 && i > 0; i--)
		result = engine_watch(PyList_GET_ITEM(list, i - 1));
	Py_XDECREF(list);
	return result;
}

static PyObject *module_watch(PyObject *self, PyObject *paths)
{
	if (!has_engine())
		return NULL;
	bool one = PyUnicode_Check(paths) || PyBytes_Check(paths) ||
		   PyObject_HasAttrString(paths, "__fspath__");

	if ((one ? engine_watch(paths) : watch_each(paths)) < 0)
		return NULL;
	Py_RETURN_NONE;
}

static PyMethodDef methods[] = {
	{"poll", module_poll, METH_NOARGS,
		"poll() -> Report\n\nApply everything that changed, as one transaction."},
	{"load", module_load, METH_O, "load(name) -> Report\n\nImport a module."},
	{"reload", module_reload, METH_O,
		"reload(name) -> Report\n\nRun a module again, changed or not, and what depends on "
		"it."},
	{"unload", module_unload, METH_O,
		"unload(name) -> Report\n\nTake a module and its children out of the program."},
	{"reload_all", module_reload_all, METH_NOARGS,
		"reload_all() -> Report\n\nRun all modules of the watched directories again."},
	{"source", module_source, METH_O,
		"source(name) -> str\n\nA module's source as it stands in its directory now."},
	{"run", (PyCFunction)(void (*)(void))module_run, METH_VARARGS | METH_KEYWORDS,
		"run(text, name='<string>') -> Report\n\nRun statements in a new namespace."},
	{"on_event", module_on_event, METH_O,
		"on_event(callback)\n\nCall callback(event) after each batch for each module. The "
		"body of a\n"
		"module that is reloaded may call it again: the callback stays the one it is."},
	{"holders", module_holders, METH_O,
		"holders(name) -> list\n\nWho still runs or holds an old version of a module."},
	{"watch", module_watch, METH_O,
		"watch(paths)\n\nKeep the modules of a directory, or several, up to date."},
	{NULL, NULL, 0, NULL},
};

/* There is one engine, for the one set of modules of the main interpreter. */
static int module_fill(PyObject *module)
{
	if (PyInterpreterState_Get() != PyInterpreterState_Main()) {
		PyErr_SetString(PyExc_ImportError, "pymodhost works in the main interpreter only");
		return -1;
	}
	if (strncmp(Py_GetVersion(), "3.11.", 5) != 0) {
		PyErr_Format(PyExc_ImportError, "pymodhost was built for Python 3.11, this is %.8s",
			Py_GetVersion());
		return -1;
	}
	if (engine_start() < 0 ||
		PyModule_AddObjectRef(module, "Report", (PyObject *)&Report_Type) < 0 ||
		PyModule_AddObjectRef(module, "Error", (PyObject *)&Error_Type) < 0 ||
		PyModule_AddObjectRef(module, "Event", (PyObject *)&Event_Type) < 0)
		return -1;
	return PyModule_AddStringConstant(module, "__version__", PYMODFS_VERSION);
}

static PyModuleDef_Slot slots[] = {
	{Py_mod_exec, (void *)(uintptr_t)module_fill},
	{0, NULL},
};

static struct PyModuleDef definition = {
	PyModuleDef_HEAD_INIT,
	.m_name = "pymodhost",
	.m_doc = "Keeps the code of a running program up to date.",
	.m_methods = methods,
	.m_slots = slots,
};

PyObject *module_definition(void)
{
	return PyModuleDef_Init(&definition);
}

PyObject *module_create(PyObject *spec)
{
	PyObject *module = PyModule_FromDefAndSpec(&definition, spec);

	if (module && PyModule_ExecDef(module, &definition) < 0)
		Py_CLEAR(module);
	return module;
}
