/* SPDX-License-Identifier: MIT */
/*
 * How modules of watched directories are found and loaded for the first time.
 *
 * The finder stands on sys.meta_path before the stock one that goes by sys.path, and answers for
 * watched directories only, in the order of the path, by asking the file system each time: the
 * stock one remembers a directory's listing by its mtime, so that a module made within a tick of
 * the clock after a failed import stays unfindable, and one that was missing at the first look
 * stays missing. The loader is the stock source loader but for reading bytes instead of bytecode
 * and for telling the engine what it ran.
 */
#include "batch.h"

#include <limits.h>
#include <unistd.h>

static PyObject *external; /* importlib._bootstrap_external */

static bool file_exists(const char *path, mode_t kind)
{
	struct stat st;

	return stat(path, &st) == 0 && (st.st_mode & S_IFMT) == kind;
}

enum look { LOOK_NOTHING, LOOK_FOUND, LOOK_DIRECTORY, LOOK_EXTENSION, LOOK_ERROR };

static bool extension_exists(const char *stem)
{
	static const char *const suffixes[] = {
		".cpython-311-" PYMODHOST_MULTIARCH ".so", ".abi3.so", ".so"};
	char path[PATH_MAX];

	for (size_t i = 0; i < sizeof(suffixes) / sizeof(*suffixes); i++)
		if (snprintf(path, sizeof(path), "%s%s", stem, suffixes[i]) < (int)sizeof(path) &&
			file_exists(path, S_IFREG))
			return true;
	return false;
}

/* known: the file that the name leads to, so that nobody need look whether it is there, or NULL. */
struct search {
	PyObject *name;
	const char *tail, *known;
};

static enum look found(
	const struct search *search, const char *path, const char *package_dir, PyObject **ret_spec)
{
	*ret_spec = spec_create(search->name, path, package_dir);
	return *ret_spec ? LOOK_FOUND : LOOK_ERROR;
}

static bool leads_to(const char *path, const struct search *search)
{
	return search->known && strcmp(path, search->known) == 0;
}

/* One watched directory of the path. */
static enum look look_in(const struct search *search, const char *dir, PyObject **ret_spec)
{
	char stem[PATH_MAX], module[PATH_MAX + 16], package[PATH_MAX + 16];
	bool is_dir;

	if (snprintf(stem, sizeof(stem), "%s/%s", dir, search->tail) >= (int)sizeof(stem))
		return LOOK_NOTHING;
	snprintf(module, sizeof(module), "%s.py", stem);
	if (leads_to(module, search))
		return found(search, module, NULL, ret_spec);
	snprintf(package, sizeof(package), "%s/__init__.py", stem);
	if (leads_to(package, search))
		return found(search, package, stem, ret_spec);
	is_dir = file_exists(stem, S_IFDIR);
	if (is_dir && file_exists(package, S_IFREG))
		return found(search, package, stem, ret_spec);
	if (extension_exists(stem))
		return LOOK_EXTENSION;
	if (file_exists(module, S_IFREG))
		return found(search, module, NULL, ret_spec);
	return is_dir ? LOOK_DIRECTORY : LOOK_NOTHING;
}

static PyObject *path_finder_find(PyObject *name, PyObject *path)
{
	PyObject *finder = PyObject_GetAttrString(external, "PathFinder");
	PyObject *spec = NULL;

	if (finder)
		spec = PyObject_CallMethod(finder, "find_spec", "OO", name, path);
	Py_XDECREF(finder);
	return spec;
}

static enum look look_elsewhere(PyObject *name, PyObject *entry, PyObject **ret_spec)
{
	PyObject *path = PyList_New(0), *spec = NULL, *loader = NULL;
	enum look look = LOOK_ERROR;

	if (path && PyList_Append(path, entry) == 0)
		spec = path_finder_find(name, path);
	if (spec == Py_None)
		look = LOOK_NOTHING;
	else if (spec)
		loader = PyObject_GetAttrString(spec, "loader");
	if (loader)
		look = loader == Py_None ? LOOK_DIRECTORY : LOOK_FOUND;
	if (look == LOOK_FOUND)
		*ret_spec = Py_NewRef(spec);
	Py_XDECREF(path);
	Py_XDECREF(spec);
	Py_XDECREF(loader);
	return look;
}

/* The stock finder is about to look into this directory: it must not go by what it remembers. */
static int importer_forget(PyObject *entry)
{
	PyObject *cache = PySys_GetObject("path_importer_cache"), *finder, *result;

	finder = cache && PyDict_Check(cache) ? PyDict_GetItemWithError(cache, entry) : NULL;
	if (!finder)
		return PyErr_Occurred() ? -1 : 0;
	if (finder == Py_None)
		return PyDict_DelItem(cache, entry);
	result = PyObject_CallMethod(finder, "invalidate_caches", NULL);
	if (!result)
		return -1;
	Py_DECREF(result);
	return 0;
}

static bool entry_is_watched(PyObject *entry, const char **ret_dir)
{
	*ret_dir = PyUnicode_Check(entry) ? PyUnicode_AsUTF8(entry) : NULL;
	if (!*ret_dir)
		PyErr_Clear();
	return *ret_dir && **ret_dir == '/' && engine_path_is_watched(*ret_dir);
}

static enum look look_along(PyObject *name, PyObject *path, const char *known, PyObject **ret_spec)
{
	const char *text = PyUnicode_AsUTF8(name), *dir;
	struct search search = {name, text, known};
	enum look look = LOOK_NOTHING, best = LOOK_NOTHING;

	if (!text)
		return LOOK_ERROR;
	if (strrchr(text, '.'))
		search.tail = strrchr(text, '.') + 1;
	for (Py_ssize_t i = 0; i < PyList_GET_SIZE(path); i++) {
		PyObject *entry = PyList_GET_ITEM(path, i);
		bool watched = entry_is_watched(entry, &dir);

		look = watched ? look_in(&search, dir, ret_spec)
			       : look_elsewhere(name, entry, ret_spec);
		if (look == LOOK_FOUND || look == LOOK_ERROR)
			return look;
		if (look != LOOK_NOTHING)
			best = look;
		if (look != LOOK_NOTHING && watched && importer_forget(entry) < 0)
			return LOOK_ERROR;
		if (look == LOOK_EXTENSION)
			break;
	}
	return best;
}

static PyObject *path_as_list(PyObject *path)
{
	PyObject *list;

	if (!path || path == Py_None)
		path = PySys_GetObject("path");
	list = path ? PySequence_List(path) : NULL;
	if (!list && !PyErr_Occurred())
		PyErr_SetString(PyExc_RuntimeError, "sys.path is lost");
	return list;
}

static PyObject *find_spec(PyObject *name, PyObject *path, const char *known)
{
	PyObject *spec = NULL, *list = path_as_list(path);
	enum look look;

	if (!list)
		return NULL;
	look = look_along(name, list, known, &spec);
	if (look == LOOK_DIRECTORY || look == LOOK_EXTENSION)
		spec = path_finder_find(name, list);
	Py_DECREF(list);
	if (look == LOOK_NOTHING)
		return Py_NewRef(Py_None);
	return spec;
}

static PyObject *finder_find_spec(PyObject *self, PyObject *args, PyObject *keywords)
{
	static char *names[] = {"fullname", "path", "target", NULL};
	PyObject *name, *path = Py_None, *target = Py_None;

	if (!PyArg_ParseTupleAndKeywords(args, keywords, "U|OO", names, &name, &path, &target))
		return NULL;
	if (!engine)
		Py_RETURN_NONE;
	return find_spec(name, path, NULL);
}

static PyMethodDef finder_methods[] = {
	{"find_spec", (PyCFunction)(void (*)(void))finder_find_spec, METH_VARARGS | METH_KEYWORDS,
		"Find a module in a watched directory."},
	{NULL, NULL, 0, NULL},
};

static PyTypeObject Finder_Type = {
	PyVarObject_HEAD_INIT(NULL, 0).tp_name = "pymodhost.Finder",
	.tp_doc = "Finds the modules of watched directories.",
	.tp_basicsize = sizeof(PyObject),
	.tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION,
	.tp_methods = finder_methods,
};

/* The __path__ that a package would have. */
static PyObject *unloaded_path(PyObject *name)
{
	PyObject *spec = finder_find(name), *path = NULL;

	if (spec && spec != Py_None)
		path = PyObject_GetAttrString(spec, "submodule_search_locations");
	if (path == Py_None)
		Py_CLEAR(path);
	if (!path && !PyErr_Occurred())
		PyErr_SetObject(PyExc_KeyError, name);
	Py_XDECREF(spec);
	return path;
}

static PyObject *parent_path(PyObject *name)
{
	Py_ssize_t dot = PyUnicode_FindChar(name, '.', 0, PyUnicode_GET_LENGTH(name), -1);
	PyObject *parent, *module, *path = NULL;

	if (dot < 0)
		return Py_NewRef(Py_None);
	parent = PyUnicode_Substring(name, 0, dot);
	module = parent ? PyDict_GetItemWithError(engine->modules, parent) : NULL;
	if (module)
		path = PyObject_GetAttrString(module, "__path__");
	else if (parent && !PyErr_Occurred())
		path = unloaded_path(parent);
	Py_XDECREF(parent);
	return path;
}

/* Where a loaded module's name leads now. Py_None: nowhere. */
PyObject *finder_find(PyObject *name)
{
	return finder_find_known(name, NULL);
}

/* Likewise, where nothing came or went since it led to this file. */
PyObject *finder_find_known(PyObject *name, const char *known)
{
	PyObject *path = parent_path(name), *spec;

	if (!path) { /* no parent, no module */
		PyErr_Clear();
		return Py_NewRef(Py_None);
	}
	spec = find_spec(name, path, known);
	Py_DECREF(path);
	return spec;
}

static char *loader_path(PyObject *self)
{
	PyObject *path = PyObject_GetAttrString(self, "path"), *bytes = NULL;
	char *copy = NULL;

	if (path && PyUnicode_FSConverter(path, &bytes)) {
		copy = strdup(PyBytes_AS_STRING(bytes));
		if (!copy)
			PyErr_NoMemory();
	}
	Py_XDECREF(bytes);
	Py_XDECREF(path);
	return copy;
}

static PyObject *loader_get_code(PyObject *self, PyObject *name)
{
	char *path = loader_path(self);
	struct source source = {0};
	PyObject *code = NULL;

	if (path && source_read(path, &source) == 0)
		code = source_compile(source.bytes, path);
	Py_XDECREF(source.bytes);
	free(path);
	return code;
}

static PyObject *loader_exec_module(PyObject *self, PyObject *module)
{
	char *path = loader_path(self);
	int result = -1;

	if (path)
		result = load_module(module, path);
	free(path);
	if (result < 0)
		return NULL;
	Py_RETURN_NONE;
}

static PyMethodDef loader_methods[] = {
	{"get_code", loader_get_code, METH_O, "Compile the file's bytes."},
	{"exec_module", loader_exec_module, METH_O, "Run a module's body."},
	{NULL, NULL, 0, NULL},
};

static int loader_add_methods(PyObject *type)
{
	for (PyMethodDef *method = loader_methods; method->ml_name; method++) {
		PyObject *descriptor = PyDescr_NewMethod((PyTypeObject *)type, method);
		int result =
			descriptor ? PyObject_SetAttrString(type, method->ml_name, descriptor) : -1;

		Py_XDECREF(descriptor);
		if (result < 0)
			return -1;
	}
	return 0;
}

static PyObject *loader_type_create(void)
{
	PyObject *base = PyObject_GetAttrString(external, "SourceFileLoader"), *type = NULL;

	if (base)
		type = PyObject_CallFunction((PyObject *)&PyType_Type, "s(O){ssss}", "SourceLoader",
			base, "__module__", "pymodhost", "__doc__",
			"Loads a module of a watched directory from its bytes.");
	Py_XDECREF(base);
	if (type && loader_add_methods(type) < 0)
		Py_CLEAR(type);
	return type;
}

/* Before the one that it stands in for, so that what goes before files goes before ours. */
static int insert_finder(PyObject *meta_path, PyObject *finder)
{
	PyObject *path_finder = PyObject_GetAttrString(external, "PathFinder");
	Py_ssize_t at = path_finder ? PySequence_Index(meta_path, path_finder) : -1;

	Py_XDECREF(path_finder);
	if (at >= 0)
		return PyList_Insert(meta_path, at, finder);
	PyErr_Clear();
	return PyList_Append(meta_path, finder);
}

int finder_start(struct engine *e)
{
	PyObject *meta_path = PySys_GetObject("meta_path");

	external = PyImport_ImportModule("_frozen_importlib_external");
	if (!external || !meta_path || !PyList_Check(meta_path) || PyType_Ready(&Finder_Type) < 0)
		return -1;
	if (spec_start() < 0)
		return -1;
	e->loader_type = loader_type_create();
	e->finder = (PyObject *)PyObject_New(PyObject, &Finder_Type);
	if (!e->loader_type || !e->finder)
		return -1;
	return insert_finder(meta_path, e->finder);
}

void finder_stop(struct engine *e)
{
	PyObject *meta_path = PySys_GetObject("meta_path");
	Py_ssize_t at = -1;

	if (meta_path && e->finder)
		at = PySequence_Index(meta_path, e->finder);
	if (at >= 0)
		PySequence_DelItem(meta_path, at);
	PyErr_Clear();
	Py_CLEAR(e->finder);
	Py_CLEAR(e->loader_type);
	Py_CLEAR(external);
	spec_stop();
}
