/* SPDX-License-Identifier: MIT */
/*
 * Connections to a PostgreSQL database, and the settings that init left in it. The tables are found
 * by the connection's search path. A connection is used by one thread at a time; nothing here takes a
 * lock. The password of a URL stays in store->connection; what is shown has none.
 */
#include "postgres.h"

#include "error.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* No file is read and nothing is asked: notices of the server would go to stderr. */
static void ignore_notice(void *arg, const char *message)
{
}

int postgres_execute(PGconn *connection, const char *text)
{
	PGresult *result = PQexec(connection, text);
	ExecStatusType status = PQresultStatus(result);
	int err = status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK
			  ? 0
			  : postgres_fail(connection, result);
	PQclear(result);
	return err;
}

/*
 * Plans are kept with the prepared statements; one made while a table was small must not scan it for ever.
 * Every look-up has its index.
 */
int postgres_prepare_session(PGconn *connection)
{
	if (PQsetnonblocking(
		    connection, 1)) /* for postgres_answer(); PQexec() waits all the same */
		return postgres_fail(connection, NULL);
	return postgres_execute(connection, "SET enable_seqscan = off; SET jit = off");
}

int postgres_connect(const char *url, PGconn **ret_connection)
{
	/*
	 * What stands before the URL are defaults, what stands after it holds in any case. Who only listens would never learn
	 * that the server's host or the network has gone and come back: so the kernel asks, where it has heard nothing for a while.
	 */
	static const char *const keys[] = {"connect_timeout", "tcp_user_timeout", "keepalives_idle",
		"keepalives_interval", "keepalives_count", "fallback_application_name", "dbname",
		"client_encoding", NULL};
	const char *const values[] = {"5", "10000", "10", "5", "2", "pymodfs", url, "UTF8", NULL};
	PGconn *connection = PQconnectdbParams(keys, values, 1);
	if (PQstatus(connection) != CONNECTION_OK) {
		char *shown = postgres_shown_url(url);
		int err = store_fail(-EIO, "can't connect to %s: %s", shown ? shown : "the server",
			connection ? PQerrorMessage(connection) : "out of memory");
		free(shown);
		PQfinish(connection);
		return err;
	}
	PQsetNoticeProcessor(connection, ignore_notice, NULL);
	int err = postgres_prepare_session(connection);
	if (err) {
		PQfinish(connection);
		return err;
	}
	*ret_connection = connection;
	return 0;
}

int postgres_open(struct store *store, bool write, struct db **ret_db)
{
	struct postgres_db *db = calloc(1, sizeof(*db));
	if (!db)
		return store_fail(-ENOMEM, "out of memory");
	int err = postgres_connect(store->connection, &db->connection);
	if (err) {
		free(db);
		return err;
	}
	db->db = (struct db){.engine = &postgres_engine, .store = store};
	*ret_db = &db->db;
	return 0;
}

void postgres_close(struct db *base)
{
	struct postgres_db *db = (struct postgres_db *)base;
	PQfinish(db->connection);
	free(db);
}

int postgres_load_setting(
	PGconn *connection, const char *shown, bool old_too, struct db_setting *ret_setting)
{
	PGresult *result = PQexec(connection, "SELECT to_regclass('pymodfs_setting') IS NOT NULL");
	bool set_up = PQresultStatus(result) == PGRES_TUPLES_OK && *PQgetvalue(result, 0, 0) == 't';
	PQclear(result);
	if (!set_up)
		return store_fail(
			-ENOENT, "%s is not set up yet; run: pymodfs init %s", shown, shown);
	result = PQexec(
		connection, "SELECT key, value FROM pymodfs_setting WHERE value IS NOT NULL");
	int err = PQresultStatus(result) == PGRES_TUPLES_OK ? 0 : postgres_fail(connection, result);
	for (int i = 0; !err && i < PQntuples(result); i++)
		setting_take(ret_setting, PQgetvalue(result, i, 0), PQgetvalue(result, i, 1));
	PQclear(result);
	return err ? err : setting_check(ret_setting, shown, old_too);
}

/* Can anything be written? $1: the user's table, quoted. A letter says why not, with the role behind it. */
#define REFUSAL                                                            \
	"SELECT CASE WHEN pg_is_in_recovery() THEN 's'"                    \
	" WHEN current_setting('transaction_read_only')::boolean THEN 't'" \
	" WHEN NOT has_table_privilege($1, 'INSERT, UPDATE, DELETE')"      \
	" AND NOT has_any_column_privilege($1, 'INSERT, UPDATE') THEN 'r' || current_user END"

static int check_triggers(PGconn *connection, const char *shown, const struct db_setting *setting)
{
	bool has;
	int err = postgres_has_triggers(connection, setting->table, &has);
	return err || has ? err : setting_fail_triggers(setting, shown);
}

static int refuse_to_write(const char *why)
{
	switch (*why) {
	case 's':
		return store_fail(-EROFS, "the server is a standby; name the primary in its place");
	case 't':
		return store_fail(
			-EROFS, "its transactions are read-only (default_transaction_read_only)");
	case 'r':
		return store_fail(-EROFS,
			"the role %s may not write the table; GRANT it INSERT, UPDATE, DELETE",
			why + 1);
	default:
		return 0;
	}
}

static int check_writable(PGconn *connection, const char *table)
{
	char *quoted = PQescapeIdentifier(connection, table, strlen(table));
	if (!quoted)
		return postgres_fail(connection, NULL);
	const char *const values[] = {quoted};
	PGresult *result = PQexecParams(connection, REFUSAL, 1, NULL, values, NULL, NULL, 0);
	int err = PQresultStatus(result) == PGRES_TUPLES_OK
			  ? refuse_to_write(PQgetvalue(result, 0, 0))
			  : postgres_fail(connection, result);
	PQclear(result);
	PQfreemem(quoted);
	return err;
}

int postgres_read_setting(struct store *store, struct db_setting *ret_setting)
{
	PGconn *connection;
	char *shown = postgres_shown_url(store->url);
	if (!shown)
		return store_fail(-ENOMEM, "out of memory");
	store->connection = store->url;
	store->url = shown;
	int err = postgres_connect(store->connection, &connection);
	if (err)
		return err;
	err = postgres_load_setting(connection, store->url, store->options.old_too, ret_setting);
	if (!err && !store->options.old_too)
		err = check_triggers(connection, store->url, ret_setting);
	if (!err && !store->options.read_only)
		err = store_note_refusal(store, check_writable(connection, ret_setting->table));
	PQfinish(connection);
	return err;
}
