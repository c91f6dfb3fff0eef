/* SPDX-License-Identifier: MIT */
/*
 * From an earlier schema to this program's: a table of steps, each of which makes schema N what init makes of schema N + 1.
 * All that are needed run in one transaction. A step is never changed once a program with it has been given away: a new
 * schema is a new step, with the number in schema.sql, postgres.sql and STORE_SCHEMA.
 *
 * Nothing of the user's table is touched. One thread, one connection of its own.
 */
#include "error.h"
#include "postgres.h"
#include "sqlite.h"

#include <errno.h>
#include <stdlib.h>

/* 1 to 2: nothing but the number, which tells other programs that contents may be without their zeros. */
static const char *const sqlite_steps[STORE_SCHEMA] = {
	[1] = "",
	[2] = ("ALTER TABLE pymodfs_change ADD COLUMN txn INTEGER;"
	       "ALTER TABLE pymodfs_origin ADD COLUMN txn INTEGER;"
	       "DROP TRIGGER pymodfs_note;"
	       "CREATE TRIGGER pymodfs_note INSTEAD OF INSERT ON pymodfs_note\n"
	       "BEGIN\n"
	       "	INSERT INTO pymodfs_change (op, kind, node, parent, dir, base, version, "
	       "old_version,\n"
	       "		time, uid, pid, command, txn)\n"
	       "	SELECT NEW.op, NEW.kind, NEW.node, NEW.parent,\n"
	       "		coalesce(NEW.dir, (SELECT path FROM pymodfs_node WHERE id = "
	       "NEW.parent)),\n"
	       "		NEW.base, NEW.version, NEW.old_version, t.ns, o.uid, o.pid, "
	       "o.command,\n"
	       "		coalesce(o.txn,\n"
	       "			(SELECT c.txn FROM pymodfs_change c\n"
	       "			WHERE c.id = (SELECT max(id) FROM pymodfs_change)\n"
	       "				AND c.command IS o.command AND abs(t.ns - c.time) "
	       "<= 1000000),\n"
	       "			(SELECT max(id) + 1 FROM pymodfs_change), 1)\n"
	       "	FROM pymodfs_now t LEFT JOIN pymodfs_origin o;\n"
	       "END;"),
};

static const char *const postgres_steps[STORE_SCHEMA] = {
	[1] = "SELECT 1",
	[2] = ("ALTER TABLE pymodfs_change ADD COLUMN txn bigint;"
	       "CREATE OR REPLACE FUNCTION pymodfs_note(op text, kind text, node bigint, parent "
	       "bigint,"
	       " dir text, base text, version bigint, old_version bigint)"
	       " RETURNS void LANGUAGE plpgsql AS $$ "
	       "BEGIN"
	       " INSERT INTO pymodfs_change (op, kind, node, parent, dir, base, version,"
	       " old_version, time, uid, pid, command, txn)"
	       " SELECT $1, $2, $3, $4,"
	       " coalesce($5, (SELECT d.path FROM pymodfs_node d WHERE d.id = $4)),"
	       " $6, $7, $8, t.ns, o.uid, o.pid, o.command, pg_current_xact_id()::text::bigint"
	       " FROM pymodfs_now t, pymodfs_origin o; "
	       "END $$"),
};

int store_check_schema(const char *shown, int64_t schema, bool old_too)
{
	if (schema > STORE_SCHEMA)
		return store_fail(-EPROTO,
			"%s has schema %lld, newer than this program's %d; use a newer pymodfs",
			shown, (long long)schema, STORE_SCHEMA);
	if (schema < STORE_SCHEMA && !old_too)
		return store_fail(-EPROTO,
			"%s has schema %lld, older than this program's %d; run: pymodfs upgrade "
			"%s",
			shown, (long long)schema, STORE_SCHEMA, shown);
	return 0;
}

/* ---- SQLite ---- */

static int sqlite_do(sqlite3 *handle, const char *text)
{
	int code = sqlite3_exec(handle, text, NULL, NULL, NULL);
	return code == SQLITE_OK ? 0 : sqlite_fail(handle, code);
}

/* Inside the transaction: somebody else may have been here since the store was opened. */
static int sqlite_run_steps(sqlite3 *handle, const char *path, int64_t *ret_from)
{
	struct db_setting setting = {0};
	char number[100];
	int err = sqlite_load_setting(handle, path, true, &setting);
	for (int64_t from = setting.schema; !err && from < STORE_SCHEMA; from++)
		err = sqlite_do(handle, sqlite_steps[from]);
	snprintf(number, sizeof(number),
		"UPDATE pymodfs_setting SET value = %d WHERE key = 'schema'", STORE_SCHEMA);
	if (!err && setting.schema < STORE_SCHEMA)
		err = sqlite_do(handle, number);
	if (!err)
		*ret_from = setting.schema;
	setting_finish(&setting);
	return err;
}

int sqlite_upgrade(struct store *store, int64_t *ret_from)
{
	sqlite3 *handle;
	int64_t from;
	int err = sqlite_connect_store(store, &handle);
	if (err)
		return err;
	err = sqlite_do(handle, "BEGIN IMMEDIATE");
	if (!err)
		err = sqlite_run_steps(handle, store->url, &from);
	if (!err)
		err = sqlite_do(handle, "COMMIT");
	/* What isn't committed is rolled back. */
	sqlite3_close(handle);
	if (!err)
		*ret_from = from;
	return err;
}

/* ---- PostgreSQL ---- */

static int postgres_run_steps(PGconn *connection, const char *shown, int64_t *ret_from)
{
	struct db_setting setting = {0};
	char number[100];
	int err = postgres_load_setting(connection, shown, true, &setting);
	for (int64_t from = setting.schema; !err && from < STORE_SCHEMA; from++)
		err = postgres_execute(connection, postgres_steps[from]);
	snprintf(number, sizeof(number),
		"UPDATE pymodfs_setting SET value = '%d' WHERE key = 'schema'", STORE_SCHEMA);
	if (!err && setting.schema < STORE_SCHEMA)
		err = postgres_execute(connection, number);
	if (!err)
		*ret_from = setting.schema;
	setting_finish(&setting);
	return err;
}

int postgres_upgrade(struct store *store, int64_t *ret_from)
{
	PGconn *connection;
	int64_t from;
	int err = postgres_connect(store->connection, &connection);
	if (err)
		return err;
	err = postgres_execute(
		connection, "BEGIN; SELECT pg_advisory_xact_lock(hashtext('pymodfs'))");
	if (!err)
		err = postgres_execute(connection, "SELECT pymodfs_lock()");
	if (!err)
		err = postgres_run_steps(connection, store->url, &from);
	if (!err)
		err = postgres_execute(connection, "COMMIT");
	PQfinish(connection);
	if (!err)
		*ret_from = from;
	return err;
}
