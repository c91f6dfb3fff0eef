/* SPDX-License-Identifier: MIT */
/*
 * Running statements on SQLite. Each statement is prepared once per connection and reset before
 * run() returns, whatever happened, so that no connection keeps an old snapshot or a lock by
 * accident. A statement that is already running further up (a callback reads on) gets a copy. No
 * lock: a connection belongs to one thread at a time.
 */
#include "sqlite.h"

#include "clock.h"
#include "error.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct sqlite_row {
	struct db_row row;
	sqlite3_stmt *statement;
};

static int prepare(struct sqlite_db *db, enum sql sql, unsigned flags, sqlite3_stmt **ret_statement)
{
	const struct db_setting *setting = &db->db.store->setting;
	char *text = sql_substitute(
		sql_text(sql), setting->table, setting->name_column, setting->source_column);
	if (!text)
		return store_fail(-ENOMEM, "out of memory");
	int code = sqlite3_prepare_v3(db->handle, text, -1, flags, ret_statement, NULL);
	free(text);
	return code == SQLITE_OK ? 0 : sqlite_fail(db->handle, code);
}

/* The connection's own statement, or *ret_copy, which the caller finalises. */
static int get_statement(
	struct sqlite_db *db, enum sql sql, sqlite3_stmt **ret_statement, sqlite3_stmt **ret_copy)
{
	sqlite3_stmt *copy = NULL;
	int err = 0;
	if (!db->statements[sql])
		err = prepare(db, sql, SQLITE_PREPARE_PERSISTENT, &db->statements[sql]);
	else if (sqlite3_stmt_busy(db->statements[sql]))
		err = prepare(db, sql, 0, &copy);
	if (err)
		return err;
	*ret_statement = copy ? copy : db->statements[sql];
	*ret_copy = copy;
	return 0;
}

static int bind_value(sqlite3_stmt *statement, int i, const struct db_value *value)
{
	switch (value->type) {
	case DB_TYPE_INT:
		return sqlite3_bind_int64(statement, i, value->number);
	case DB_TYPE_TEXT:
		return sqlite3_bind_text64(
			statement, i, value->data, value->size, SQLITE_STATIC, SQLITE_UTF8);
	case DB_TYPE_BLOB:
		return sqlite3_bind_blob64(statement, i, value->data, value->size, SQLITE_STATIC);
	case DB_TYPE_NULL:
		break;
	}
	return sqlite3_bind_null(statement, i);
}

static int bind_values(sqlite3_stmt *statement, const struct db_value *values, size_t n_values)
{
	int code = SQLITE_OK;
	for (size_t i = 0; i < n_values && code == SQLITE_OK; i++)
		code = bind_value(statement, (int)i + 1, &values[i]);
	return code;
}

/* A text or blob for which there is no memory reads as none: nobody may take that for what is there. */
static bool is_readable(sqlite3_stmt *statement)
{
	for (int i = 0; i < sqlite3_column_count(statement); i++) {
		int type = sqlite3_column_type(statement, i);
		if (type == SQLITE_TEXT && !sqlite3_column_text(statement, i))
			return false;
		if (type == SQLITE_BLOB && !sqlite3_column_blob(statement, i) &&
			sqlite3_errcode(sqlite3_db_handle(statement)) == SQLITE_NOMEM)
			return false;
	}
	return true;
}

/* SQLITE_DONE, an error, or SQLITE_ROW with what fn returned in *ret_stop. */
static int step_rows(sqlite3_stmt *statement, db_row_fn *fn, void *arg, int *ret_stop)
{
	const struct sqlite_row row = {.row = {&sqlite_engine}, .statement = statement};
	int code;
	while ((code = sqlite3_step(statement)) == SQLITE_ROW) {
		if (!is_readable(statement))
			return SQLITE_NOMEM;
		*ret_stop = fn ? fn(arg, &row.row) : 0;
		/* A number that was asked for as text. */
		if (!*ret_stop && sqlite3_errcode(sqlite3_db_handle(statement)) == SQLITE_NOMEM)
			return SQLITE_NOMEM;
		if (*ret_stop)
			break;
	}
	return code;
}

static int sqlite_run(struct db *base, enum sql sql, const struct db_value *values, size_t n_values,
	db_row_fn *fn, void *arg)
{
	struct sqlite_db *db = (struct sqlite_db *)base;
	sqlite3_stmt *statement, *copy;
	int stop = 0;
	int err = sqlite_renew(db);
	if (!err)
		err = get_statement(db, sql, &statement, &copy);
	if (err)
		return err;
	int code = bind_values(statement, values, n_values);
	if (code == SQLITE_OK)
		code = step_rows(statement, fn, arg, &stop);
	db->affected = sqlite3_changes64(db->handle);
	if (code != SQLITE_DONE && code != SQLITE_ROW)
		err = sqlite_fail(db->handle, code);
	sqlite3_reset(statement);
	sqlite3_clear_bindings(statement);
	sqlite3_finalize(copy);
	return err ? err : stop;
}

static int execute(struct sqlite_db *db, const char *text)
{
	int code = sqlite3_exec(db->handle, text, NULL, NULL, NULL);
	return code == SQLITE_OK ? 0 : sqlite_fail(db->handle, code);
}

/* Prepared beforehand: it is wanted when there is no memory, and a transaction that stays keeps everybody's lock. */
static void sqlite_rollback(struct db *base)
{
	struct sqlite_db *db = (struct sqlite_db *)base;
	if (!db->handle || sqlite3_get_autocommit(db->handle))
		return;
	sqlite3_step(db->rollback);
	sqlite3_reset(db->rollback);
}

/* A deferred transaction has no snapshot before its first read. */
static int sqlite_begin_read(struct db *base)
{
	struct sqlite_db *db = (struct sqlite_db *)base;
	int64_t change;
	int err = sqlite_renew(db);
	if (!err)
		err = execute(db, "BEGIN");
	if (err)
		return err;
	err = db_number(base, SQL_LAST_CHANGE, DB_NO_VALUES, 0, &change);
	if (err)
		sqlite_rollback(base);
	return err;
}

/*
 * Not sqlite3_busy_timeout(): it tries only every 100 ms in the end, and who tries so seldom among writers that never rest
 * may not get the lock for seconds, while the kernel keeps readers from the directory that the change is about.
 */
static int wait_for_lock(void *arg, int tries)
{
	const struct sqlite_db *db = arg;
	if (clock_monotonic_ms() >= db->deadline)
		return 0;
	sqlite3_sleep(tries < 100 ? 1 : 5);
	return 1;
}

static int sqlite_begin_write(struct db *base, int timeout_ms)
{
	struct sqlite_db *db = (struct sqlite_db *)base;
	int err = sqlite_check_place(db->handle);
	if (err)
		return err;
	db->deadline = clock_monotonic_ms() + timeout_ms;
	sqlite3_busy_handler(db->handle, wait_for_lock, db);
	err = execute(db, "BEGIN IMMEDIATE");
	if (err)
		return err;
	err = sqlite_triggers_check(&db->triggers, db->db.store);
	if (err)
		sqlite_rollback(base);
	return err;
}

static int sqlite_commit(struct db *base)
{
	struct sqlite_db *db = (struct sqlite_db *)base;
	/* After some errors (a full disk, say) SQLite has rolled back by itself. */
	if (sqlite3_get_autocommit(db->handle))
		return store_fail(-EIO, "the transaction was rolled back");
	int err = execute(db, "COMMIT");
	if (err)
		sqlite_rollback(base);
	return err;
}

static int64_t sqlite_affected(const struct db *base)
{
	return ((const struct sqlite_db *)base)->affected;
}

static bool sqlite_is_null(const struct db_row *row, int column)
{
	return sqlite3_column_type(((const struct sqlite_row *)row)->statement, column) ==
	       SQLITE_NULL;
}

static int64_t sqlite_get_int(const struct db_row *row, int column)
{
	return sqlite3_column_int64(((const struct sqlite_row *)row)->statement, column);
}

static const void *sqlite_get_bytes(const struct db_row *row, int column, size_t *ret_size)
{
	sqlite3_stmt *statement = ((const struct sqlite_row *)row)->statement;
	bool blob = sqlite3_column_type(statement, column) == SQLITE_BLOB;
	const void *bytes = blob ? sqlite3_column_blob(statement, column)
				 : sqlite3_column_text(statement, column);
	if (ret_size)
		*ret_size = (size_t)sqlite3_column_bytes(statement, column);
	return bytes ? bytes : "";
}

const struct db_engine sqlite_engine = {
	.init = sqlite_init,
	.shown_url = strdup,
	.read_setting = sqlite_read_setting,
	.open = sqlite_open,
	.close = sqlite_close,
	.run = sqlite_run,
	.begin_read = sqlite_begin_read,
	.end_read = sqlite_rollback,
	.begin_write = sqlite_begin_write,
	.commit = sqlite_commit,
	.rollback = sqlite_rollback,
	.affected = sqlite_affected,
	.is_null = sqlite_is_null,
	.get_int = sqlite_get_int,
	.get_bytes = sqlite_get_bytes,
	.backup = sqlite_backup,
	.check = sqlite_check,
	.upgrade = sqlite_upgrade,
	.watch_create = sqlite_watch_create,
	.watch_destroy = sqlite_watch_destroy,
	.watch_wait = sqlite_watch_wait,
};
