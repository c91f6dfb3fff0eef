/* SPDX-License-Identifier: MIT */
/*
 * Setting a PostgreSQL database up: everything, checks included, in one transaction. The tables beside
 * the user's go into the schema that comes first in the search path, and the user's table must be there
 * too. One thread, one connection of its own.
 */
#include "init.h"
#include "postgres.h"

#include "error.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct init {
	PGconn *connection;
	char *shown; /* the URL without its password */
	const char *table, *name, *source;
	bool named; /* the user named the table, so it must be there */
};

/* The first value of a query about the names; NULL counts as "". The caller frees. */
static int query(struct init *init, const char *text, char **ret_value)
{
	const char *const values[] = {init->table, init->name, init->source};
	PGresult *result = PQexecParams(init->connection, text, 3, NULL, values, NULL, NULL, 0);
	int err = PQresultStatus(result) == PGRES_TUPLES_OK
			  ? 0
			  : postgres_fail(init->connection, result);
	char *value = err ? NULL : strdup(PQntuples(result) ? PQgetvalue(result, 0, 0) : "");
	PQclear(result);
	if (!err && !value)
		err = store_fail(-ENOMEM, "out of memory");
	if (!err)
		*ret_value = value;
	return err;
}

static int query_is(struct init *init, const char *text, const char *expected, bool *ret_is)
{
	char *value;
	int err = query(init, text, &value);
	if (err)
		return err;
	*ret_is = !strcmp(value, expected);
	free(value);
	return 0;
}

/* $1, $2, $3 are the names of table and columns; each query must use all three. */
#define NAMES " WHERE ($1::text, $2::text, $3::text) IS NOT NULL "
#define RELATION                                                      \
	"SELECT c.relkind FROM pg_class c" NAMES "AND c.relname = $1" \
	" AND c.relnamespace = current_schema()::regnamespace"
#define COLUMN(column)                                                                          \
	"SELECT t.typname FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid"            \
	" JOIN pg_type t ON t.oid = a.atttypid" NAMES                                           \
	"AND c.relname = $1 AND c.relnamespace = current_schema()::regnamespace AND a.attname " \
	"= " column " AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = ''"
#define UNIQUE_INDEX                                                                              \
	"SELECT count(*) > 0 FROM pg_index i JOIN pg_class c ON c.oid = i.indrelid"               \
	" JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = i.indkey[0]" NAMES             \
	"AND c.relname = $1 AND c.relnamespace = current_schema()::regnamespace AND a.attname = " \
	"$2"                                                                                      \
	" AND i.indisunique AND i.indisvalid AND i.indnkeyatts = 1 AND i.indpred IS NULL"         \
	" AND i.indcollation[0] = '\"C\"'::regcollation"

static int check_column(
	struct init *init, const char *text, const char *column, const char *option, bool bytes)
{
	char *type;
	int err = query(init, text, &type);
	if (err)
		return err;
	if (!*type)
		err = store_fail(-ENOENT, "%s: the table %s has no column %s; name it with %s",
			init->shown, init->table, column, option);
	else if (strcmp(type, "text") && strcmp(type, "varchar") &&
		 (!bytes || strcmp(type, "bytea")))
		err = store_fail(-EINVAL, "%s: the column %s.%s is of type %s; it must be text%s",
			init->shown, init->table, column, type, bytes ? " or bytea" : "");
	free(type);
	return err;
}

static int run_text(struct init *init, const char *text)
{
	char *real = sql_substitute(text, init->table, init->name, init->source);
	if (!real)
		return store_fail(-ENOMEM, "out of memory");
	int err = postgres_execute(init->connection, real);
	free(real);
	return err;
}

/* A unique index on the name alone that tells all bytes apart. */
static int make_unique(struct init *init)
{
	bool there;
	int err = query_is(init, UNIQUE_INDEX, "t", &there);
	if (err || there)
		return err;
	err = run_text(init,
		"CREATE UNIQUE INDEX pymodfs_row_name ON \"module\" (\"name\" COLLATE \"C\")");
	if (err == -EINVAL)
		err = store_fail(err,
			"%s: names stand more than once in %s.%s; make them unique first",
			init->shown, init->table, init->name);
	return err;
}

static int adopt_existing(struct init *init)
{
	int err = check_column(init, COLUMN("$2"), init->name, "--name-column", false);
	if (!err)
		err = check_column(init, COLUMN("$3"), init->source, "--source-column", true);
	if (!err && !strcmp(init->name, init->source))
		err = store_fail(-EINVAL, "name and source can't be the same column");
	return err ? err : make_unique(init);
}

static int adopt_table(struct init *init)
{
	char *kind;
	int err = query(init, RELATION, &kind);
	if (err)
		return err;
	if (!*kind)
		err = init->named ? store_fail(-ENOENT, "%s has no table %s in its first schema",
					    init->shown, init->table)
				  : 0;
	else if (strcmp(kind, "r"))
		err = store_fail(-EINVAL, "%s: %s is no ordinary table", init->shown, init->table);
	else
		err = adopt_existing(init);
	free(kind);
	return err;
}

/* -EEXIST when another table is set up; *ret_done when this one is. */
static int check_set_up(struct init *init, bool *ret_done)
{
	struct db_setting setting = {0};
	int err = postgres_load_setting(init->connection, init->shown, false, &setting);
	if (!err &&
		(strcmp(setting.table, init->table) || strcmp(setting.name_column, init->name) ||
			strcmp(setting.source_column, init->source)))
		err = store_fail(-EEXIST, "%s is set up for another table already: %s (%s, %s)",
			init->shown, setting.table, setting.name_column, setting.source_column);
	*ret_done = !err;
	setting_finish(&setting);
	return err == -ENOENT ? 0 : err;
}

static int check_encoding(struct init *init)
{
	bool utf8;
	int err = query_is(init,
		"SELECT current_setting('server_encoding') FROM (SELECT 1) s" NAMES, "UTF8", &utf8);
	if (!err && !utf8)
		err = store_fail(-EINVAL, "%s is not stored as UTF-8", init->shown);
	return err;
}

static int note_identifiers(struct init *init)
{
	char *unused;
	int err = query(init,
		"WITH done AS (UPDATE pymodfs_setting SET value = CASE key WHEN 'table' THEN $1"
		" WHEN 'name_column' THEN $2 ELSE $3 END"
		" WHERE key IN ('table', 'name_column', 'source_column') RETURNING 1)"
		" SELECT count(*) FROM done",
		&unused);
	if (!err)
		free(unused);
	return err;
}

static int set_up(struct init *init)
{
	int err = check_encoding(init);
	if (!err)
		err = adopt_table(init);
	if (!err)
		err = run_text(init, store_schema_postgres);
	return err ? err : note_identifiers(init);
}

/* The table was made anew since. */
static int renew(struct init *init)
{
	int err = adopt_existing(init);
	return err ? err
		   : postgres_renew_triggers(
			     init->connection, init->table, init->name, init->source);
}

static int make(struct init *init, bool *ret_done)
{
	bool has;
	int err = check_set_up(init, ret_done);
	if (err)
		return err;
	if (!*ret_done)
		return set_up(init);
	err = postgres_has_triggers(init->connection, init->table, &has);
	if (err || has)
		return err;
	*ret_done = false;
	return renew(init);
}

static int run(struct init *init, bool *ret_done)
{
	int err = postgres_execute(
		init->connection, "BEGIN; SELECT pg_advisory_xact_lock(hashtext('pymodfs'))");
	if (!err)
		err = make(init, ret_done);
	if (!err)
		return postgres_execute(init->connection, "COMMIT");
	PQclear(PQexec(init->connection, "ROLLBACK"));
	return err;
}

int postgres_init(const char *url, const struct store_init_options *options, bool *ret_fresh)
{
	struct init init = {
		.shown = postgres_shown_url(url),
		.table = options->table ? options->table : "module",
		.name = options->name_column ? options->name_column : "name",
		.source = options->source_column ? options->source_column : "source",
		.named = options->table != NULL,
	};
	bool done = false;
	int err = init.shown ? postgres_connect(url, &init.connection)
			     : store_fail(-ENOMEM, "out of memory");
	if (!err)
		err = run(&init, &done);
	if (!err)
		*ret_fresh = !done;
	PQfinish(init.connection);
	free(init.shown);
	return err;
}
