/* SPDX-License-Identifier: MIT */
/*
 * The engine's life, and which directories it looks after.
 *
 * There is one engine because there is one interpreter. It starts with the module pymodhost (built
 * in or an extension), and ends with the host or the interpreter.
 */
#include "batch.h"
#include "../watch/watch.h"

#include <errno.h>
#include <limits.h>

struct engine *engine;

static void engine_free(struct engine *e)
{
	Py_CLEAR(e->roots);
	Py_CLEAR(e->modules);
	Py_CLEAR(e->observers);
	Py_CLEAR(e->wanted);
	Py_CLEAR(e->users);
	Py_CLEAR(e->late);
	Py_CLEAR(e->locals_mark);
	Py_CLEAR(e->empty);
	Py_CLEAR(e->gc_collect);
	Py_CLEAR(e->deque);
	Py_CLEAR(e->aliases);
	Py_CLEAR(e->abc_forget);
	watch_destroy(e->watch);
	if (e->lock)
		PyThread_free_lock(e->lock);
	free(e);
}

static PyObject *attribute_of(const char *module_name, const char *name)
{
	PyObject *module = PyImport_ImportModule(module_name), *value = NULL;

	if (module)
		value = PyObject_GetAttrString(module, name);
	Py_XDECREF(module);
	return value;
}

static int engine_fill(struct engine *e)
{
	e->roots = PyList_New(0);
	e->modules = Py_XNewRef(PyImport_GetModuleDict());
	e->observers = PyList_New(0);
	e->wanted = PySet_New(NULL);
	e->users = PyDict_New();
	e->late = PySet_New(NULL);
	e->locals_mark = PyUnicode_InternFromString("<locals>");
	e->empty = PyUnicode_FromString("");
	e->aliases = PyList_New(0);
	e->deque = (PyTypeObject *)attribute_of("_collections", "deque");
	e->deque_set = e->deque ? e->deque->tp_as_sequence->sq_ass_item : NULL;
	e->gc_collect = attribute_of("gc", "collect");
	e->abc_forget = attribute_of("_abc", "_reset_caches");
	e->lock = PyThread_allocate_lock();
	if (e->roots && e->modules && e->observers && e->users && e->wanted && e->late &&
		e->locals_mark && e->empty && e->aliases && e->deque && e->gc_collect &&
		e->abc_forget && e->lock)
		return 0;
	if (!PyErr_Occurred())
		PyErr_NoMemory();
	return -1;
}

static int engine_start_watch(struct engine *e)
{
	int err = watch_create(&e->watch);

	if (err == 0)
		return 0;
	errno = -err;
	PyErr_SetFromErrno(PyExc_OSError);
	return -1;
}

/* What can't be watched is looked at each time: nothing to report. A link changes elsewhere. */
void engine_watch_file(const char *path)
{
	char dir[PATH_MAX], *slash;
	struct stat st;

	if (snprintf(dir, sizeof(dir), "%s", path) >= (int)sizeof(dir))
		return;
	slash = strrchr(dir, '/');
	if (slash && slash != dir)
		*slash = '\0';
	watch_add_dir(engine->watch, dir);
	if (lstat(path, &st) == 0 && S_ISLNK(st.st_mode))
		watch_set_sweep(engine->watch);
}

static int scratch_type_ready(void)
{
	Scratch_Type.tp_base = &PyModule_Type;
	return PyType_Ready(&Scratch_Type) < 0 ? -1 : PyType_Ready(&Bar_Type);
}

/* What a batch needs is there before the first one: it adds nothing to sys.modules by itself. */
static int import_needed(void)
{
	static const char *const names[] = {"_abc", "ast", "gc", "os.path", "traceback"};

	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		PyObject *module = PyImport_ImportModule(names[i]);

		if (!module)
			return -1;
		Py_DECREF(module);
	}
	return 0;
}

int engine_start(void)
{
	struct engine *e;

	if (engine)
		return 0;
	e = calloc(1, sizeof(*e));
	if (!e) {
		PyErr_NoMemory();
		return -1;
	}
	e->layout = 1;
	engine = e;
	if (import_needed() < 0 || engine_fill(e) < 0 || engine_start_watch(e) < 0 ||
		report_types_ready() < 0 || lines_start() < 0 || scratch_type_ready() < 0 ||
		fork_start() < 0 || finder_start(e) < 0 || track_start(e) < 0) {
		engine = NULL;
		engine_free(e);
		return -1;
	}
	return 0;
}

/* The hook in builtins may still be called by code that holds it: what it needs stays. */
void engine_stop(void)
{
	struct record *record, *next;

	if (!engine)
		return;
	earlier_stop();
	finder_stop(engine);
	lines_stop();
	track_stop(engine);
	HASH_ITER (hh, engine->records, record, next)
		record_forget(record);
	engine_free(engine);
	engine = NULL;
}

static bool is_below(const char *path, const char *root)
{
	size_t length = strlen(root);

	return strncmp(path, root, length) == 0 && (path[length] == '/' || path[length] == '\0');
}

bool engine_path_is_watched(const char *path)
{
	for (Py_ssize_t i = 0; i < PyList_GET_SIZE(engine->roots); i++) {
		const char *root = PyUnicode_AsUTF8(PyList_GET_ITEM(engine->roots, i));

		if (root && is_below(path, root))
			return true;
	}
	PyErr_Clear();
	return false;
}

static PyObject *call_os_path(const char *function, PyObject *argument)
{
	PyObject *module = PyImport_ImportModule("os.path"), *result = NULL;

	if (module)
		result = PyObject_CallMethod(module, function, "O", argument);
	Py_XDECREF(module);
	return result;
}

static int check_directory(PyObject *path)
{
	PyObject *bytes = NULL;
	struct stat st;
	int err = 0;

	if (!PyUnicode_FSConverter(path, &bytes))
		return -1;
	if (stat(PyBytes_AS_STRING(bytes), &st) < 0)
		err = errno;
	else if (!S_ISDIR(st.st_mode))
		err = ENOTDIR;
	Py_DECREF(bytes);
	if (!err)
		return 0;
	errno = err;
	PyErr_SetFromErrnoWithFilenameObject(PyExc_OSError, path);
	return -1;
}

static int list_add_once(PyObject *list, PyObject *item, bool first)
{
	int known = PySequence_Contains(list, item);

	if (known != 0)
		return known < 0 ? -1 : 0;
	return first ? PyList_Insert(list, 0, item) : PyList_Append(list, item);
}

/* A module that was imported before its directory was watched: what its body used is what its
 * source says, and what runs is taken to be what stands in the file. */
static int adopt_module(PyObject *name, PyObject *module)
{
	/* Not by the attribute: that would load what importlib.util.LazyLoader has put off. */
	PyObject *spec = Py_XNewRef(PyDict_GetItemString(PyModule_GetDict(module), "__spec__"));
	PyObject *origin = NULL, *loader;
	const char *path = NULL;
	int result = 0;

	if (spec && spec != Py_None)
		origin = PyObject_GetAttrString(spec, "origin");
	if (origin && PyUnicode_Check(origin))
		path = PyUnicode_AsUTF8(origin);
	PyErr_Clear();
	if (path && engine_path_is_watched(path) && strlen(path) > 3 &&
		strcmp(path + strlen(path) - 3, ".py") == 0 && !record_find(name)) {
		loader = PyObject_CallFunctionObjArgs(engine->loader_type, name, origin, NULL);
		result = loader ? PyObject_SetAttrString(spec, "loader", loader) : -1;
		if (result == 0)
			result = PyObject_SetAttrString(module, "__loader__", loader);
		if (result == 0)
			result = load_adopt(module, name, path);
		Py_XDECREF(loader);
	}
	Py_XDECREF(origin);
	Py_XDECREF(spec);
	return result;
}

static int adopt_modules(void)
{
	PyObject *names = PyDict_Keys(engine->modules);
	int result = names ? 0 : -1;

	for (Py_ssize_t i = 0; result == 0 && i < PyList_GET_SIZE(names); i++) {
		PyObject *name = PyList_GET_ITEM(names, i), *module;

		module = PyDict_GetItemWithError(engine->modules, name);
		if (module && PyModule_Check(module) && PyUnicode_Check(name) &&
			PyUnicode_CompareWithASCIIString(name, "__main__") != 0)
			result = adopt_module(name, module);
	}
	Py_XDECREF(names);
	return result;
}

static int watch_root(PyObject *path)
{
	PyObject *bytes = NULL;
	int err;

	if (!PyUnicode_FSConverter(path, &bytes))
		return -1;
	err = watch_add_root(engine->watch, PyBytes_AS_STRING(bytes));
	Py_DECREF(bytes);
	if (err == 0)
		return 0;
	errno = -err;
	PyErr_SetFromErrnoWithFilenameObject(PyExc_OSError, path);
	return -1;
}

int engine_watch(PyObject *dir)
{
	PyObject *given = PyOS_FSPath(dir), *path = NULL, *real = NULL;
	PyObject *sys_path = PySys_GetObject("path");
	int result = -1;

	if (given && PyBytes_Check(given))
		Py_SETREF(given, PyUnicode_DecodeFSDefault(PyBytes_AS_STRING(given)));
	path = given ? call_os_path("abspath", given) : NULL;
	real = path ? call_os_path("realpath", path) : NULL;
	if (real && check_directory(path) == 0 && list_add_once(engine->roots, path, false) == 0 &&
		list_add_once(engine->roots, real, false) == 0 && sys_path &&
		PyList_Check(sys_path) && list_add_once(sys_path, path, true) == 0)
		result = watch_root(path) < 0 ? -1 : adopt_modules();
	Py_XDECREF(given);
	Py_XDECREF(path);
	Py_XDECREF(real);
	return result;
}
