// SPDX-License-Identifier: MIT
/*
 * The triggers by which changes of the user's table are seen. They go with the table where a migration drops it and makes another
 * one of its name, or stay with the old one where that was renamed. So whoever opens the database or writes to it looks whether they
 * are there, and `pymodfs init` makes them anew; of changes that nobody makes through pymodfs meanwhile the server
 * tells nothing. As to the rows see sqlite-triggers.c. No state, no lock.
 */
#include "init.h"
#include "postgres.h"

#include "error.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define END_TRIGGER ";\n"

/* As many as stand in postgres.sql. */
#define HAS_TRIGGERS                                                                        \
	"SELECT count(*) = 5 FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid"        \
	" WHERE c.relname = %s AND c.relnamespace = current_schema()::regnamespace"         \
	" AND t.tgname IN ('pymodfs_row_lock', 'pymodfs_row_insert', 'pymodfs_row_update'," \
	" 'pymodfs_row_delete', 'pymodfs_row_truncate')"

/* Those of a table that was renamed. */
static const char drop_triggers[] =
	"DO $$ DECLARE old record; BEGIN FOR old IN SELECT t.tgname AS name, t.tgrelid::regclass "
	"AS relation"
	" FROM pg_trigger t JOIN pg_proc p ON p.oid = t.tgfoid"
	" WHERE t.tgname LIKE 'pymodfs\\_row\\_%' AND p.pronamespace = "
	"current_schema()::regnamespace"
	" LOOP EXECUTE format('DROP TRIGGER %I ON %s', old.name, old.relation); END LOOP; END $$";

#define ROW "m.\"name\"::text COLLATE \"C\""
#define BYTES "pymodfs_bytes(m.\"source\")"
#define SIZE "coalesce(octet_length(" BYTES "), 0)"

static const char reconcile[] =
	"DELETE FROM pymodfs_node n WHERE n.kind = 'm' AND NOT EXISTS"
	" (SELECT 1 FROM \"module\" m WHERE " ROW " = n.name);"
	"SELECT pymodfs_keep(n.name, " BYTES ") FROM pymodfs_node n"
	" JOIN pymodfs_version v ON v.id = n.version JOIN \"module\" m ON " ROW " = n.name"
	" WHERE n.kind = 'm' AND v.size = " SIZE ";"
	"SELECT pymodfs_renew(n.id, " SIZE ") FROM pymodfs_node n"
	" JOIN \"module\" m ON " ROW " = n.name WHERE n.kind = 'm';"
	"SELECT pymodfs_put(" ROW ", " BYTES ") FROM \"module\" m WHERE m.\"name\" IS NOT NULL"
	" AND NOT EXISTS (SELECT 1 FROM pymodfs_node n WHERE n.name = " ROW ")";

char *postgres_triggers_query(PGconn *connection, const char *table)
{
	char *text = NULL, *quoted = PQescapeLiteral(connection, table, strlen(table));
	if (quoted && asprintf(&text, HAS_TRIGGERS, quoted) < 0)
		text = NULL;
	PQfreemem(quoted);
	return text;
}

int postgres_has_triggers(PGconn *connection, const char *table, bool *ret_has)
{
	char *text = postgres_triggers_query(connection, table);
	if (!text)
		return store_fail(-ENOMEM, "out of memory");
	PGresult *result = PQexec(connection, text);
	int err = PQresultStatus(result) == PGRES_TUPLES_OK ? 0 : postgres_fail(connection, result);
	if (!err)
		*ret_has = *PQgetvalue(result, 0, 0) == 't';
	PQclear(result);
	free(text);
	return err;
}

/* Those of postgres.sql, of which text is a copy with the user's identifiers. */
static int create_triggers(PGconn *connection, char *text)
{
	int err = 0;
	for (char *statement; !err && (statement = sql_next_trigger(&text, END_TRIGGER));)
		err = postgres_execute(connection, statement);
	return err;
}

int postgres_renew_triggers(
	PGconn *connection, const char *table, const char *name, const char *source)
{
	char *schema = sql_substitute(store_schema_postgres, table, name, source);
	char *rows = sql_substitute(reconcile, table, name, source);
	int err = schema && rows ? postgres_execute(connection, "SELECT pymodfs_lock()")
				 : store_fail(-ENOMEM, "out of memory");
	if (!err)
		err = postgres_execute(connection, drop_triggers);
	if (!err)
		err = create_triggers(connection, schema);
	if (!err)
		err = postgres_execute(connection, rows);
	free(schema);
	free(rows);
	return err;
}
