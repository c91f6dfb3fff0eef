/* SPDX-License-Identifier: MIT */
/*
 * Connections to an SQLite database, and the settings that init left in it.
 *
 * A database is input: the schema is not trusted (its triggers may call nothing but innocuous
 * functions), cell sizes are checked, nothing is mapped into memory, and the connection refuses to
 * damage the file by SQL. A connection is used by one thread at a time (SQLITE_OPEN_NOMUTEX); nothing here
 * takes a lock. No file is created unless SQLITE_OPEN_CREATE says so. Who only reads opens it for writing as well, since the last
 * connection takes SQLite's files beside the database away only if it may write; `query_only` keeps it from changing anything.
 */
#include "sqlite.h"

#include "error.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define HARDENING                                                                      \
	"PRAGMA cell_size_check = 1; PRAGMA mmap_size = 0; PRAGMA synchronous = FULL;" \
	"PRAGMA foreign_keys = 1; PRAGMA journal_size_limit = 67108864;"

static int harden(sqlite3 *handle, int busy_timeout_ms)
{
	int code = sqlite3_db_config(handle, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
	if (code == SQLITE_OK)
		code = sqlite3_db_config(handle, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
	if (code == SQLITE_OK)
		code = sqlite3_busy_timeout(handle, busy_timeout_ms);
	if (code == SQLITE_OK)
		code = sqlite3_extended_result_codes(handle, 1);
	if (code == SQLITE_OK)
		code = sqlite3_exec(handle, HARDENING, NULL, NULL, NULL);
	return code;
}

static int connect_once(const char *name, int flags, int busy_timeout_ms, sqlite3 **ret_handle)
{
	sqlite3 *handle = NULL;
	int code = sqlite3_open_v2(name, &handle, flags | SQLITE_OPEN_NOMUTEX, NULL);
	if (code == SQLITE_OK)
		code = harden(handle, busy_timeout_ms);
	/* Reads the header, and in WAL mode needs the files beside the database. */
	if (code == SQLITE_OK)
		code = sqlite3_exec(handle, "PRAGMA schema_version", NULL, NULL, NULL);
	if (code == SQLITE_OK) {
		*ret_handle = handle;
		return 0;
	}
	int err = sqlite_fail(handle, code);
	sqlite3_close(handle);
	return err;
}

int sqlite_connect(const char *path, int flags, int busy_timeout_ms, sqlite3 **ret_handle)
{
	int err = connect_once(path, flags, busy_timeout_ms, ret_handle);
	if (!err || err == -EUCLEAN || err == -EBUSY || err == -ENOMEM ||
		!sqlite_is_immutable(path))
		return err;
	char *uri = sqlite_immutable_uri(path);
	if (!uri)
		return store_fail(-ENOMEM, "out of memory");
	err = connect_once(
		uri, SQLITE_OPEN_READONLY | SQLITE_OPEN_URI, busy_timeout_ms, ret_handle);
	free(uri);
	return err;
}

int sqlite_connect_store(const struct store *store, sqlite3 **ret_handle)
{
	return sqlite_connect(
		store->url, SQLITE_OPEN_READWRITE, store->options.busy_timeout_ms, ret_handle);
}

static int fail_displaced(const char *path)
{
	return store_fail(-EIO,
		"%s was moved, deleted or replaced while it was open: nothing more is saved; put "
		"it back, or unmount and mount again",
		path);
}

int sqlite_check_place(sqlite3 *handle)
{
	int moved = 0;
	int code = sqlite3_file_control(handle, "main", SQLITE_FCNTL_HAS_MOVED, &moved);
	if (code != SQLITE_OK || !moved)
		return 0;
	return fail_displaced(sqlite3_db_filename(handle, "main"));
}

/* All connections of a store are to one file, also one that is made later. */
static int check_same(const struct store *store)
{
	struct stat st;
	if (stat(store->url, &st) == 0 && st.st_dev == store->device && st.st_ino == store->inode)
		return 0;
	return fail_displaced(store->url);
}

/* Each connection has its own cache; SQLite takes a negative size as KiB. */
static void bound_cache(const struct store *store, sqlite3 *handle)
{
	char pragma[64];
	if (!store->options.cache_max)
		return;
	snprintf(pragma, sizeof(pragma), "PRAGMA cache_size = -%zu",
		store->options.cache_max / 1024);
	sqlite3_exec(handle, pragma, NULL, NULL, NULL);
}

static void disconnect(struct sqlite_db *db)
{
	for (int i = 0; i < N_SQL; i++) {
		sqlite3_finalize(db->statements[i]);
		db->statements[i] = NULL;
	}
	sqlite_triggers_finish(&db->triggers);
	sqlite3_finalize(db->rollback);
	sqlite3_close(db->handle);
	db->rollback = NULL;
	db->handle = NULL;
}

static int connect_db(struct sqlite_db *db)
{
	const struct store *store = db->db.store;
	int err = check_same(store);
	if (!err)
		err = sqlite_stamp_connect(&db->stamp, store, &db->handle);
	if (err)
		return err;
	int code = sqlite3_prepare_v3(
		db->handle, "ROLLBACK", -1, SQLITE_PREPARE_PERSISTENT, &db->rollback, NULL);
	err = code == SQLITE_OK ? 0 : sqlite_fail(db->handle, code);
	if (!err && db->write)
		err = sqlite_triggers_init(&db->triggers, db->handle);
	if (err) {
		disconnect(db);
		return err;
	}
	bound_cache(store, db->handle);
	if (!db->write)
		sqlite3_exec(db->handle, "PRAGMA query_only = 1", NULL, NULL, NULL);
	return 0;
}

int sqlite_open(struct store *store, bool write, struct db **ret_db)
{
	struct sqlite_db *db = calloc(1, sizeof(*db));
	if (!db)
		return store_fail(-ENOMEM, "out of memory");
	db->db = (struct db){.engine = &sqlite_engine, .store = store};
	db->write = write;
	int err = connect_db(db);
	if (err)
		free(db);
	else
		*ret_db = &db->db;
	return err;
}

int sqlite_renew(struct sqlite_db *db)
{
	if (!db->handle)
		return connect_db(db);
	if (!sqlite_stamp_is_old(&db->stamp, db->db.store->url) ||
		!sqlite3_get_autocommit(db->handle))
		return 0;
	for (sqlite3_stmt *s = NULL; (s = sqlite3_next_stmt(db->handle, s));)
		if (sqlite3_stmt_busy(s))
			return 0;
	disconnect(db);
	return connect_db(db);
}

void sqlite_close(struct db *base)
{
	struct sqlite_db *db = (struct sqlite_db *)base;
	disconnect(db);
	free(db);
}

/* A damaged table may hold anything: key is NULL where there is none. */
static bool is_set_up(sqlite3 *handle)
{
	return !sqlite3_table_column_metadata(
		handle, "main", "pymodfs_setting", "key", NULL, NULL, NULL, NULL, NULL);
}

int sqlite_check_encoding(sqlite3 *handle, const char *path)
{
	sqlite3_stmt *statement = NULL;
	int code = sqlite3_prepare_v2(handle, "PRAGMA encoding", -1, &statement, NULL);
	if (code == SQLITE_OK)
		code = sqlite3_step(statement);
	const char *encoding =
		code == SQLITE_ROW ? (const char *)sqlite3_column_text(statement, 0) : NULL;
	int err = 0;
	if (code != SQLITE_ROW)
		err = sqlite_fail(handle, code);
	else if (encoding && strcmp(encoding, "UTF-8"))
		err = store_fail(-EINVAL,
			"%s is not stored as UTF-8; dump it into a new database first", path);
	sqlite3_finalize(statement);
	return err;
}

int sqlite_load_setting(
	sqlite3 *handle, const char *path, bool old_too, struct db_setting *ret_setting)
{
	sqlite3_stmt *statement = NULL;
	if (!is_set_up(handle))
		return store_fail(
			-ENOENT, "%s is not set up yet; run: pymodfs init %s", path, path);
	int err = sqlite_check_encoding(handle, path);
	if (err)
		return err;
	int code = sqlite3_prepare_v2(
		handle, "SELECT key, value FROM pymodfs_setting", -1, &statement, NULL);
	while (code == SQLITE_OK || code == SQLITE_ROW) {
		code = sqlite3_step(statement);
		if (code == SQLITE_ROW)
			setting_take(ret_setting, (const char *)sqlite3_column_text(statement, 0),
				(const char *)sqlite3_column_text(statement, 1));
	}
	sqlite3_finalize(statement);
	if (code != SQLITE_DONE)
		return sqlite_fail(handle, code);
	return setting_check(ret_setting, path, old_too);
}

/* The file's absolute name takes the place of the URL, so that it holds after a chdir. */
static int resolve_path(struct store *store)
{
	struct stat st;
	char *path = realpath(store->url, NULL);
	if (!path && strstr(store->url, "://"))
		return store_fail(-ENOENT,
			"%s: of databases on a server only postgresql://... is known", store->url);
	if (!path && errno == ENOENT)
		return store_fail(-ENOENT, "no such database: %s; make one with: pymodfs init %s%s",
			store->url, store->url[0] == '-' ? "./" : "", store->url);
	if (!path)
		return store_fail(-errno, "%s: %s", store->url, strerror(errno));
	bool there = stat(path, &st) == 0;
	if (there && !S_ISREG(st.st_mode)) {
		int err =
			store_fail(-EINVAL, "%s is not a database: not a regular file", store->url);
		free(path);
		return err;
	}
	if (there) {
		store->device = st.st_dev;
		store->inode = st.st_ino;
	}
	free(store->url);
	store->url = path;
	return 0;
}

int sqlite_read_setting(struct store *store, struct db_setting *ret_setting)
{
	sqlite3 *handle = NULL;
	int err = resolve_path(store);
	if (err)
		return err;
	err = sqlite_connect_store(store, &handle);
	if (err == -EUCLEAN)
		return store_fail(
			err, "%s is not a database, or damaged: %s", store->url, store_error());
	if (err && access(store->url, R_OK) && errno == EACCES)
		return sqlite_refuse_to_read(store->url);
	if (err)
		return store_fail(err, "can't open %s: %s", store->url, store_error());
	if (!store->options.read_only && sqlite3_db_readonly(handle, "main") == 1)
		err = store_note_refusal(store, sqlite_refuse_to_write(store->url));
	if (!err)
		err = sqlite_load_setting(handle, store->url, store->options.old_too, ret_setting);
	if (!err && !store->options.old_too)
		err = sqlite_check_triggers(handle, store->url, ret_setting);
	sqlite3_close(handle);
	return err;
}
