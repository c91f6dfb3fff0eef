/* SPDX-License-Identifier: MIT */
/*
 * pymodhost: an embedded CPython whose code is kept up to date while the program runs.
 *
 * A program creates the host once, names the directories whose modules are to be kept up to date,
 * and calls pymodhost_poll() wherever it is safe for code to change: between two ticks, or when
 * pymodhost_fd() becomes readable. Everything that changed since the last call, and the modules
 * whose bodies used it, takes effect together or not at all.
 *
 * Errors. Functions that return int return 0 or a negative errno. Results go through parameters
 * named ret_*, which are left alone on failure. pymodhost_error() has the words, in the calling
 * thread, until its next call into this library. Codes that several functions share:
 *   -ENOEXEC  Python code raised (SystemExit and KeyboardInterrupt too); the text is the traceback
 *   -ENOENT   no such module, function, file or directory
 *   -EINVAL   a bad argument
 *   -ENOMEM   out of memory
 * No function exits the process, prints, or leaves a Python exception set.
 *
 * Threads and the GIL. Every function may be called from any thread, with or without the GIL: it
 * takes the GIL if it needs it and leaves it as it was. Between calls the host holds nothing, so
 * that threads of the Python code run. pymodhost_create() and pymodhost_destroy() are for one
 * thread at a time; the thread that creates the interpreter becomes Python's main thread.
 *
 * Ownership. Strings passed in are copied, UTF-8. Strings inside a report or event live as long as
 * that report or event. The rest says so.
 *
 * There is one host and one interpreter in the life of a process: CPython leaks on every
 * finalisation and many extension modules can't be started twice.
 */
#ifndef PYMODHOST_H
#define PYMODHOST_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define PYMODHOST_API __attribute__((visibility("default")))
#else
#define PYMODHOST_API
#endif

struct pymodhost;
struct pymodhost_config;
struct pymodhost_report;

/* The version of the library that runs, such as "0.1.0". Static. */
PYMODHOST_API const char *pymodhost_version(void);

/* What went wrong in the last failed call of this thread; "" if none did. Valid until this thread's
 * next call into the library. */
PYMODHOST_API const char *pymodhost_error(void);

/* Whether the last failed call of this thread failed because the code asked for the program's end:
 * SystemExit, or KeyboardInterrupt (status 130). *ret_status gets the exit status, and
 * pymodhost_error() is the message that SystemExit carried, or "". */
PYMODHOST_API bool pymodhost_error_is_exit(int *ret_status);

/* ---- configuration ---- */

/* A configuration with the defaults: no directory, an isolated interpreter, no signal handlers, no
 * arguments. NULL when out of memory. */
PYMODHOST_API struct pymodhost_config *pymodhost_config_create(void);

/* Frees it; NULL is fine. A host that was created from it doesn't need it any more. */
PYMODHOST_API void pymodhost_config_destroy(struct pymodhost_config *config);

/* Puts a directory on sys.path, before the standard library and behind the directories added
 * earlier, and keeps the modules below it up to date. It must exist when the host is created. */
PYMODHOST_API int pymodhost_config_add_path(struct pymodhost_config *config, const char *dir);

/* sys.argv, argv[0] included. */
PYMODHOST_API int pymodhost_config_set_argv(
	struct pymodhost_config *config, int argc, const char *const *argv);

/* Isolated (the default): PYTHON* variables, the user's site-packages and the current directory are
 * ignored, as with `python3 -I`. Without effect if the interpreter is there already. */
PYMODHOST_API void pymodhost_config_set_isolated(struct pymodhost_config *config, bool isolated);

/* Whether Python installs its signal handlers, so that SIGINT raises KeyboardInterrupt. Default:
 * no. Without effect if the interpreter is there already. */
PYMODHOST_API void pymodhost_config_set_signals(struct pymodhost_config *config, bool handle);

/* Where .pyc files of what is not watched go (sys.pycache_prefix). NULL, the default: next to the
 * sources as Python does it. Watched modules neither read nor write any. */
PYMODHOST_API int pymodhost_config_set_bytecode_dir(
	struct pymodhost_config *config, const char *dir);

/* The program's name as sys.executable and error messages know it; what multiprocessing starts, and by whose
 * place Python finds its library: bin/python3 of a virtual environment makes it use that. Default: the
 * interpreter that the library was built with. */
PYMODHOST_API int pymodhost_config_set_program(struct pymodhost_config *config, const char *name);

/* ---- life ---- */

/* Creates the host. If the process has no interpreter yet, one is initialised (and the calling
 * thread does not hold the GIL afterwards); otherwise the host joins the one that is there. config
 * may be NULL.
 * Errors: -EALREADY there is a host; -ENOTSUP the interpreter of an earlier host was finalised, or
 * the interpreter is not the version this library was built for; -ENOENT a directory is missing;
 * -ENOEXEC Python could not be initialised. */
PYMODHOST_API int pymodhost_create(
	const struct pymodhost_config *config, struct pymodhost **ret_host);

/* Stops watching and frees the host; NULL is fine. An interpreter that pymodhost_create() made is
 * finalised: atexit functions run, output is flushed, and no call into Python is possible any more
 * in this process. One that was there before goes on with the code it has; what scripts still call
 * of their module pymodhost raises RuntimeError. Reports outlive it.
 * Must be called on the thread that created the host. */
PYMODHOST_API void pymodhost_destroy(struct pymodhost *host);

/* Keeps the modules below a further directory up to date and puts it on sys.path if it isn't there.
 * Modules that are loaded from it already are adopted. */
PYMODHOST_API int pymodhost_watch(struct pymodhost *host, const char *dir);

/* ---- safe points ---- */

/* A descriptor that is readable while a change waits, for select, poll, epoll or an event loop.
 * It belongs to the host: poll it, and call pymodhost_poll() when it is readable; don't read it.
 * Negative errno if watching is impossible. */
PYMODHOST_API int pymodhost_fd(struct pymodhost *host);

/* Applies everything that changed as one transaction. Nothing to do costs about as much as reading
 * a variable. On -ENOEXEC the old code stays in effect, whole; the change is tried again with the
 * next one. While another thread applies a change it waits for a tenth of a second at most, and then
 * returns 0 with nothing changed: the descriptor stays readable. ret_report may be NULL; else it is
 * set on success and on -ENOEXEC, to be destroyed by the caller. */
PYMODHOST_API int pymodhost_poll(struct pymodhost *host, struct pymodhost_report **ret_report);

/* ---- modules ---- */

/* Imports a module unless it is loaded (then it does nothing), by dotted name. */
PYMODHOST_API int pymodhost_load(
	struct pymodhost *host, const char *module, struct pymodhost_report **ret_report);

/* Runs a loaded module's current source again, changed or not, and whatever depends on it. -ENOENT
 * if it is not loaded or has no source below a watched directory. */
PYMODHOST_API int pymodhost_reload(
	struct pymodhost *host, const char *module, struct pymodhost_report **ret_report);

/* Unloads a module and its children: out of sys.modules and its parent; __unload__() is called.
 * -ENOENT if it is not loaded. */
PYMODHOST_API int pymodhost_unload(
	struct pymodhost *host, const char *module, struct pymodhost_report **ret_report);

/* Runs every loaded module of the watched directories again, as one transaction. */
PYMODHOST_API int pymodhost_reload_all(
	struct pymodhost *host, struct pymodhost_report **ret_report);

/* A module's source as it stands in its directory now, decoded, with \n line ends; to be freed with
 * pymodhost_free(). -ENOENT if there is no such module or it has no source. */
PYMODHOST_API int pymodhost_source(struct pymodhost *host, const char *module, char **ret_text);

/* ---- running code ---- */

/* Runs statements in a new namespace of their own, which is gone afterwards. name appears in
 * tracebacks; NULL: "<string>". */
PYMODHOST_API int pymodhost_run_string(struct pymodhost *host, const char *name, const char *text);

/* Runs a module as the program (as `python3 -m` does, but the module is also the one that an import
 * of its name gives, and is kept up to date). *ret_status gets the exit status: 0, or what
 * SystemExit said; its message, if it was a text, is pymodhost_error(). Any other exception:
 * -ENOEXEC. */
PYMODHOST_API int pymodhost_run_module(struct pymodhost *host, const char *module, int *ret_status);

/* The same for a file. Its directory is put first on sys.path and watched. */
PYMODHOST_API int pymodhost_run_script(struct pymodhost *host, const char *path, int *ret_status);

/* Calls module.function (the function may be a dotted path inside the module), importing the module
 * if need be. format tells what follows: the arguments, then after '>' where to put the result,
 * which must be a tuple if there is more than one; without '>' it is dropped.
 *
 *   letter   argument          result
 *   b        int (a truth)     bool *
 *   i        int               int *
 *   l        int64_t           int64_t *
 *   d        double            double *
 *   s        const char *      char **, to be freed with pymodhost_free(); NULL for None
 *   O        PyObject *        PyObject **, a new reference
 *
 *	double damage;
 *	err = pymodhost_call(host, "rules.combat", "damage", "si>d", "orc", 3, &damage);
 *
 * Errors: -ENOENT no such module or function; -ENOEXEC it raised; -ERANGE a result doesn't fit;
 * -EBADMSG a result is of another type; -EINVAL a bad format. No result is stored then. */
PYMODHOST_API int pymodhost_call(
	struct pymodhost *host, const char *module, const char *function, const char *format, ...);

/* The same with a va_list, which is consumed. */
PYMODHOST_API int pymodhost_vcall(struct pymodhost *host, const char *module, const char *function,
	const char *format, va_list args);

/* Whether a loaded module has such an attribute and it can be called. */
PYMODHOST_API bool pymodhost_has_function(
	struct pymodhost *host, const char *module, const char *function);

/* Frees a string that this library returned; NULL is fine. */
PYMODHOST_API void pymodhost_free(void *memory);

/* ---- what happened ---- */

enum pymodhost_event_type {
	PYMODHOST_LOADED, /* imported for the first time */
	PYMODHOST_RELOADED,
	PYMODHOST_UNLOADED,
	PYMODHOST_FAILED, /* text is the traceback; module may be "" */
};

struct pymodhost_event {
	enum pymodhost_event_type type;
	const char *module; /* dotted name */
	uint64_t version;   /* how often this process has run the module's body with success */
	const char *text;   /* FAILED: the traceback; else "" */
	double seconds;     /* how long the whole batch took, till it was in effect or given up */
};

/* Called once an event, on the thread that caused it, after the batch is in effect or given up,
 * with the GIL held. It may call into this library. event and its strings last until it returns. */
typedef void pymodhost_event_fn(const struct pymodhost_event *event, void *data);

/* Sets the one callback of the host; NULL takes it away. */
PYMODHOST_API int pymodhost_on_event(struct pymodhost *host, pymodhost_event_fn *fn, void *data);

/* Apply changes between bytecodes of whatever the main thread runs, for programs that never reach a
 * safe point of their own. Off by default. */
PYMODHOST_API int pymodhost_set_async(struct pymodhost *host, bool async);

/* A report tells of one batch. The lists hold module names, except PYMODHOST_LIST_ERRORS, which
 * holds a traceback for each name of PYMODHOST_LIST_FAILED ("" where no module is to blame). */
enum pymodhost_list {
	PYMODHOST_LIST_CHANGED,  /* whose source changed, appeared or went away */
	PYMODHOST_LIST_RELOADED, /* whose body ran, in that order */
	PYMODHOST_LIST_UNLOADED,
	PYMODHOST_LIST_FAILED,
	PYMODHOST_LIST_ERRORS,
};

/* Number of entries of a list; report NULL: 0. */
PYMODHOST_API size_t pymodhost_report_count(
	const struct pymodhost_report *report, enum pymodhost_list list);

/* An entry, or NULL past the end. */
PYMODHOST_API const char *pymodhost_report_item(
	const struct pymodhost_report *report, enum pymodhost_list list, size_t index);

/* How long the batch took, from reading the sources to the end of the last hook. */
PYMODHOST_API double pymodhost_report_seconds(const struct pymodhost_report *report);

/* Frees it; NULL is fine. */
PYMODHOST_API void pymodhost_report_destroy(struct pymodhost_report *report);

#ifdef __cplusplus
}
#endif

#endif
