/* SPDX-License-Identifier: MIT */
/* sqlite.h - what the files of the SQLite engine share; private to fs/store. */
#ifndef PYMODFS_STORE_SQLITE_H
#define PYMODFS_STORE_SQLITE_H

#include "store-private.h"

#include <sqlite3.h>
#include <sys/types.h>
#include <time.h>

/* Looks whether the triggers of the user's table are there, whenever the schema has changed (sqlite-triggers.c). */
struct sqlite_triggers {
	sqlite3_stmt *schema_version;
	int64_t checked; /* the schema with which they were there last */
};

/*
 * A database that was opened as what nobody changes may be changed all the same, by somebody who may: this is how that is seen
 * (sqlite-readonly.c).
 */
struct sqlite_stamp {
	bool immutable; /* it was opened so */
	struct timespec mtime;
	off_t size;
};

struct sqlite_db {
	struct db db;
	bool write;
	sqlite3 *handle; /* NULL: it could not be opened anew */
	struct sqlite_stamp stamp;
	sqlite3_stmt *statements[N_SQL]; /* prepared when first used */
	sqlite3_stmt *rollback;
	struct sqlite_triggers triggers; /* of one that writes */
	int64_t affected;
	int64_t deadline; /* until when a transaction waits to begin; clock_monotonic_ms() */
};

/* ---- sqlite-error.c ---- */

/* The errno for a result code of SQLite, with the words of the connection (which may be NULL). */
int sqlite_fail(sqlite3 *handle, int code);

/* ---- sqlite-open.c ---- */

int sqlite_open(struct store *store, bool write, struct db **ret_db);
void sqlite_close(struct db *db);
/* Before a statement outside a transaction: opens the database anew where it has changed behind a connection that can't see it. */
int sqlite_renew(struct sqlite_db *db);
int sqlite_read_setting(struct store *store, struct db_setting *ret_setting);
/* A connection to path with all the protections on. flags: SQLITE_OPEN_READWRITE, with or without CREATE. */
int sqlite_connect(const char *path, int flags, int busy_timeout_ms, sqlite3 **ret_handle);
/* The same to the store's database, which is there. */
int sqlite_connect_store(const struct store *store, sqlite3 **ret_handle);
/*
 * Is the file that the connection has open still the one with its name? What is written to another one is lost. -EIO: it
 * was moved, deleted, or replaced.
 */
int sqlite_check_place(sqlite3 *handle);
/* The bytes of a source are those of its file only where text is UTF-8: -EINVAL. */
int sqlite_check_encoding(sqlite3 *handle, const char *path);
/* *ret_setting stays as it is when init has not been here: -ENOENT. */
int sqlite_load_setting(
	sqlite3 *handle, const char *path, bool old_too, struct db_setting *ret_setting);

/* ---- sqlite-readonly.c ---- */

/*
 * Can nothing be made beside the file, and is there no log? In WAL mode it can't be opened the usual way then, but may be read
 * as what nobody changes.
 */
bool sqlite_is_immutable(const char *path);
/* file:PATH?immutable=1, with PATH escaped; the caller frees. NULL: no memory. */
char *sqlite_immutable_uri(const char *path);
/* As sqlite_connect_store(), with the file stamped as it was then. */
int sqlite_stamp_connect(
	struct sqlite_stamp *stamp, const struct store *store, sqlite3 **ret_handle);
/* Was the file at path opened as immutable, and has it changed since? */
bool sqlite_stamp_is_old(const struct sqlite_stamp *stamp, const char *path);
/* Says that the file, which can't be opened, may not be read: -EACCES. */
int sqlite_refuse_to_read(const char *path);
/* Says why a file that SQLite opened for reading only can't be written, and the way out: -EROFS. */
int sqlite_refuse_to_write(const char *path);

/* ---- sqlite-init.c ---- */

int sqlite_init(const char *url, const struct store_init_options *options, bool *ret_fresh);

/* ---- sqlite-keys.c ---- */

/* The triggers that watch the keys of the user's table other than its name; inside init's transaction. */
int sqlite_watch_keys(sqlite3 *handle, const char *table, const char *name, const char *source);

/* ---- sqlite-triggers.c ---- */

/* Has the user's table all of schema.sql's triggers? */
int sqlite_has_triggers(sqlite3 *handle, const char *table, bool *ret_has);
/* -EIO, in words, where it has not. */
int sqlite_check_triggers(sqlite3 *handle, const char *path, const struct db_setting *setting);
int sqlite_triggers_init(struct sqlite_triggers *triggers, sqlite3 *handle);
void sqlite_triggers_finish(struct sqlite_triggers *triggers);
/* Likewise, for little where nobody has changed the schema since. */
int sqlite_triggers_check(struct sqlite_triggers *triggers, const struct store *store);
/* Makes them anew, and brings what is kept beside the table up to date; inside init's transaction. */
int sqlite_renew_triggers(sqlite3 *handle, const char *table, const char *name, const char *source);

/* ---- sqlite-backup.c ---- */

int sqlite_backup(struct store *store, const char *file, store_progress_fn *fn, void *arg);
int sqlite_check(struct store *store, int (*fn)(void *arg, const char *words), void *arg);

/* ---- upgrade.c ---- */

int sqlite_upgrade(struct store *store, int64_t *ret_from);

/* ---- sqlite-watch.c ---- */

int sqlite_watch_create(struct store *store, struct store_watch **ret_watch);
void sqlite_watch_destroy(struct store_watch *watch);
int sqlite_watch_wait(struct store_watch *watch, int wake_fd, int timeout_ms, bool *ret_changed);

#endif
