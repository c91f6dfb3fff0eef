/* SPDX-License-Identifier: MIT */
/*
 * The host's life: an interpreter of its own, or the one that the application brought.
 *
 * One at a time, and one interpreter for ever: finalising and starting again leaks in CPython and
 * many extension modules refuse it. Between calls nobody holds the GIL for the host.
 */
#include "host.h"
#include "../module/module.h"

#include <errno.h>

static struct pymodhost *the_host;
static PyThreadState *own_thread; /* of the interpreter that we made */
static bool finalised;

const char *pymodhost_version(void)
{
	return PYMODFS_VERSION;
}

void host_enter(struct visit_python *visit)
{
	error_clear();
	visit->gil = PyGILState_Ensure();
	PyErr_Fetch(&visit->type, &visit->value, &visit->traceback);
}

void host_leave(struct visit_python *visit)
{
	PyErr_Clear();
	PyErr_Restore(visit->type, visit->value, visit->traceback);
	PyGILState_Release(visit->gil);
}

static PyStatus config_set_strings(PyConfig *to, const struct pymodhost_config *from)
{
	PyStatus status;

	/* Python would take the first python3 in PATH, which may be another one. */
	status = PyConfig_SetBytesString(
		to, &to->program_name, from->program ? from->program : PYMODHOST_PYTHON);
	if (!PyStatus_Exception(status) && from->bytecode_dir)
		status = PyConfig_SetBytesString(to, &to->pycache_prefix, from->bytecode_dir);
	return status;
}

/* Strings are UTF-8, whatever the locale says. */
static int set_argv(const struct pymodhost_config *config)
{
	PyObject *argv = PyList_New(0), *item;
	int result = argv ? 0 : -1;

	for (int i = 0; result == 0 && i < config->argc; i++) {
		const char *text = config->argv[i];

		item = PyUnicode_DecodeUTF8(text, (Py_ssize_t)strlen(text), "surrogateescape");
		result = item ? PyList_Append(argv, item) : -1;
		Py_XDECREF(item);
	}
	if (result == 0 && config->argc)
		result = PySys_SetObject("argv", argv);
	Py_XDECREF(argv);
	return result < 0 ? error_take_exception() : 0;
}

static PyStatus preinitialize(const struct pymodhost_config *config)
{
	PyPreConfig python;

	if (config->isolated) {
		PyPreConfig_InitIsolatedConfig(&python);
		python.utf8_mode = 1;
	} else {
		PyPreConfig_InitPythonConfig(&python);
	}
	return Py_PreInitialize(&python);
}

static int interpreter_start(const struct pymodhost_config *config)
{
	PyStatus status;
	PyConfig python;

	if (PyImport_AppendInittab("pymodhost", module_definition) < 0)
		return error_set(-ENOMEM, "out of memory");
	status = preinitialize(config);
	if (PyStatus_Exception(status))
		return error_set(-ENOEXEC, "Python can't start: %s", status.err_msg);
	if (config->isolated)
		PyConfig_InitIsolatedConfig(&python);
	else
		PyConfig_InitPythonConfig(&python);
	python.parse_argv = 0;
	python.safe_path = 1;
	python.install_signal_handlers = config->signals;
	status = config_set_strings(&python, config);
	if (!PyStatus_Exception(status))
		status = Py_InitializeFromConfig(&python);
	PyConfig_Clear(&python);
	if (PyStatus_Exception(status))
		return error_set(-ENOEXEC, "Python can't start: %s",
			status.err_msg ? status.err_msg : "it wanted to exit");
	return 0;
}

/* An application's interpreter may have no such built-in module: it gets one. */
static int module_ensure(void)
{
	PyObject *modules = PyImport_GetModuleDict(), *machinery, *spec = NULL, *module = NULL;
	int result;

	if (PyDict_GetItemString(modules, "pymodhost"))
		return engine ? 0 : error_set(-EALREADY, "another pymodhost is loaded already");
	machinery = PyImport_ImportModule("importlib.machinery");
	if (machinery)
		spec = PyObject_CallMethod(machinery, "ModuleSpec", "sO", "pymodhost", Py_None);
	if (spec)
		module = module_create(spec);
	result = module ? PyDict_SetItemString(modules, "pymodhost", module) : -1;
	Py_XDECREF(module);
	Py_XDECREF(spec);
	Py_XDECREF(machinery);
	return result < 0 ? error_take_exception() : 0;
}

static int watch_text(const char *dir)
{
	PyObject *path = PyUnicode_DecodeFSDefault(dir);
	int result = path ? engine_watch(path) : -1;
	int code = 0;

	if (result < 0 && PyErr_ExceptionMatches(PyExc_OSError)) {
		PyErr_Clear();
		code = error_set(-ENOENT, "%s: no such directory", dir);
	} else if (result < 0) {
		code = error_take_exception();
	}
	Py_XDECREF(path);
	return code;
}

static int watch_paths(const struct pymodhost_config *config)
{
	int code = 0;

	for (size_t i = config->path_count; code == 0 && i > 0; i--)
		code = watch_text(config->paths[i - 1]);
	return code;
}

static int check_possible(void)
{
	if (the_host)
		return error_set(-EALREADY, "this process has a host already");
	if (finalised)
		return error_set(-ENOTSUP, "the interpreter of this process was finalised");
	if (Py_IsInitialized() && strncmp(Py_GetVersion(), "3.11.", 5) != 0)
		return error_set(-ENOTSUP, "built for Python 3.11, this is %.8s", Py_GetVersion());
	return 0;
}

static int host_start(struct pymodhost *host, const struct pymodhost_config *config)
{
	struct visit_python visit;
	int code;

	if (!Py_IsInitialized()) {
		code = interpreter_start(config);
		if (code < 0)
			return code;
		own_thread = PyEval_SaveThread();
	}
	host_enter(&visit);
	code = module_ensure();
	if (code == 0)
		code = set_argv(config);
	if (code == 0)
		code = watch_paths(config);
	host_leave(&visit);
	return code;
}

int pymodhost_create(const struct pymodhost_config *config, struct pymodhost **ret_host)
{
	struct pymodhost_config *defaults = NULL;
	struct pymodhost *host;
	int code = check_possible();

	if (code < 0)
		return code;
	if (!config)
		config = defaults = pymodhost_config_create();
	host = calloc(1, sizeof(*host));
	code = host && config ? host_start(host, config) : error_set(-ENOMEM, "out of memory");
	pymodhost_config_destroy(defaults);
	if (code < 0) { /* an interpreter that came up stays: a second try joins it */
		free(host);
		return code;
	}
	*ret_host = the_host = host;
	return 0;
}

static void host_detach(void)
{
	struct visit_python visit;

	host_enter(&visit);
	PyDict_DelItemString(PyImport_GetModuleDict(), "pymodhost");
	PyErr_Clear();
	engine_stop();
	host_leave(&visit);
}

void pymodhost_destroy(struct pymodhost *host)
{
	if (!host)
		return;
	error_clear();
	async_stop();
	if (own_thread) {
		PyEval_RestoreThread(own_thread);
		engine->event_fn = NULL;
		finalised = true;
		Py_FinalizeEx();
	} else {
		host_detach();
	}
	the_host = NULL;
	free(host);
}

int pymodhost_watch(struct pymodhost *host, const char *dir)
{
	struct visit_python visit;
	int code;

	if (!host || !dir)
		return error_set(-EINVAL, "no directory given");
	host_enter(&visit);
	code = watch_text(dir);
	host_leave(&visit);
	return code;
}

static void event_pass(PyObject *event, void *data)
{
	struct pymodhost *host = data;
	struct pymodhost_event out;

	if (!host->event_fn || event_unpack(event, &out.module, &out.text, &out.version,
				       &out.seconds, (int *)&out.type) < 0) {
		PyErr_Clear();
		return;
	}
	host->event_fn(&out, host->event_data);
	PyErr_Clear();
}

int pymodhost_on_event(struct pymodhost *host, pymodhost_event_fn *fn, void *data)
{
	struct visit_python visit;

	if (!host)
		return error_set(-EINVAL, "no host");
	host_enter(&visit);
	host->event_fn = fn;
	host->event_data = data;
	engine->event_fn = fn ? event_pass : NULL;
	engine->event_data = host;
	host_leave(&visit);
	return 0;
}
