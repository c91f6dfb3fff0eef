/* SPDX-License-Identifier: MIT */
/* postgres.h - what the files of the PostgreSQL engine share; private to fs/store. */
#ifndef PYMODFS_STORE_POSTGRES_H
#define PYMODFS_STORE_POSTGRES_H

#include "store-private.h"

#include <libpq-fe.h>

struct postgres_db {
	struct db db;
	PGconn *connection;
	bool prepared[N_SQL];
	bool begun; /* a transaction: it ends with the connection, and nothing is carried out instead of it */
	bool lost;     /* the last failure was the connection's */
	int64_t retry; /* clock_monotonic_ms(): after a failure, not to be connected again before */
	int64_t affected;
};

/* ---- postgres-error.c ---- */

/* The errno and words of a failed result; of the connection where result says nothing. */
int postgres_fail(PGconn *connection, const PGresult *result);

/* ---- postgres-answer.c ---- */

/*
 * The last result of what was sent (sent: what PQsend...() returned), as PQexec() gives it. NULL: there is none, since the
 * connection is lost or the server was silent for that long (-1: there is no limit); then the connection is of no use any
 * more.
 */
PGresult *postgres_answer(PGconn *connection, int sent, int silence_ms);

/* ---- postgres-open.c ---- */

int postgres_connect(const char *url, PGconn **ret_connection);
/* What a connection needs after connecting, and after connecting again. */
int postgres_prepare_session(PGconn *connection);
int postgres_open(struct store *store, bool write, struct db **ret_db);
void postgres_close(struct db *db);
int postgres_read_setting(struct store *store, struct db_setting *ret_setting);
/* -ENOENT when init has not been here. */
int postgres_load_setting(
	PGconn *connection, const char *shown, bool old_too, struct db_setting *ret_setting);
/* The URL with *** for a password (postgres-url.c); the caller frees. NULL: no memory. */
char *postgres_shown_url(const char *url);
/* Runs one statement without values, for its effect. */
int postgres_execute(PGconn *connection, const char *text);

/* ---- postgres-sql.c ---- */

/* The statement in PostgreSQL's words, with the user's identifiers; the caller frees. NULL: no memory. */
char *postgres_sql_text(enum sql sql, const struct db_setting *setting);

/* ---- postgres-triggers.c ---- */

/* Asks in one row of one column whether the table has them; the caller frees. NULL: no memory. */
char *postgres_triggers_query(PGconn *connection, const char *table);
int postgres_has_triggers(PGconn *connection, const char *table, bool *ret_has);
/* Makes them anew and brings the tables beside the user's up to date, in the transaction that was begun. */
int postgres_renew_triggers(
	PGconn *connection, const char *table, const char *name, const char *source);

/* ---- postgres-init.c ---- */

int postgres_init(const char *url, const struct store_init_options *options, bool *ret_fresh);

/* ---- postgres-backup.c ---- */

int postgres_backup(struct store *store, const char *file, store_progress_fn *fn, void *arg);
int postgres_check(struct store *store, int (*fn)(void *arg, const char *words), void *arg);

/* ---- upgrade.c ---- */

int postgres_upgrade(struct store *store, int64_t *ret_from);

/* ---- postgres-watch.c ---- */

int postgres_watch_create(struct store *store, struct store_watch **ret_watch);
void postgres_watch_destroy(struct store_watch *watch);
int postgres_watch_wait(struct store_watch *watch, int wake_fd, int timeout_ms, bool *ret_changed);

#endif
