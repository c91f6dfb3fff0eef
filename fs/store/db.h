/* SPDX-License-Identifier: MIT */
/*
 * db.h - what the store needs of a database engine; private to fs/store.
 *
 * The store's logic (read.c, write.c, move.c, ...) is written once against this interface; an engine
 * (sqlite*.c, postgres*.c) implements it. The engine maps its errors to the errnos that store.h
 * lists and leaves its words with store_fail().
 *
 * A connection belongs to one thread at a time.
 */
#ifndef PYMODFS_STORE_DB_H
#define PYMODFS_STORE_DB_H

#include "sql.h"
#include "store.h"

struct db;
struct db_row;

enum db_type {
	DB_TYPE_NULL,
	DB_TYPE_INT,
	DB_TYPE_TEXT,
	DB_TYPE_BLOB,
};

/* A value bound to a statement; the bytes are the caller's and live until db_run() returns. */
struct db_value {
	enum db_type type;
	int64_t number;
	const void *data;
	size_t size;
};

struct db_value db_int(int64_t number);
/* NULL makes an SQL NULL. */
struct db_value db_text(const char *text);
struct db_value db_blob(const void *data, size_t size);
/* Text where it is well-formed UTF-8 without NUL, else a blob. */
struct db_value db_source(const void *data, size_t size);
/* NULL for a negative number: an attribute that was never set. */
struct db_value db_int_or_null(int64_t number);

/* The arguments of db_run() for a list of values. */
#define DB_VALUES(...)                          \
	(const struct db_value[]){__VA_ARGS__}, \
		sizeof((const struct db_value[]){__VA_ARGS__}) / sizeof(struct db_value)
#define DB_NO_VALUES NULL, 0

/* Called for each row; a value other than 0 ends the statement and is returned by db_run(). */
typedef int db_row_fn(void *arg, const struct db_row *row);

/* What a file says about the store in it. */
struct db_setting {
	int64_t schema;
	char *uuid, *table, *name_column, *source_column;
};

struct store_init_options;

struct db_engine {
	/* As store_init(). */
	int (*init)(const char *url, const struct store_init_options *options, bool *ret_fresh);
	/* As store_shown_url(). */
	char *(*shown_url)(const char *url);
	/* What init left in the database: refuses, in words, whatever can't be used. */
	int (*read_setting)(struct store *store, struct db_setting *ret_setting);
	/* Opens a connection. write: one that begins transactions. Creates no database. */
	int (*open)(struct store *store, bool write, struct db **ret_db);
	void (*close)(struct db *db);
	int (*run)(struct db *db, enum sql sql, const struct db_value *values, size_t n_values,
		db_row_fn *fn, void *arg);
	/* A read transaction, and a write transaction that has the lock before it returns. */
	int (*begin_read)(struct db *db);
	void (*end_read)(struct db *db);
	int (*begin_write)(struct db *db, int timeout_ms);
	int (*commit)(struct db *db);
	void (*rollback)(struct db *db);
	/* Rows changed by the last statement that db_run() ran. */
	int64_t (*affected)(const struct db *db);

	bool (*is_null)(const struct db_row *row, int column);
	int64_t (*get_int)(const struct db_row *row, int column);
	/* The bytes of a text or blob, NUL-terminated only where the value is text. ret_size may be NULL. */
	const void *(*get_bytes)(const struct db_row *row, int column, size_t *ret_size);

	/* As store_backup(), store_check(), store_upgrade(). */
	int (*backup)(struct store *store, const char *file, store_progress_fn *fn, void *arg);
	int (*check)(struct store *store, int (*fn)(void *arg, const char *words), void *arg);
	int (*upgrade)(struct store *store, int64_t *ret_from);

	int (*watch_create)(struct store *store, struct store_watch **ret_watch);
	void (*watch_destroy)(struct store_watch *watch);
	int (*watch_wait)(
		struct store_watch *watch, int wake_fd, int timeout_ms, bool *ret_changed);
};

extern const struct db_engine sqlite_engine, postgres_engine;

/* A connection, as the engines embed it as their first member. */
struct db {
	const struct db_engine *engine;
	struct store *store;
};

/* A row in the hands of a db_row_fn; likewise. */
struct db_row {
	const struct db_engine *engine;
};

/* A watch; likewise. */
struct store_watch {
	const struct db_engine *engine;
};

int db_run(struct db *db, enum sql sql, const struct db_value *values, size_t n_values,
	db_row_fn *fn, void *arg);
/* Runs a statement for its effect. */
int db_do(struct db *db, enum sql sql, const struct db_value *values, size_t n_values);
/* The single integer that a statement gives; missing when it gives no row. */
int db_number(struct db *db, enum sql sql, const struct db_value *values, size_t n_values,
	int64_t missing, int64_t *ret_number);
int64_t db_affected(const struct db *db);

bool db_is_null(const struct db_row *row, int column);
int64_t db_get_int(const struct db_row *row, int column);
/* A NULL counts as -1, as in struct store_node. */
int64_t db_get_int_or_unset(const struct db_row *row, int column);
/* Text, NUL-terminated; "" for NULL. Valid during the callback, until the next call for this column. */
const char *db_get_text(const struct db_row *row, int column);
/* Likewise, but NULL for NULL. */
const char *db_get_text_or_null(const struct db_row *row, int column);
const void *db_get_bytes(const struct db_row *row, int column, size_t *ret_size);

#endif
