/* SPDX-License-Identifier: MIT */
/*
 * Running statements on PostgreSQL. Each is prepared once per connection. Results come whole and in
 * binary: callers ask for portions of what can be long. Bytes go as they are, numbers as decimal text,
 * which fits whatever width the server infers.
 *
 * A connection that is lost outside a transaction is made anew and the statement, which can only be a
 * read, run again; inside one the transaction is gone, and that is an error. One writer at a time: an
 * advisory lock that the schema's triggers take too. No lock here: a connection belongs to one thread at
 * a time.
 */
#include "postgres.h"

#include "clock.h"
#include "error.h"

#include <endian.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define VALUES_MAX 8
#define RETRY_MS 1000
#define TRANSACTION_PATIENCE 6 /* times what an answer outside one may take */

struct postgres_row {
	struct db_row row;
	const PGresult *result;
	int number;
};

static bool in_transaction(const struct postgres_db *db)
{
	PGTransactionStatusType status = PQtransactionStatus(db->connection);
	return status == PQTRANS_INTRANS || status == PQTRANS_INERROR;
}

/*
 * The errno of a failure; notes whether the connection is lost. PQstatus() alone doesn't tell at once: what
 * a dying server sent may be read first. A failure without an SQLSTATE comes from libpq itself.
 */
static int fail(struct postgres_db *db, const PGresult *result)
{
	const char *state = PQresultErrorField(result, PG_DIAG_SQLSTATE);
	db->lost =
		PQstatus(db->connection) == CONNECTION_BAD || !state || !strncmp(state, "57P", 3);
	return postgres_fail(db->connection, result);
}

/* How long the server may be silent. What is done in a transaction may take it longer. */
static int silence_ms(const struct postgres_db *db)
{
	int limit = db->db.store->options.silence_ms;
	return !limit ? -1 : in_transaction(db) ? limit * TRANSACTION_PATIENCE : limit;
}

/* more_ms: it may wait for a lock for that long. */
static PGresult *ask(struct postgres_db *db, const char *text, int more_ms)
{
	int limit = silence_ms(db);
	return postgres_answer(db->connection, PQsendQuery(db->connection, text),
		limit < 0 ? limit : limit + more_ms);
}

static int execute(struct postgres_db *db, const char *text, int more_ms)
{
	PGresult *result = ask(db, text, more_ms);
	ExecStatusType status = PQresultStatus(result);
	int err = status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK ? 0 : fail(db, result);
	PQclear(result);
	return err;
}

static int prepare(struct postgres_db *db, enum sql sql, const char *name)
{
	char *text = postgres_sql_text(sql, &db->db.store->setting);
	if (!text)
		return store_fail(-ENOMEM, "out of memory");
	int limit = silence_ms(db);
	PGresult *result = postgres_answer(
		db->connection, PQsendPrepare(db->connection, name, text, 0, NULL), limit);
	int err = PQresultStatus(result) == PGRES_COMMAND_OK ? 0 : fail(db, result);
	PQclear(result);
	free(text);
	db->prepared[sql] = !err;
	return err;
}

/* libpq's parallel arrays for the values of a statement. */
struct bound {
	const char *values[VALUES_MAX];
	int lengths[VALUES_MAX], formats[VALUES_MAX];
	char numbers[VALUES_MAX][24];
};

static int bind(struct bound *bound, const struct db_value *values, size_t n_values)
{
	for (size_t i = 0; i < n_values; i++) {
		bound->values[i] = NULL;
		bound->lengths[i] = (int)values[i].size;
		bound->formats[i] = values[i].type != DB_TYPE_INT;
		if (values[i].size > INT32_MAX)
			return store_fail(-EFBIG, "larger than PostgreSQL takes");
		if (values[i].type == DB_TYPE_INT) {
			snprintf(bound->numbers[i], sizeof(bound->numbers[i]), "%lld",
				(long long)values[i].number);
			bound->values[i] = bound->numbers[i];
		} else if (values[i].type != DB_TYPE_NULL) {
			bound->values[i] = values[i].data;
		}
	}
	return 0;
}

static int run_once(struct postgres_db *db, enum sql sql, const struct db_value *values,
	size_t n_values, PGresult **ret_result)
{
	struct bound bound;
	char name[16];
	snprintf(name, sizeof(name), "s%d", (int)sql);
	int err = bind(&bound, values, n_values);
	if (!err && !db->prepared[sql])
		err = prepare(db, sql, name);
	if (err)
		return err;
	int limit = silence_ms(db);
	int sent = PQsendQueryPrepared(
		db->connection, name, (int)n_values, bound.values, bound.lengths, bound.formats, 1);
	PGresult *result = postgres_answer(db->connection, sent, limit);
	ExecStatusType status = PQresultStatus(result);
	if (status != PGRES_COMMAND_OK && status != PGRES_TUPLES_OK) {
		err = fail(db, result);
		PQclear(result);
		return err;
	}
	*ret_result = result;
	return 0;
}

/* Where it takes seconds to fail not more often than each second, since others wait meanwhile. */
static int reconnect(struct postgres_db *db)
{
	if (clock_monotonic_ms() < db->retry)
		return postgres_fail(db->connection, NULL);
	int64_t begun = clock_monotonic_ms();
	PQreset(db->connection);
	memset(db->prepared, 0, sizeof(db->prepared));
	int err = PQstatus(db->connection) == CONNECTION_OK
			  ? postgres_prepare_session(db->connection)
			  : postgres_fail(db->connection, NULL);
	db->lost = err != 0;
	int64_t now = clock_monotonic_ms();
	db->retry = err && now - begun > RETRY_MS / 2 ? now + RETRY_MS : 0;
	return err;
}

static int postgres_run(struct db *base, enum sql sql, const struct db_value *values,
	size_t n_values, db_row_fn *fn, void *arg)
{
	struct postgres_db *db = (struct postgres_db *)base;
	PGresult *result = NULL;
	int err = db->lost ? -EIO : run_once(db, sql, values, n_values, &result);
	if (err && !db->begun && db->lost) {
		err = reconnect(db);
		if (!err)
			err = run_once(db, sql, values, n_values, &result);
	}
	if (err)
		return err;
	db->affected = strtoll(PQcmdTuples(result), NULL, 10);
	struct postgres_row row = {.row = {&postgres_engine}, .result = result};
	for (; fn && !err && row.number < PQntuples(result); row.number++)
		err = fn(arg, &row.row);
	PQclear(result);
	return err;
}

static void postgres_rollback(struct db *base)
{
	struct postgres_db *db = (struct postgres_db *)base;
	db->begun = false;
	if (in_transaction(db))
		PQclear(ask(db, "ROLLBACK", 0));
}

static int begin(struct postgres_db *db, const char *text)
{
	int err = db->lost ? -EIO : execute(db, text, 0);
	if (err && db->lost) {
		err = reconnect(db);
		if (!err)
			err = execute(db, text, 0);
	}
	db->begun = !err;
	return err;
}

/* The snapshot is taken by the first statement. */
static int postgres_begin_read(struct db *base)
{
	int64_t change;
	int err = begin(
		(struct postgres_db *)base, "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY");
	if (!err)
		err = db_number(base, SQL_LAST_CHANGE, DB_NO_VALUES, 0, &change);
	if (err)
		postgres_rollback(base);
	return err;
}

/* In one go: becomes the one writer, and looks whether the table has its triggers. */
static int lock_and_look(struct postgres_db *db, int timeout_ms)
{
	const struct store *store = db->db.store;
	char *text, *query = postgres_triggers_query(db->connection, store->setting.table);
	/* 0 would be no limit at all. */
	int length =
		query ? asprintf(&text, "SET LOCAL lock_timeout = %d; SELECT pymodfs_lock(); %s",
				timeout_ms > 0 ? timeout_ms : 1, query)
		      : -1;
	free(query);
	if (length < 0)
		return store_fail(-ENOMEM, "out of memory");
	PGresult *result = ask(db, text, timeout_ms);
	int err = 0;
	if (PQresultStatus(result) != PGRES_TUPLES_OK)
		err = fail(db, result);
	else if (*PQgetvalue(result, 0, 0) != 't')
		err = setting_fail_triggers(&store->setting, store->url);
	PQclear(result);
	free(text);
	return err;
}

static int postgres_begin_write(struct db *base, int timeout_ms)
{
	struct postgres_db *db = (struct postgres_db *)base;
	int err = begin(db, "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE");
	if (!err)
		err = lock_and_look(db, timeout_ms);
	if (err)
		postgres_rollback(base);
	return err;
}

static int postgres_commit(struct db *base)
{
	struct postgres_db *db = (struct postgres_db *)base;
	if (db->lost) {
		db->begun = false;
		return -EIO; /* the words are those of the failure */
	}
	PGresult *result = ask(db, "COMMIT", 0);
	db->begun = false;
	int err = PQresultStatus(result) == PGRES_COMMAND_OK ? 0 : fail(db, result);
	/* After a failed statement COMMIT succeeds in rolling back. */
	if (!err && strcmp(PQcmdStatus(result), "COMMIT"))
		err = store_fail(-EIO, "the transaction was rolled back");
	PQclear(result);
	return err;
}

static int64_t postgres_affected(const struct db *base)
{
	return ((const struct postgres_db *)base)->affected;
}

static bool postgres_is_null(const struct db_row *base, int column)
{
	const struct postgres_row *row = (const struct postgres_row *)base;
	return PQgetisnull(row->result, row->number, column);
}

/* A boolean or an integer of any width, most significant byte first. */
static int64_t postgres_get_int(const struct db_row *base, int column)
{
	const struct postgres_row *row = (const struct postgres_row *)base;
	const unsigned char *bytes =
		(const unsigned char *)PQgetvalue(row->result, row->number, column);
	int length = PQgetlength(row->result, row->number, column);
	uint64_t number = length && bytes[0] & 0x80 ? UINT64_MAX : 0;
	for (int i = 0; i < length; i++)
		number = number << 8 | bytes[i];
	return (int64_t)number;
}

static const void *postgres_get_bytes(const struct db_row *base, int column, size_t *ret_size)
{
	const struct postgres_row *row = (const struct postgres_row *)base;
	if (ret_size)
		*ret_size = (size_t)PQgetlength(row->result, row->number, column);
	return PQgetvalue(row->result, row->number, column);
}

const struct db_engine postgres_engine = {
	.init = postgres_init,
	.shown_url = postgres_shown_url,
	.read_setting = postgres_read_setting,
	.open = postgres_open,
	.close = postgres_close,
	.run = postgres_run,
	.begin_read = postgres_begin_read,
	.end_read = postgres_rollback,
	.begin_write = postgres_begin_write,
	.commit = postgres_commit,
	.rollback = postgres_rollback,
	.affected = postgres_affected,
	.is_null = postgres_is_null,
	.get_int = postgres_get_int,
	.get_bytes = postgres_get_bytes,
	.backup = postgres_backup,
	.check = postgres_check,
	.upgrade = postgres_upgrade,
	.watch_create = postgres_watch_create,
	.watch_destroy = postgres_watch_destroy,
	.watch_wait = postgres_watch_wait,
};
