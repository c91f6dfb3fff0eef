/* SPDX-License-Identifier: MIT */
/*
 * The reload engine: what its rooms share. See docs/reloading.md for the contract.
 *
 * Everything here runs with the GIL and belongs to the one interpreter of the process. Functions
 * that return int return 0, or -1 with a Python exception set; those that return PyObject * return
 * a new reference or NULL with an exception set. What deviates says so.
 *
 * Words: a *record* is what the engine knows of a loaded module below a watched directory. A
 * *batch* is one transaction over a set of modules; its *members* are the modules whose bodies run
 * again in a *scratch* module of their own, while all others go on with the *live* one.
 */
#ifndef RELOAD_ENGINE_H
#define RELOAD_ENGINE_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>
#include <uthash.h>

#if PY_MAJOR_VERSION != 3 || PY_MINOR_VERSION != 11
#error "the engine patches objects of CPython 3.11 in place; no other version is known to it"
#endif

struct watch;
struct batch;
struct body;

/* What stat said of a file when its bytes were read. racy: so young that a later write may leave
 * the same stamp; then only the bytes tell. */
struct stamp {
	uint64_t dev, ino, size;
	int64_t mtime_ns, ctime_ns;
	bool racy;
};

struct record {
	char *name; /* key */
	PyObject *module;
	char *path;
	PyObject *stand_in; /* what the body put into sys.modules for its module, or NULL */
	PyObject *source;   /* bytes that the running version was compiled from */
	PyObject *code;     /* of the module's body */
	PyObject *uses;     /* set of str: modules that the body used */
	PyObject *defined;  /* frozenset of str: names that the body left in its namespace */
	PyObject *
		inner_names; /* dict: qualname of a class or function -> frozenset: its attributes */
	struct stamp stamp;
	PyObject *seen;  /* bytes last read, if they are not in effect yet, else NULL */
	bool moved;      /* its name leads to another file */
	bool gone;       /* its name leads nowhere any more */
	uint64_t placed; /* the engine's layout in which its name led to path, or 0 */
	PyObject
		*outdated; /* list of weak references: code of earlier versions that somebody had */
	uint64_t version;  /* successful runs of the body */
	uint64_t order;    /* of the first run's begin: when Python would run it */
	uint64_t ended;    /* of its end: since when its package has it */
	bool told;         /* __unload__() of the version in effect has been called */
	bool main;         /* runs as __main__ under its own name too */
	struct record *twin; /* the next one that was loaded from the same file */
	UT_hash_handle hh, hh_path;
};

struct engine {
	struct watch *watch;
	struct record *records; /* by name */
	struct record *by_path;
	PyObject *roots;    /* list of str, real paths, no final slash */
	PyObject *modules;  /* sys.modules: the interpreter's own dict */
	PyObject *builtins; /* dict of the module builtins */
	PyObject *import_hook;
	PyObject *finder;
	PyObject *loader_type;
	PyObject *observers;   /* list of callables: on_event */
	PyObject *users;       /* dict: name of a module -> set of names of those that used it */
	PyObject *locals_mark; /* "<locals>" */
	PyObject *empty;       /* "" */
	PyObject *wanted;      /* set: modules that a body asked for in vain */
	PyObject *late;        /* set: modules whose first run went on during a look */
	PyObject *aliases;     /* list: alias.c's */
	PyTypeObject *deque;   /* collections.deque */
	ssizeobjargproc deque_set;
	PyObject *gc_collect; /* gc.collect */
	PyObject *abc_forget; /* _abc._reset_caches */
	struct batch *batch;  /* the one whose bodies run, or NULL */
	struct batch
		*current; /* the one that runs, from its first step to its last hook, or NULL */
	_PyErr_StackItem handling; /* what a call handles: without what its caller does */
	_PyErr_StackItem *callers;
	PyThread_type_lock lock;
	unsigned long owner; /* thread that has lock, or 0 */
	uint64_t newest;     /* the thread made last when it took it */
	uint64_t order, looks;
	uint64_t layout; /* grows when something came or went below the watched directories */
	void (*event_fn)(PyObject *event, void *data);
	void *event_data;
};

/* The engine of this process, or NULL. */
extern struct engine *engine;

/* engine.c: life */
int engine_start(void);
void engine_stop(void);
int engine_watch(PyObject *dir);
bool engine_path_is_watched(const char *path);
void engine_watch_file(
	const char *path); /* before it is read, so that no change after it is missed */

/* earlier.c */
void earlier_stop(void);

/* fork.c: a child of os.fork() has the engine to itself */
int fork_start(void);

/* api.c: what the module and the library call. Each takes the engine's lock, and returns a Report
 * (NULL with an exception only for a wrong use or no memory). */
PyObject *engine_poll(void);
PyObject *engine_load(PyObject *name);
PyObject *engine_reload(PyObject *name);
PyObject *engine_unload(PyObject *name);
PyObject *engine_reload_all(void);
PyObject *engine_run(PyObject *text, PyObject *filename);
PyObject *engine_source(PyObject *name);
/* Of on_event(). What a batch calls it with counts once that is in effect, if it isn't there already. */
int engine_add_observer(PyObject *callback);
PyObject *engine_holders(PyObject *name);                /* a list of str */
int holders_note(struct record *record, PyObject *code); /* of the version that goes */
int engine_module_exists(PyObject *name);                /* 1, 0, or -1 with an exception */
int engine_run_main(PyObject *name);

/* record.c */
struct record *record_find(PyObject *name);
struct record *record_find_text(const char *name);
int record_create(PyObject *name, struct record **ret_record);
void record_forget(struct record *record);
int record_set_path(struct record *record, const char *path);
struct record *record_find_path(const char *path);
/* Its name still leads to its path; found out by who calls record_place(). */
bool record_is_placed(const struct record *record);
void record_place(struct record *record);
/* object: what sys.modules has for it; the module itself and NULL are none. */
void record_set_stand_in(struct record *record, PyObject *object);
/* Who used what, both ways; steals uses. */
int record_set_uses(struct record *record, PyObject *uses);
void record_set(PyObject **field, PyObject *value); /* steals value */
PyObject *record_inner_names(PyObject *dict);

/* source.c: reading and compiling */
struct source {
	PyObject *bytes;
	struct stamp stamp;
};
/* Above it, files are read as they were at the last look (watch_read_path()). */
int stamp_read(const char *path, struct stamp *ret_stamp); /* 0 or -errno, no exception */
bool stamp_same(const struct stamp *a, const struct stamp *b);
int source_read(const char *path, struct source *ret_source);
int source_read_batch(const char *path, struct source *ret_source);
void source_forget_batch(void); /* what was read since the last look is not needed any more */
PyObject *source_compile(PyObject *bytes, const char *path);

/* lines.c: what linecache shows */
int lines_start(void);
void lines_stop(void);
int lines_show(const char *path, PyObject *bytes); /* NULL: nothing any more */

/* finder.c */
int finder_start(struct engine *e);
void finder_stop(struct engine *e);
PyObject *finder_find(PyObject *name); /* spec or None, as the import system would */
PyObject *finder_find_known(PyObject *name, const char *known);

/* spec.c: of modules of watched directories */
int spec_start(void);
void spec_stop(void);
/* package_dir: what its submodules are looked for in; NULL: it is no package. */
PyObject *spec_create(PyObject *name, const char *path, const char *package_dir);
bool spec_is_ours(PyObject *spec);
/* What the import system sets on a new module. before: the spec of the version before, or NULL. */
int spec_fill(PyObject *spec, PyObject *name, PyObject *dict, PyObject *before);

/* track.c: what a body uses while it runs */
int track_start(struct engine *e);
void track_stop(struct engine *e);
struct body *track_begin(PyObject *globals);
PyObject *track_end(struct body
		*body); /* the events: list of (absolute name, fromlist or None, at body level) */
PyObject *track_running(void); /* the globals of this thread's innermost body; borrowed, or NULL */
int track_resolve(PyObject *events, PyObject *globals);
PyObject *track_absolute(PyObject *name, PyObject *globals, long level);
PyObject *track_uses(PyObject *events, PyObject *code, PyObject *globals);

/* analyze.c: what a body's bytecode says */
struct analysis {
	PyObject *imports; /* list of (level, name, fromlist or None, tuple of bound names) */
	PyObject *chains; /* set of tuples of str: name, attribute, attribute... that may be read */
	PyObject *imported; /* set of str: names bound by import statements */
};
int analyze_code(PyObject *code, struct analysis *ret_analysis);
void analysis_finish(struct analysis *analysis);

/* report.c */
int report_types_ready(void);
extern PyTypeObject Report_Type, Error_Type, Event_Type;
struct report {
	PyObject_HEAD PyObject *changed, *reloaded, *unloaded, *errors; /* lists */
	PyObject *events; /* list, delivered and dropped at the end */
	double seconds;
};
struct report *report_create(void);
int report_add_error(struct report *report, PyObject *module); /* the exception that is set */
int report_add_event(struct report *report, const char *kind, PyObject *module, uint64_t version,
	double seconds);
void report_deliver(struct report *report);
/* Borrowed texts; ret_kind: 0 loaded, 1 reloaded, 2 unloaded, 3 failed. */
int event_unpack(PyObject *event, const char **ret_module, const char **ret_text,
	uint64_t *ret_version, double *ret_seconds, int *ret_kind);

/* fault.c: the exception that is set becomes text; never fails, never leaves an exception */
PyObject *fault_take_text(void);
/* As C and UTF-8 can have it; a new reference. NULL: no memory. */
PyObject *fault_escape_text(PyObject *text);

/* overlay.c */
int overlay_begin(struct batch *batch);
void overlay_end(struct batch *batch);
/* What it has for a name; NULL without an exception: nothing. */
PyObject *overlay_find(struct batch *batch, PyObject *modules, PyObject *name);
extern PyTypeObject Overlay_Type;

#endif
