/* SPDX-License-Identifier: MIT */
/*
 * What a module's body uses while it runs.
 *
 * builtins.__import__ is wrapped: each import that happens while a body runs on a thread is an
 * event of that body, whether its own statement or a function that it calls asked for it. Together
 * with what the bytecode says (a plain `import a` that only functions look at is no use by the
 * body) that gives the set of modules after which the body must run again.
 *
 * The stack of running bodies is a thread's own; the rest is protected by the GIL. It is no part of the C stack, and a body may
 * end before one that began after it: greenlets move pieces of the C stack away and back, each with what runs in it.
 */
#include "batch.h"

struct body {
	PyObject *globals;
	PyObject *events;
	struct body *outer;
};

static _Thread_local struct body *innermost;

/* What builtins.__import__ was. It outlives the engine, for whoever still holds the hook. */
static PyObject *import_before, *gcd_import_before;

/* The part of a package's name that `level` dots lead to; borrowed text or a new string. */
static PyObject *relative_base(PyObject *globals, long level)
{
	PyObject *package = PyDict_GetItemString(globals, "__package__");
	Py_ssize_t end;

	if (!package || !PyUnicode_Check(package))
		return NULL;
	end = PyUnicode_GET_LENGTH(package);
	for (; level > 1 && end > 0; level--)
		end = PyUnicode_FindChar(package, '.', 0, end, -1);
	return end > 0 ? PyUnicode_Substring(package, 0, end) : NULL;
}

/* NULL without an exception: it can't be resolved, and the import itself will say so. */
PyObject *track_absolute(PyObject *name, PyObject *globals, long level)
{
	PyObject *base, *result;

	if (level <= 0)
		return Py_NewRef(name);
	base = globals && PyDict_Check(globals) ? relative_base(globals, level) : NULL;
	if (!base || PyUnicode_GET_LENGTH(name) == 0)
		return base;
	result = PyUnicode_FromFormat("%U.%U", base, name);
	Py_DECREF(base);
	return result;
}

static int note_import(PyObject *const *args, Py_ssize_t count)
{
	PyObject *globals = count > 1 ? args[1] : NULL, *locals = count > 2 ? args[2] : Py_None;
	PyObject *fromlist = count > 3 ? args[3] : Py_None, *name, *event;
	long level = count > 4 ? PyLong_AsLong(args[4]) : 0;
	int result;

	if (count < 1 || !PyUnicode_Check(args[0]) || PyErr_Occurred()) {
		PyErr_Clear();
		return 0;
	}
	name = track_absolute(args[0], globals, level);
	if (!name)
		return PyErr_Occurred() ? -1 : 0;
	if (fromlist != Py_None && PyObject_Size(fromlist) == 0)
		fromlist = Py_None;
	event = Py_BuildValue("(NOO)", name, fromlist,
		globals == innermost->globals && locals != Py_None ? Py_True : Py_False);
	result = event ? PyList_Append(innermost->events, event) : -1;
	Py_XDECREF(event);
	return result;
}

static PyObject *import_hook(
	PyObject *self, PyObject *const *args, Py_ssize_t count, PyObject *keywords)
{
	if (innermost && note_import(args, count) < 0)
		return NULL;
	return PyObject_Vectorcall(import_before, args, (size_t)count, keywords);
}

/* importlib.import_module() does not go through builtins.__import__, but calls this. */
static PyObject *gcd_import_hook(
	PyObject *self, PyObject *const *args, Py_ssize_t count, PyObject *keywords)
{
	PyObject *module = PyObject_Vectorcall(gcd_import_before, args, (size_t)count, keywords);
	PyObject *name = NULL, *event = NULL;
	int result = 0;

	if (!innermost || count < 1 || !PyUnicode_Check(args[0]))
		return module;
	if (!module)
		return NULL; /* the module that is missing is in the exception */
	name = PyObject_GetAttrString(module, "__name__");
	if (name && PyUnicode_Check(name))
		event = Py_BuildValue("(OOO)", name, Py_None, Py_False);
	if (event)
		result = PyList_Append(innermost->events, event);
	Py_XDECREF(event);
	Py_XDECREF(name);
	if (result < 0)
		Py_CLEAR(module);
	else if (module)
		PyErr_Clear();
	return module;
}

static PyMethodDef gcd_import_method = {"_gcd_import", (PyCFunction)(void (*)(void))gcd_import_hook,
	METH_FASTCALL | METH_KEYWORDS, "Import a module by its absolute name."};

static PyMethodDef import_method = {"__import__", (PyCFunction)(void (*)(void))import_hook,
	METH_FASTCALL | METH_KEYWORDS, "Import a module."};

static int gcd_import_start(void)
{
	PyObject *bootstrap = PyImport_ImportModule("_frozen_importlib"), *hook = NULL;
	int result = -1;

	if (bootstrap)
		record_set(&gcd_import_before, PyObject_GetAttrString(bootstrap, "_gcd_import"));
	if (gcd_import_before)
		hook = PyCFunction_New(&gcd_import_method, NULL);
	if (hook)
		result = PyObject_SetAttrString(bootstrap, "_gcd_import", hook);
	Py_XDECREF(hook);
	Py_XDECREF(bootstrap);
	return result;
}

static void gcd_import_stop(void)
{
	PyObject *bootstrap = PyImport_ImportModule("_frozen_importlib");

	if (bootstrap && gcd_import_before)
		PyObject_SetAttrString(bootstrap, "_gcd_import", gcd_import_before);
	Py_XDECREF(bootstrap);
	PyErr_Clear();
}

int track_start(struct engine *e)
{
	e->builtins = Py_XNewRef(PyEval_GetBuiltins());
	record_set(&import_before, NULL);
	import_before = Py_XNewRef(PyDict_GetItemString(e->builtins, "__import__"));
	e->import_hook = PyCFunction_New(&import_method, NULL);
	if (!import_before || !e->import_hook) {
		PyErr_SetString(PyExc_RuntimeError, "builtins.__import__ is missing");
		return -1;
	}
	if (PyDict_SetItemString(e->builtins, "__import__", e->import_hook) < 0)
		return -1;
	return gcd_import_start();
}

/* If somebody wrapped our hook since, it stays and passes on what it is given. */
void track_stop(struct engine *e)
{
	if (e->builtins && PyDict_GetItemString(e->builtins, "__import__") == e->import_hook)
		PyDict_SetItemString(e->builtins, "__import__", import_before);
	PyErr_Clear();
	gcd_import_stop();
	Py_CLEAR(e->builtins);
	Py_CLEAR(e->import_hook);
}

struct body *track_begin(PyObject *globals)
{
	struct body *body = calloc(1, sizeof(*body));

	if (body)
		body->events = PyList_New(0);
	else
		PyErr_NoMemory();
	if (!body || !body->events) {
		free(body);
		return NULL;
	}
	body->globals = globals;
	body->outer = innermost;
	innermost = body;
	return body;
}

PyObject *track_end(struct body *body)
{
	PyObject *events = body->events;
	struct body **link = &innermost;

	while (*link != body)
		link = &(*link)->outer;
	*link = body->outer;
	free(body);
	return events;
}

PyObject *track_running(void)
{
	return innermost ? innermost->globals : NULL;
}

/* Events that were read from code, (name, fromlist, in body, level), get absolute names. */
int track_resolve(PyObject *events, PyObject *globals)
{
	for (Py_ssize_t i = 0; i < PyList_GET_SIZE(events); i++) {
		PyObject *event = PyList_GET_ITEM(events, i), *name, *resolved;

		name = track_absolute(PyTuple_GET_ITEM(event, 0), globals,
			PyLong_AsLong(PyTuple_GET_ITEM(event, 3)));
		if (!name)
			name = Py_NewRef(PyTuple_GET_ITEM(event, 0));
		resolved = PyTuple_Pack(3, name, PyTuple_GET_ITEM(event, 1), Py_True);
		Py_DECREF(name);
		if (!resolved)
			return -1;
		PyList_SetItem(events, i, resolved);
	}
	return PyErr_Occurred() ? -1 : 0;
}

static bool module_is_known(PyObject *name)
{
	return PyDict_GetItemWithError(engine->modules, name) ||
	       (engine->batch && PyDict_GetItemWithError(engine->batch->added, name));
}

static PyObject *dotted(PyObject *name, PyObject *part)
{
	return PyUnicode_FromFormat("%U.%U", name, part);
}

struct uses {
	PyObject *found;    /* set */
	PyObject *bindings; /* dict: name in the body -> module that it stands for */
	PyObject *globals;
	struct analysis analysis;
};

/* `import a.b`: binds a; `import a.b as c`: binds c to a.b. */
static int bind_plain(struct uses *uses, PyObject *name)
{
	PyObject *import, *bound, *as_name, *full;
	int result = 0;

	for (Py_ssize_t i = 0; result == 0 && i < PyList_GET_SIZE(uses->analysis.imports); i++) {
		import = PyList_GET_ITEM(uses->analysis.imports, i);
		if (PyTuple_GET_ITEM(import, 2) != Py_None)
			continue;
		full = track_absolute(PyTuple_GET_ITEM(import, 1), uses->globals,
			PyLong_AsLong(PyTuple_GET_ITEM(import, 0)));
		bound = PyTuple_GET_ITEM(import, 3);
		if (full && PyUnicode_Compare(full, name) == 0 && PyTuple_GET_SIZE(bound) == 2) {
			as_name = PyTuple_GET_ITEM(bound, 1);
			result = PyDict_SetItem(uses->bindings, PyTuple_GET_ITEM(bound, 0),
				as_name == Py_None ? full : as_name);
		}
		Py_XDECREF(full);
	}
	return result;
}

/* `from a import b` where a.b is a module: whatever name it got in the body. */
static int bind_item(struct uses *uses, PyObject *module, PyObject *item)
{
	PyObject *import, *bound, *pair;
	int result = 0;

	for (Py_ssize_t i = 0; i < PyList_GET_SIZE(uses->analysis.imports); i++) {
		import = PyList_GET_ITEM(uses->analysis.imports, i);
		bound = PyTuple_GET_ITEM(import, 3);
		if (PyTuple_GET_ITEM(import, 2) == Py_None)
			continue;
		for (Py_ssize_t k = 0; result == 0 && k < PyTuple_GET_SIZE(bound); k++) {
			pair = PyTuple_GET_ITEM(bound, k);
			if (PyUnicode_Compare(PyTuple_GET_ITEM(pair, 0), item) == 0)
				result = PyDict_SetItem(
					uses->bindings, PyTuple_GET_ITEM(pair, 1), module);
		}
	}
	return result;
}

static int use_item(struct uses *uses, PyObject *name, PyObject *item, bool in_body)
{
	PyObject *module;
	int result;

	if (!PyUnicode_Check(item))
		return 0;
	module = dotted(name, item);
	if (!module)
		return -1;
	if (!module_is_known(module))
		result = PySet_Add(uses->found, name);
	else if (in_body)
		result = bind_item(uses, module, item);
	else
		result = PySet_Add(uses->found, module);
	Py_DECREF(module);
	return result;
}

static int use_event(struct uses *uses, PyObject *event)
{
	PyObject *name = PyTuple_GET_ITEM(event, 0), *fromlist = PyTuple_GET_ITEM(event, 1);
	bool in_body = PyTuple_GET_ITEM(event, 2) == Py_True;
	PyObject *items;
	int result = 0;

	if (!module_is_known(name))
		return PySet_Add(uses->found, name);
	if (fromlist == Py_None)
		return in_body ? bind_plain(uses, name) : PySet_Add(uses->found, name);
	items = PySequence_Fast(fromlist, "fromlist");
	if (!items)
		return -1;
	for (Py_ssize_t i = 0; result == 0 && i < PySequence_Fast_GET_SIZE(items); i++)
		result = use_item(uses, name, PySequence_Fast_GET_ITEM(items, i), in_body);
	Py_DECREF(items);
	return result;
}

/* a.b.V reads from a.b if that is a module, else from a. */
static int use_chain(struct uses *uses, PyObject *chain)
{
	PyObject *module = PyDict_GetItemWithError(uses->bindings, PyTuple_GET_ITEM(chain, 0));
	int result;

	if (!module)
		return PyErr_Occurred() ? -1 : 0;
	Py_INCREF(module);
	for (Py_ssize_t i = 1; i < PyTuple_GET_SIZE(chain); i++) {
		PyObject *deeper = dotted(module, PyTuple_GET_ITEM(chain, i));

		if (!deeper || !module_is_known(deeper)) {
			Py_XDECREF(deeper);
			break;
		}
		Py_SETREF(module, deeper);
	}
	result = PyErr_Occurred() ? -1 : PySet_Add(uses->found, module);
	Py_DECREF(module);
	return result;
}

static int use_all(struct uses *uses, PyObject *events)
{
	PyObject *iterator, *chain;
	int result = 0;

	for (Py_ssize_t i = 0; result == 0 && i < PyList_GET_SIZE(events); i++)
		result = use_event(uses, PyList_GET_ITEM(events, i));
	iterator = result == 0 ? PyObject_GetIter(uses->analysis.chains) : NULL;
	if (!iterator)
		return -1;
	while (result == 0 && (chain = PyIter_Next(iterator))) {
		result = use_chain(uses, chain);
		Py_DECREF(chain);
	}
	Py_DECREF(iterator);
	return PyErr_Occurred() ? -1 : result;
}

PyObject *track_uses(PyObject *events, PyObject *code, PyObject *globals)
{
	struct uses uses = {.globals = globals};

	if (analyze_code(code, &uses.analysis) < 0)
		return NULL;
	uses.found = PySet_New(NULL);
	uses.bindings = PyDict_New();
	if (!uses.found || !uses.bindings || use_all(&uses, events) < 0)
		Py_CLEAR(uses.found);
	Py_XDECREF(uses.bindings);
	analysis_finish(&uses.analysis);
	return uses.found;
}
