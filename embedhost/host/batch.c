/* SPDX-License-Identifier: MIT */
/* Safe points and the calls about one module: thin, the engine does the work. */
#include "host.h"

#include <errno.h>

int pymodhost_poll(struct pymodhost *host, struct pymodhost_report **ret_report)
{
	struct visit_python visit;
	int code;

	if (!host)
		return error_set(-EINVAL, "no host");
	host_enter(&visit);
	code = report_convert(engine_poll(), ret_report);
	host_leave(&visit);
	return code;
}

int pymodhost_reload_all(struct pymodhost *host, struct pymodhost_report **ret_report)
{
	struct visit_python visit;
	int code;

	if (!host)
		return error_set(-EINVAL, "no host");
	host_enter(&visit);
	code = report_convert(engine_reload_all(), ret_report);
	host_leave(&visit);
	return code;
}

static PyObject *name_object(const char *module)
{
	PyObject *name = PyUnicode_FromString(module);

	if (!name)
		PyErr_Clear();
	return name;
}

static int with_name(struct pymodhost *host, const char *module, PyObject *(*call)(PyObject *),
	struct pymodhost_report **ret_report)
{
	struct visit_python visit;
	PyObject *name;
	int code;

	if (!host || !module || !*module)
		return error_set(-EINVAL, "no module named");
	host_enter(&visit);
	name = name_object(module);
	code = name ? report_convert(call(name), ret_report)
		    : error_set(-EINVAL, "a module's name must be UTF-8");
	Py_XDECREF(name);
	host_leave(&visit);
	return code;
}

static bool is_in(PyObject *name, bool record_only)
{
	if (record_only)
		return record_find(name) != NULL;
	return PyDict_GetItemWithError(engine->modules, name) != NULL;
}

/* -ENOENT before anything is tried. */
static int check_loaded(const char *module, bool record_only)
{
	struct visit_python visit;
	PyObject *name;
	bool found;

	host_enter(&visit);
	name = name_object(module);
	found = name && is_in(name, record_only);
	Py_XDECREF(name);
	host_leave(&visit);
	if (found)
		return 0;
	return error_set(-ENOENT, "module '%s' is not loaded%s", module,
		record_only ? " from a watched directory" : "");
}

static int check_exists(const char *module)
{
	struct visit_python visit;
	PyObject *name;
	bool absent;

	host_enter(&visit);
	name = name_object(module);
	absent = name && !is_in(name, false) && engine_module_exists(name) == 0;
	Py_XDECREF(name);
	host_leave(&visit);
	return absent ? error_set(-ENOENT, "no module named '%s'", module) : 0;
}

int pymodhost_load(struct pymodhost *host, const char *module, struct pymodhost_report **ret_report)
{
	int code = host && module && *module ? check_exists(module) : 0;

	return code < 0 ? code : with_name(host, module, engine_load, ret_report);
}

int pymodhost_reload(
	struct pymodhost *host, const char *module, struct pymodhost_report **ret_report)
{
	int code = host && module ? check_loaded(module, true) : 0;

	return code < 0 ? code : with_name(host, module, engine_reload, ret_report);
}

int pymodhost_unload(
	struct pymodhost *host, const char *module, struct pymodhost_report **ret_report)
{
	int code = host && module ? check_loaded(module, false) : 0;

	return code < 0 ? code : with_name(host, module, engine_unload, ret_report);
}

static int text_copy(PyObject *text, char **ret_text)
{
	const char *utf8 = text && PyUnicode_Check(text) ? PyUnicode_AsUTF8(text) : NULL;
	char *copy;

	if (!utf8)
		return -1;
	copy = strdup(utf8);
	if (!copy)
		return error_set(-ENOMEM, "out of memory");
	*ret_text = copy;
	return 0;
}

int pymodhost_source(struct pymodhost *host, const char *module, char **ret_text)
{
	struct visit_python visit;
	PyObject *name, *text = NULL;
	int code = 0;

	if (!host || !module || !ret_text)
		return error_set(-EINVAL, "no module named");
	host_enter(&visit);
	name = name_object(module);
	if (name)
		text = engine_source(name);
	if (!text && PyErr_ExceptionMatches(PyExc_ImportError))
		code = error_set(-ENOENT, "no module '%s'", module);
	else if (!text)
		code = error_take_exception();
	else if (text_copy(text, ret_text) < 0)
		code = error_set(-ENOENT, "module '%s' has no source", module);
	Py_XDECREF(text);
	Py_XDECREF(name);
	host_leave(&visit);
	return code;
}

void pymodhost_free(void *memory)
{
	free(memory);
}
