/* SPDX-License-Identifier: MIT */
/*
 * store.h - what the filesystem needs of a database, and the only thing it sees of one.
 *
 * A store is one database in which one table of modules was set up by `pymodfs init`. It knows
 * nodes (whatever has a name in the tree: modules, other files, symbolic links, directories),
 * versions (every content that a file ever had) and changes (the ordered feed of what happened).
 * It knows no kernel, no open files and no cache.
 *
 * All functions return 0 or a negative errno unless said otherwise; results go through ret_
 * parameters, which are untouched on failure. What the errnos mean:
 *
 *   -EBUSY    another writer held the database's lock for longer than the busy time-out
 *   -EROFS    the database (or its file) can't be written
 *   -EACCES   the database doesn't let its user do that (PostgreSQL)
 *   -ENOSPC   the disk, or the quota, is full
 *   -EINVAL   a constraint or a trigger of the user's table refused the change
 *   -ESTALE   the node or version named by its id is not there (any more)
 *   -ENOENT, -EEXIST, -ENOTEMPTY, -ENOTDIR, -EISDIR, -ENAMETOOLONG   as for the system call
 *   -EILSEQ   a name that is not UTF-8, where the database can't hold it (PostgreSQL)
 *   -EUCLEAN  the database is damaged
 *   -EIO      anything else; also: the server is gone
 *   -ENOTSUP  this kind of database can't do that
 *   -EFBIG    more than fits into one value of the database
 *   -ENOMEM
 *
 * store_error() gives the store's own words for the last failure on the calling thread.
 *
 * Threads: a store may be shared. A store_reader belongs to one thread at a time. A store_txn
 * belongs to the thread that began it; one at a time exists per store (begin waits).
 */
#ifndef PYMODFS_STORE_H
#define PYMODFS_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define STORE_ROOT 1       /* the id of the root directory's node */
#define STORE_NAME_MAX 255 /* bytes of one file name, as NAME_MAX */

enum store_kind {
	STORE_MODULE = 'm', /* a row of the user's table */
	STORE_FILE = 'f', /* whatever else must last: package data, dist-info, extension modules */
	STORE_LINK = 'l', /* a symbolic link; its target is the content */
	STORE_DIR = 'd',
};

#define STORE_SUBDIRS_MAX 100 /* of one directory; more aren't counted */

/* A node as it is now. Times are nanoseconds since the epoch. */
struct store_node {
	int64_t id;      /* st_ino: the same for the life of the object, also over a rename */
	int64_t parent;  /* id of its directory; 0 for the root */
	int64_t version; /* the current version; 0 for directories */
	enum store_kind kind;
	int32_t mode;     /* permission bits, or -1: never set, the mount's default */
	int64_t uid, gid; /* or -1, likewise */
	int64_t size;     /* bytes of the current version; 0 for directories */
	int64_t atime, mtime, ctime;
	int64_t subdirs; /* directories: how many directories are in it; above STORE_SUBDIRS_MAX: more */
};

/* One entry of a directory. */
struct store_entry {
	struct store_node node;
	const char *name; /* file name, NUL-terminated; valid during the callback */
	int64_t change;   /* from store_list(): the newest change that there was when it was read */
};

enum store_op {
	STORE_INSERT = 'i',
	STORE_UPDATE = 'u',
	STORE_DELETE = 'd',
	STORE_ATTR = 'a', /* owner, mode or times, not the content */
};

/* One line of the feed. A rename is a delete of the old name and an insert of the new one. */
struct store_change {
	int64_t id; /* grows with each change */
	enum store_op op;
	enum store_kind kind;
	int64_t node;
	int64_t parent;      /* the directory in which the name appeared, changed or disappeared */
	int64_t version;     /* after the change; 0 where there is none */
	int64_t old_version; /* before the change; 0 where there was none */
	const char *name;    /* the file name in that directory; valid during the callback */
	const char *path;    /* the whole path below the mount's root; valid during the callback */
	const char *module;  /* dotted name, or NULL for whatever is no module; likewise */
};

/* Who makes a change: goes into the history. */
struct store_origin {
	int64_t uid, pid;    /* or -1 */
	const char *command; /* may be NULL */
};

/* One version of one file, for the history. */
struct store_version {
	int64_t id, node;
	int64_t size;
	int64_t mtime;       /* of the file, with this content */
	int64_t time;        /* when it was committed */
	bool current;        /* it is the content that the file has now */
	bool kept;           /* its content can be read (retention has not removed it) */
	int64_t uid, pid;    /* -1: made by SQL */
	const char *command; /* NULL: made by SQL; valid during the callback */
	const char *path;    /* the path that the file had then; valid during the callback */
};

/* One thing that happened to one file, for the log. */
struct store_event {
	int64_t change;   /* its id in the feed; 0: from before the feed, or under another name */
	enum store_op op; /* insert, update or delete */
	int64_t node;
	int64_t version;     /* that it made; of a delete: that it took away */
	int64_t old_version; /* before an update; else 0 */
	int64_t size;        /* of that version */
	int64_t time;
	bool kept;           /* that version can be read */
	int64_t uid, pid;    /* -1: made by SQL */
	const char *command; /* NULL: made by SQL; valid during the callback, as the next two */
	const char *path;
	const char *module; /* dotted name, or NULL for whatever is no module */
};

#define STORE_WHOLE_MAX 1000000000 /* bytes of what has to be one value (SQLite's own limit) */

/*
 * A file of `length` bytes: `size` of them are at data and stand at `start`, all others are zeros. Zeros before and behind
 * the rest of a plain file cost nothing in the database, so its length has no limit here; what stands between has.
 */
struct store_content {
	const void *data;
	size_t size;
	int64_t start, length;
};

/* Are these n bytes what the content has from `at` on (or would have, behind its end: zeros)? */
bool store_content_has(const struct store_content *content, int64_t at, const void *data, size_t n);
/* Copies n bytes from `at` on out of it. */
void store_content_copy(const struct store_content *content, int64_t at, void *buffer, size_t n);

struct store_counts {
	int64_t modules, files, links, dirs;
	int64_t hidden; /* rows whose name can't be a path */
	int64_t versions, changes;
};

struct store_options {
	bool read_only;
	bool old_too; /* a schema of before is no error: for what reads alone, and upgrades */
	int busy_timeout_ms; /* how long a writer waits for another one's lock; default 5000 */
	int silence_ms; /* after which a server is taken for gone; several times that in a transaction; 0: never */
	size_t cache_max; /* bytes of the database's pages that each connection may keep; 0: the engine's default */
};

struct store;
struct store_reader;
struct store_txn;
struct store_watch;

/* ---- the store ---- */

/*
 * Opens the database that url names: a path (SQLite), or postgresql://... (libpq). Fails, and store_error()
 * says in one line what is the matter and what to do, if it is missing, no database, not set
 * up by init, or set up by a newer program (-EPROTO) or an older one (likewise). Creates nothing.
 */
int store_open(const char *url, const struct store_options *options, struct store **ret_store);
void store_close(struct store *store);

/* The calling thread's last failure, in one line; never NULL. */
const char *store_error(void);

const char *store_url(const struct store *store);
/* Any database's name as it may be shown: with *** for a password; the caller frees. NULL: no memory. */
char *store_shown_url(const char *url);
/* The user's table, unquoted. */
const char *store_table(const struct store *store);
/* Why it can't be written although it was not opened read-only, and the way out, in words; NULL: it can. */
const char *store_refusal(const struct store *store);
/* A random name for this database, made by init, in hexadecimal: names the bytecode cache. */
const char *store_uuid(const struct store *store);

/* ---- reading ---- */

/* Each thread that reads has a reader: a connection and its prepared statements. */
int store_reader_create(struct store *store, struct store_reader **ret_reader);
void store_reader_destroy(struct store_reader *reader);

/*
 * Between begin and end all reads see one snapshot. Without them each call has its own. They don't
 * nest.
 */
int store_reader_begin(struct store_reader *reader);
void store_reader_end(struct store_reader *reader);

int store_lookup(
	struct store_reader *reader, int64_t parent, const char *name, struct store_node *ret_node);
int store_get_node(struct store_reader *reader, int64_t id, struct store_node *ret_node);
/*
 * The node to which a version belongs, with size and mtime as of that version. *ret_current: it is the
 * node's current version. -ESTALE when the node is deleted or the version unknown.
 */
int store_get_version(struct store_reader *reader, int64_t version, struct store_node *ret_node,
	bool *ret_current);
/*
 * The bytes of a version; the caller frees. Works for versions of deleted nodes that are kept. -EFBIG: above STORE_WHOLE_MAX.
 */
int store_read(struct store_reader *reader, int64_t version, void **ret_data, size_t *ret_size);
/* The same without the zeros that are not stored; ret_content->data is *ret_data. */
int store_read_sparse(struct store_reader *reader, int64_t version, void **ret_data,
	struct store_content *ret_content);
/* The path of a node below the root ("" for the root itself); the caller frees. */
int store_path(struct store_reader *reader, int64_t id, char **ret_path);

/* Called for each item; a return value other than 0 ends the walk and is returned by it. */
typedef int store_entry_fn(void *arg, const struct store_entry *entry);
typedef int store_change_fn(void *arg, const struct store_change *change);
typedef int store_version_fn(void *arg, const struct store_version *version);

/*
 * The children of a directory with an id above after (0: all), ascending by id, so that the last id seen is a
 * position that stays valid while the directory changes.
 */
int store_list(
	struct store_reader *reader, int64_t parent, int64_t after, store_entry_fn *fn, void *arg);
/* The changes with an id above after, ascending. */
int store_changes(struct store_reader *reader, int64_t after, store_change_fn *fn, void *arg);
/* The id of the newest change; 0 when there was none yet. */
int store_last_change(struct store_reader *reader, int64_t *ret_change);
/*
 * The id of the newest version; 0 when there was none yet. Ids of versions grow in the order of the commits, as those of changes
 * do.
 */
int store_last_version(struct store_reader *reader, int64_t *ret_version);
/*
 * The changes of a file with an id above after, ascending, that happened to it under the name that it has now; those of its
 * attributes are left out. They come without name, path and module (NULL).
 */
int store_changes_of(
	struct store_reader *reader, int64_t node, int64_t after, store_change_fn *fn, void *arg);

/*
 * The tree as it was after change `change`, by path. Reads back through the feed, so it reaches as far as
 * the feed is kept: -ENOENT beyond. Attributes other than kind, version, size and mtime are those of now.
 */
int store_at_lookup(
	struct store_reader *reader, int64_t change, const char *path, struct store_node *ret_node);
int store_at_list(struct store_reader *reader, int64_t change, const char *path, store_entry_fn *fn,
	void *arg);

/* All versions of what has or had this path, newest first. */
int store_history(struct store_reader *reader, const char *path, store_version_fn *fn, void *arg);
/* Calls fn(name) once for each name that the directory with this path ever had, as far as the feed is kept. */
int store_history_names(struct store_reader *reader, const char *dir,
	int (*fn)(void *arg, const char *name), void *arg);
/*
 * What happened to files, newest first: to all, or with a path to what has or had it. Directories and changes of
 * attributes alone are left out.
 */
typedef int store_event_fn(void *arg, const struct store_event *event);
int store_log(struct store_reader *reader, const char *path, store_event_fn *fn, void *arg);
/*
 * An insert or a delete of the log may be half of a rename: the path of the other half; the caller frees. NULL: it is none.
 * *ret_change: the other half's id. The event must be from a callback of store_log().
 */
int store_find_rename(struct store_reader *reader, const struct store_event *event, char **ret_path,
	int64_t *ret_change);
/*
 * Is the state after a change one that was between two transactions? If not, *ret_first and *ret_last are the changes of
 * the transaction; else both are `change`. See schema.md for what is known of an SQL client's transactions.
 */
int store_find_transaction(
	struct store_reader *reader, int64_t change, int64_t *ret_first, int64_t *ret_last);
/* The newest change that was made at that time or before; 0: none. */
int store_change_at_time(struct store_reader *reader, int64_t time, int64_t *ret_change);
int store_count(struct store_reader *reader, struct store_counts *ret_counts);
/* Calls fn(name) for each hidden row; name may hold any bytes but is NUL-terminated at size. */
int store_hidden(struct store_reader *reader, int (*fn)(void *arg, const char *name, size_t size),
	void *arg);

/* ---- keeping it safe ---- */

/*
 * Copies the database as it is at one moment into a new file, durably, while others write. -EEXIST when the file is there,
 * which is left alone; -ENOTSUP where the database has tools of its own for it. fn, if there is one, is told now and then
 * how much of how much is done; a value other than 0 ends it, with nothing left behind, and is returned.
 */
typedef int store_progress_fn(void *arg, int64_t done, int64_t total);
int store_backup(struct store *store, const char *file, store_progress_fn *fn, void *arg);
/* Calls fn(words) for each damage that the database itself finds. Reads all of it. */
int store_check(struct store *store, int (*fn)(void *arg, const char *words), void *arg);
/* The number of the schema that the database has, and the one that this program makes. */
int64_t store_schema(const struct store *store);
int64_t store_schema_wanted(void);
/*
 * Brings an earlier schema up to date in one transaction; the store must have been opened with old_too and is to be closed then.
 * *ret_from: the schema that it had; the wanted one: there was nothing to do.
 */
int store_upgrade(struct store *store, int64_t *ret_from);

/* ---- writing: one transaction at a time, all or nothing ---- */

/*
 * Waits for other writers, at most timeout_ms (-1: the busy time-out of the options), and takes the database's
 * write lock.
 */
int store_begin(struct store *store, const struct store_origin *origin, int timeout_ms,
	struct store_txn **ret_txn);
/*
 * Commits durably; *ret_change is the id of the newest change, as store_last_change() would say then. On failure the
 * transaction is rolled back. Either way txn is gone.
 */
int store_commit(struct store_txn *txn, int64_t *ret_change);
void store_abort(struct store_txn *txn);
/* A number that is raised before and after each commit of this very store object: odd while one is under way. Any thread may ask. */
uint64_t store_commits(const struct store *store);
/* Did a transaction of this very store object make the change? Any thread may ask. */
bool store_is_own(struct store *store, int64_t change);
/* Nobody will ask that of changes up to this one any more. */
void store_forget_own(struct store *store, int64_t change);
/* Reads inside the transaction, its own changes included. Ends with it. */
struct store_reader *store_txn_reader(struct store_txn *txn);

/* Can it be a file name here? -ENAMETOOLONG, -EINVAL (empty, `.`, `..`, or a slash in it). */
int store_check_name(const char *name);

/* Attributes for the functions below. */
struct store_attr {
	unsigned set; /* which of the fields hold, STORE_SET_... */
	int32_t mode;
	int64_t uid, gid, atime, mtime;
};
#define STORE_SET_MODE 1u
#define STORE_SET_UID 2u
#define STORE_SET_GID 4u
#define STORE_SET_ATIME 8u
#define STORE_SET_MTIME 16u

/*
 * Would a file of this name in this directory be a module, a row of the user's table? It is one when the name is
 * a valid segment (UTF-8, no control character) and `.py`, and no directory above has a dot in its name.
 */
int store_is_module(struct store_reader *reader, int64_t parent, const char *name, bool *ret_is);

/*
 * A new file: a module where store_is_module() says so, else a file; kind STORE_LINK makes a link, whose target
 * is data. STORE_DIR makes a directory that lasts while it is empty. -EEXIST when the name is taken.
 */
int store_create(struct store_txn *txn, int64_t parent, const char *name, enum store_kind kind,
	const struct store_attr *attr, const void *data, size_t size, struct store_node *ret_node);
/* The same; a module whose length is above STORE_WHOLE_MAX is refused with -EFBIG. */
int store_create_sparse(struct store_txn *txn, int64_t parent, const char *name,
	enum store_kind kind, const struct store_attr *attr, const struct store_content *content,
	struct store_node *ret_node);
int store_write_sparse(struct store_txn *txn, int64_t id, const struct store_content *content,
	struct store_node *ret_node);
/* A new version of an existing file. Also touches mtime: see store_set_attr. */
int store_write(struct store_txn *txn, int64_t id, const void *data, size_t size,
	struct store_node *ret_node);
/*
 * Times are honoured as given. Without them every new version has an mtime whose whole second is above the one
 * before it, because CPython judges a .pyc by (whole seconds, size) alone (importlib/_bootstrap_external.py).
 */
int store_set_attr(struct store_txn *txn, int64_t id, const struct store_attr *attr,
	struct store_node *ret_node);
/* Removes a file or link. Its directory stays, even empty. */
int store_unlink(struct store_txn *txn, int64_t id);
/* Removes an empty directory. */
int store_rmdir(struct store_txn *txn, int64_t id);
/*
 * Moves a node with all below it to a name that is free: -EEXIST when it is taken, -EINVAL when a directory
 * would go into itself. Modules become rows of their new name and keep id, version and history. Where the new place
 * makes a module a plain file or the reverse, its content moves between the tables and it has a new node.
 */
int store_move(struct store_txn *txn, int64_t id, int64_t parent, const char *name);
/*
 * The file id replaces the file or link target. Where one of them is a module: target keeps its id, row and history, and gets
 * id's content (as a new version), mode, owner and times; id is gone. Else, and where one is a link: target is gone and
 * id takes its place. ret_node is what has target's name afterwards.
 */
int store_replace(struct store_txn *txn, int64_t id, int64_t target, struct store_node *ret_node);
/* Both swap places (renameat2, RENAME_EXCHANGE), trees included. */
int store_exchange(struct store_txn *txn, int64_t a, int64_t b);

/* Which old contents are to be forgotten: those for which both hold. */
struct store_prune {
	int64_t before; /* they were replaced or deleted before that time; INT64_MAX: whenever */
	int64_t keep;   /* and that many newer ones of the file are kept besides the current one */
};

/*
 * Forgets old contents; what the log says of them stays. The content that a file has now is never one of them.
 * *ret_versions, *ret_bytes: how many, and how large they are together. fn, if there is one, is told how many of how many
 * are forgotten; a value other than 0 ends it and is returned: the transaction is to be aborted then.
 */
int store_forget(struct store_txn *txn, const struct store_prune *prune, store_progress_fn *fn,
	void *arg, int64_t *ret_versions, int64_t *ret_bytes);

/* ---- seeing the commits of others ---- */

int store_watch_create(struct store *store, struct store_watch **ret_watch);
void store_watch_destroy(struct store_watch *watch);
/*
 * Sleeps until another connection may have committed, wake_fd (an eventfd; -1: none) is readable, or timeout_ms (-1: for
 * ever) is over. *ret_changed: look for changes now; true at least once after each commit of another process, false
 * alarms are possible. Doesn't read from wake_fd. Costs no wake-ups while nothing happens.
 */
int store_watch_wait(struct store_watch *watch, int wake_fd, int timeout_ms, bool *ret_changed);

#endif
