/* SPDX-License-Identifier: MIT */
/*
 * A batch: one reload transaction, from the set of changed modules to commit or rollback.
 *
 *   build    read and compile everything first; the affected set
 *   run      bodies run in scratch modules, on demand in the order of their imports
 *   unload   the hooks of the versions that will go
 *   commit   one stretch of C without any Python code in between: atomic for every thread
 *   finish   hooks of the new versions, old versions freed, observers told
 *
 * Until the commit nothing that another thread can see has changed; a failure before it only drops
 * the scratch modules.
 */
#ifndef RELOAD_BATCH_H
#define RELOAD_BATCH_H

#include "engine.h"

enum member_kind {
	MEMBER_RUNS,   /* a loaded module whose body runs again */
	MEMBER_NEW,    /* a watched module that the batch is the first to import */
	MEMBER_SHADOW, /* a package that only stands in, so that what is set on it waits */
};

enum member_state { MEMBER_WAITING, MEMBER_RUNNING, MEMBER_DONE, MEMBER_FAILED };

struct member {
	PyObject *name;
	const char *text; /* key: the name's UTF-8 */
	enum member_kind kind;
	enum member_state state;
	struct record *record; /* NULL: new */
	PyObject *live, *live_dict;
	PyObject *scratch, *dict; /* MEMBER_NEW: the same as live */
	PyObject *before;         /* MEMBER_SHADOW: what dict was at first */
	PyObject *previous;       /* MEMBER_RUNS: what live_dict was before the commit */
	PyObject *spec, *bytes, *code;
	PyObject *uses, *defined, *inner_names;
	PyObject *replacement; /* what the body put into sys.modules for itself; None: removed */
	char *path;
	struct stamp stamp;
	double seconds;
	unsigned int turn;       /* first when its body is to start, then when it ended */
	unsigned int index, low; /* order.c's */
	bool on_stack;
	UT_hash_handle hh;
};

/* From an object of the new version to the one that it becomes. */
struct mapping {
	PyObject *from, *to;
	bool becomes; /* a class of another layout: here `from` is the old one */
	UT_hash_handle hh;
};

enum change_kind {
	CHANGE_DICT,
	CHANGE_VALUE,
	CHANGE_SLOT,
	CHANGE_RAW,
	CHANGE_CLASS,
	CHANGE_TYPE,
	CHANGE_SET,
	CHANGE_BASES,
	CHANGE_KEYS,
	CHANGE_ITEM
};

/* One step of the commit, with what is needed to take it back. */
struct change {
	enum change_kind kind;
	PyObject *owner;
	PyObject *key;
	PyObject *old;
	void **slot;
	Py_ssize_t index;
};

struct journal {
	struct change *changes;
	size_t count, room;
};

/* The collector stands still while a batch runs; the marks tell what the batch made. */
struct pause {
	PyObject *begin, *end; /* marks; NULL: it doesn't */
	bool holds;            /* the collector's flag is ours */
};

struct batch {
	unsigned long thread;
	struct report *report;
	struct member *members;
	PyObject *added;   /* dict: watched modules that the batch imported first */
	PyObject *foreign; /* list: names of others that it brought into sys.modules */
	PyObject *deleted; /* set: names that go */
	PyObject *hidden;  /* set: names that a body took out of sys.modules */
	bool failed;
	bool again; /* it failed for a reason that passes */
	struct pause pause;
	struct mapping *map;    /* new object -> the old one that it becomes */
	struct mapping *taken;  /* the other way round */
	struct member *matched; /* whose names are matched */
	struct mapping *young;  /* functions and classes made since the batch began */
	struct mapping *due;    /* keys made by the bodies that hash by what is mapped */
	PyObject *rehash;       /* list: dicts and sets to be filled anew */
	PyObject *caches;       /* list: wrappers whose results are stale */
	PyObject *observers;    /* list: what was given to on_event() meanwhile */
	unsigned int finished;  /* bodies so far */
	bool becomes;           /* some class of the map does */
	struct mapping *codes;  /* old code -> new code */
	uint64_t filter[256];   /* which pointers may be in map */
	struct journal journal;
};

/* batch.c */
int batch_apply(PyObject *changed, PyObject *deleted, struct report *report);
struct member *batch_find(struct batch *batch, PyObject *name);
int batch_fail(struct batch *batch, PyObject *name); /* the exception that is set stays set */
bool batch_is_mine(void);                            /* a batch runs, on this thread */

/* build.c */
int batch_build(struct batch *batch, PyObject *changed);
int batch_add_new(struct batch *batch, PyObject *module, const char *path);
int batch_add_deleted(struct batch *batch, PyObject *deleted);

/* load.c: a first import */
int load_module(PyObject *module, const char *path);
bool load_is_running(PyObject *module);
int load_adopt_namespace(PyObject *name, PyObject *module);
int load_adopt(PyObject *module, PyObject *name, const char *path);

/* order.c */
int order_members(struct batch *batch);

/* exec.c */
int member_run(struct batch *batch, struct member *member);
int member_create_shadow(struct batch *batch, PyObject *name, PyObject *live);
int member_create_scratch(struct member *member);
void member_destroy(struct member *member);

/* scratch.c */
extern PyTypeObject Scratch_Type;
/* Whether a name of a package has the submodule as its value. */
bool package_has_child(struct member *package, PyObject *name, PyObject *value);

/* map.c */
int map_add(struct batch *batch, PyObject *from, PyObject *to);
int map_add_becomes(struct batch *batch, PyObject *old, PyObject *fresh);
bool map_becomes(struct batch *batch, PyObject *old);
PyObject *map_get(struct batch *batch, PyObject *object); /* borrowed; itself if not mapped */
PyObject *map_get_deep(struct batch *batch, PyObject *object);
bool map_touches(struct batch *batch, PyObject *object);
PyObject *map_source(struct batch *batch, PyObject *to); /* borrowed; NULL: none becomes it */
bool map_is_taken(struct batch *batch, PyObject *to);
int young_add(struct batch *batch, PyObject *object);
bool young_has(struct batch *batch, PyObject *object);
int due_add(struct batch *batch, PyObject *key);
bool due_has(struct batch *batch, PyObject *key);
void map_finish(struct mapping **map);
int codes_add(struct batch *batch, PyObject *old, PyObject *fresh);
PyObject *codes_get(struct batch *batch, PyObject *old); /* borrowed, NULL if none */

/* match.c: which object of the old version a new one becomes */
int match_member(struct batch *batch, struct member *member);
/* What the old version's source had in a class or on a function; borrowed, NULL if not known. */
PyObject *defined_names(struct batch *batch, PyObject *module, PyObject *qualname);
int match_values(struct batch *batch, PyObject *old, PyObject *fresh, PyObject *name);

/* owner.c */
bool owner_is_member(struct batch *batch, PyFunctionObject *function);
bool owner_is_elsewhere(struct batch *batch, PyObject *object);

/* journal.c: no step runs Python code; what it replaces is kept till journal_finish() */
int journal_dict_set(struct journal *journal, PyObject *dict, PyObject *key, PyObject *value);
/* Of a key that PyDict_Next() has just given, whatever its kind. */
int journal_value_set(struct journal *journal, PyObject *dict, Py_ssize_t position, PyObject *key,
	PyObject *value);
int journal_slot_set(struct journal *journal, PyObject *owner, PyObject **slot, PyObject *value);
int journal_raw_set(struct journal *journal, PyObject *owner, void **slot, void *value);
int journal_class_set(struct journal *journal, PyObject *object, PyTypeObject *type);
int journal_type_set(struct journal *journal, PyTypeObject *type, PyObject *key, PyObject *value);
int journal_bases_set(
	struct journal *journal, PyTypeObject *type, PyObject *bases, PyTypeObject *base);
int journal_dict_rekey(struct batch *batch, PyObject *dict);
int journal_item_set(
	struct journal *journal, PyObject *sequence, Py_ssize_t index, PyObject *value);
int journal_set_swap(struct journal *journal, PyObject *set, PyObject *old, PyObject *fresh);
void journal_undo(struct journal *journal);
void journal_finish(struct journal *journal);

/* type.c */
bool type_orders_itself(PyTypeObject *type); /* its metaclass has an mro() */
int type_set_bases(PyTypeObject *type, PyObject *bases, PyTypeObject *base);
PyObject *type_save_orders(PyTypeObject *type); /* for type_restore_bases() */
void type_restore_bases(PyTypeObject *type, PyObject *bases, PyTypeObject *base, PyObject *orders);
bool type_name_has_slot(PyObject *name);                          /* or a field; name is a str */
int type_put(PyTypeObject *type, PyObject *key, PyObject *value); /* value NULL: it goes */
int type_forget_checks(PyTypeObject *type); /* answers to isinstance() that an ABC remembers */
PyObject *audit_suspend(void);
void audit_resume(PyObject *hooks);

/* dict.c */
bool key_is_plain(PyObject *key); /* it hashes and compares in C */
bool dict_is_plain(PyObject *dict);
PyObject **dict_value_at(PyObject *dict, Py_ssize_t position);
PyObject **dict_value_of(PyObject *dict, PyObject *wanted);
uint64_t dict_state(PyObject *dict);
void dict_exchange(PyObject *a, PyObject *b);
void set_exchange(PyObject *a, PyObject *b);
PyObject *odict_copy(PyObject *dict);

/* function.c, class.c: in-place updates */
int function_match(struct batch *batch, PyObject *old, PyObject *fresh);
int function_update(struct batch *batch, PyObject *old, PyObject *fresh);
int class_match(struct batch *batch, PyObject *old, PyObject *fresh);
int class_update(struct batch *batch, PyTypeObject *old, PyTypeObject *fresh);
bool same_items(PyObject *a, PyObject *b); /* of tuples, by identity */
void class_move_registrations(struct batch *batch);

/* layout.c */
bool same_layout(struct batch *batch, PyTypeObject *old, PyTypeObject *fresh);
int layout_match_fields(struct batch *batch, PyTypeObject *old, PyTypeObject *fresh);
bool same_metalayout(PyTypeObject *a, PyTypeObject *b); /* of metaclasses */

/* become.c */
int class_become(struct batch *batch, PyTypeObject *old, PyTypeObject *fresh);
int class_follow(struct batch *batch, PyTypeObject *type);
bool class_is_layout(PyObject *value);
bool class_names_layout(PyObject *name);

/* derive.c: when the new classes have the bases that they will have */
int derive_all(struct batch *batch);
extern PyTypeObject Bar_Type;

/* earlier.c */
int earlier_set(struct batch *batch, PyTypeObject *old, PyTypeObject *fresh); /* at last */
PyObject *earlier_list(PyTypeObject *type);  /* the classes of its instances of earlier layouts */
PyObject *earlier_below(PyTypeObject *type); /* list of tuples; the last item is the class */
PyObject *earlier_hide(PyTypeObject *type);  /* what earlier_show() takes */
void earlier_show(PyObject *hidden);

/* frames.c */
struct _PyInterpreterFrame;
int frames_walk(int (*fn)(struct _PyInterpreterFrame *frame, void *data), void *data);
uint64_t frames_newest_thread(void); /* its id; those of later ones are greater */
int frames_move_threads(struct batch *batch);
int frames_move_inside(struct batch *batch, PyObject *object);
struct _PyInterpreterFrame *frame_inside(PyObject *object); /* NULL if it has none */
/* The memory in use of an object that has a frame in itself; false: it is another kind. */
bool frame_words_inside(PyObject *object, size_t *ret_words);
PyObject *frame_code(struct _PyInterpreterFrame *frame); /* borrowed */
int frame_line(struct _PyInterpreterFrame *frame);
bool frame_is_generators(struct _PyInterpreterFrame *frame);

/* collector.c */
int collector_pause(struct pause *pause);
void collector_hold(struct pause *pause);
void collector_resume(struct pause *pause);
PyObject *collector_young(const struct pause *pause); /* a list: made since the pause began */
PyObject *collector_all(void);
void collector_collect_due(void);

/* batch.c: what is left of a batch whose thread is gone */
void batch_abandon(struct batch *batch);

/* alias.c */
void aliases_note(struct batch *batch);
int aliases_update(struct batch *batch);

/* tables.c */
int tables_rewrite_exit(struct batch *batch);
void tables_rewrite_signals(struct batch *batch); /* after the commit; runs no Python code */

/* heap.c */
int heap_find_young(struct batch *batch, PyObject **ret_list);
int heap_rewrite(struct batch *batch, PyObject *young);

/* rewrite.c */
int rewrite_list(struct batch *batch, PyObject *objects);
int rewrite_values(struct batch *batch, PyObject *dict); /* and keys */

/* Also of an OrderedDict. */
int dict_clear(PyObject *dict);
int dict_add(PyObject *dict, PyObject *key, PyObject *value, Py_hash_t hash);

/* rehash.c */
int rehash_note(struct batch *batch, PyObject *container); /* before it is rewritten */
bool rehash_is_due(struct batch *batch, PyObject *key);    /* it hashes by what is mapped */
int rehash_add(struct batch *batch, PyObject *container);  /* keys are to be mapped */
void rehash_all(struct batch *batch);                      /* after the commit */

/* weak.c */
int weak_match(struct batch *batch, PyObject *young);
void weak_finish(struct batch *batch, PyObject *young); /* after the last step that can fail */

/* commit.c */
int commit_settle(struct batch *batch); /* what could stand against it, before any hook runs */
int commit_apply(struct batch *batch);
/* The namespace of a module's package (borrowed) and its name there; NULL if it has none. */
PyObject *parent_dict(PyObject *name, PyObject **ret_tail);

/* hooks.c */
void hooks_unload(struct report *report, PyObject *name, PyObject *dict);
void hooks_reload(struct report *report, PyObject *name, PyObject *dict, PyObject *previous);
int hooks_keep(struct member *member);

/* detect.c */
int detect_changes(PyObject *ret_changed, PyObject *ret_deleted, bool *ret_fresh);
void detect_want(PyObject *events);
int detect_after_load(PyObject *name, uint64_t looks);

#endif
