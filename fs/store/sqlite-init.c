/* SPDX-License-Identifier: MIT */
/*
 * Setting an SQLite database up. Everything is checked first, without changing anything; then the
 * journal mode is set (which no transaction can hold) and one transaction checks again and runs
 * schema.sql with the user's identifiers. A failure leaves the user's tables as they were. One
 * thread, one connection of its own.
 */
#include "init.h"
#include "sqlite.h"

#include "error.h"

#include <errno.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#define BUSY_MS 5000

struct init {
	const char *path;
	sqlite3 *handle;
	const char *table, *name, *source;
	bool named;  /* the user named the table, so it must be there */
	bool exists; /* it is there */
	bool renew;  /* it is set up, but has lost its triggers */
	bool fresh;
};

static int fail(struct init *init, int code)
{
	int err = sqlite_fail(init->handle, code);
	return store_fail(err, "%s: %s", init->path, sqlite3_errmsg(init->handle));
}

/* Runs a query made of identifiers with %w; *ret_number is its first value, NULL counts as 0. */
static int query_number(struct init *init, int64_t *ret_number, const char *format, ...)
{
	sqlite3_stmt *statement = NULL;
	va_list args;
	va_start(args, format);
	char *text = sqlite3_vmprintf(format, args);
	va_end(args);
	if (!text)
		return store_fail(-ENOMEM, "out of memory");
	int code = sqlite3_prepare_v2(init->handle, text, -1, &statement, NULL);
	sqlite3_free(text);
	if (code == SQLITE_OK)
		code = sqlite3_step(statement);
	if (code == SQLITE_ROW || code == SQLITE_DONE)
		*ret_number = code == SQLITE_ROW ? sqlite3_column_int64(statement, 0) : 0;
	sqlite3_finalize(statement);
	return code == SQLITE_ROW || code == SQLITE_DONE ? 0 : fail(init, code);
}

static int execute(struct init *init, const char *format, ...)
{
	va_list args;
	va_start(args, format);
	char *text = sqlite3_vmprintf(format, args);
	va_end(args);
	if (!text)
		return store_fail(-ENOMEM, "out of memory");
	int code = sqlite3_exec(init->handle, text, NULL, NULL, NULL);
	sqlite3_free(text);
	return code == SQLITE_OK ? 0 : fail(init, code);
}

/* ---- what is there ---- */

static int check_table_kind(struct init *init)
{
	int64_t plain, any;
	int err = query_number(init, &any,
		"SELECT count(*) FROM sqlite_master WHERE lower(name) = lower(%Q)"
		" AND type IN ('table', 'view')",
		init->table);
	if (!err)
		err = query_number(init, &plain,
			"SELECT count(*) FROM pragma_table_list WHERE schema = 'main'"
			" AND lower(name) = lower(%Q) AND type = 'table'",
			init->table);
	if (err)
		return err;
	init->exists = any;
	if (any && !plain)
		return store_fail(-EINVAL,
			"%s: %s is no ordinary table (a view or a virtual table)", init->path,
			init->table);
	if (!any && init->named)
		return store_fail(-ENOENT, "%s has no table %s", init->path, init->table);
	return 0;
}

/* The default table is only made in a database that holds nothing else. */
static int check_empty(struct init *init)
{
	int64_t others;
	int err = query_number(init, &others,
		"SELECT count(*) FROM sqlite_master WHERE name NOT LIKE 'sqlite\\_%%' ESCAPE '\\'");
	if (!err && others)
		err = store_fail(-EEXIST,
			"%s holds other tables and no table %s; to use one of them: "
			"pymodfs init %s --table TABLE --name-column COLUMN --source-column COLUMN",
			init->path, init->table, init->path);
	return err;
}

/* Would a value of this declared type come back with other bytes? https://sqlite.org/datatype3.html */
static bool is_numeric(const char *type)
{
	if (!type || !*type || strcasestr(type, "INT"))
		return type && *type;
	if (strcasestr(type, "CHAR") || strcasestr(type, "CLOB") || strcasestr(type, "TEXT") ||
		strcasestr(type, "BLOB") || !strcasecmp(type, "ANY"))
		return false;
	return true;
}

static int check_column(struct init *init, const char *column, const char *option)
{
	const char *type;
	int64_t generated;
	int code = sqlite3_table_column_metadata(
		init->handle, "main", init->table, column, &type, NULL, NULL, NULL, NULL);
	if (code != SQLITE_OK)
		return store_fail(-ENOENT, "%s: the table %s has no column %s; name it with %s",
			init->path, init->table, column, option);
	if (is_numeric(type))
		return store_fail(-EINVAL,
			"%s: the column %s.%s is of type %s, which changes what is stored; "
			"it must be TEXT or BLOB",
			init->path, init->table, column, type);
	int err = query_number(init, &generated,
		"SELECT hidden FROM pragma_table_xinfo(%Q)"
		" WHERE lower(name) = lower(%Q)",
		init->table, column);
	if (!err && generated)
		err = store_fail(-EINVAL, "%s: the column %s.%s is a generated one", init->path,
			init->table, column);
	return err;
}

/* Is there a unique index on the name alone that tells all bytes apart? */
static int find_unique_index(struct init *init, bool *ret_found)
{
	int64_t n;
	int err = query_number(init, &n,
		"SELECT count(*) FROM pragma_index_list(%Q) l WHERE l.\"unique\" AND NOT l.partial "
		"AND"
		" (SELECT count(*) = 1 AND min(lower(x.name) = lower(%Q) AND x.coll = 'BINARY')"
		" FROM pragma_index_xinfo(l.name) x WHERE x.key)",
		init->table, init->name);
	if (!err)
		*ret_found = n;
	return err;
}

static int check_duplicates(struct init *init)
{
	int64_t n;
	bool found;
	int err = find_unique_index(init, &found);
	if (err || found)
		return err;
	err = query_number(init, &n,
		"SELECT count(*) FROM (SELECT 1 FROM \"%w\" WHERE \"%w\" IS NOT NULL"
		" GROUP BY \"%w\" COLLATE BINARY HAVING count(*) > 1)",
		init->table, init->name, init->name);
	if (!err && n)
		err = store_fail(-EINVAL,
			"%s: %lld names stand more than once in %s.%s; make them unique first",
			init->path, (long long)n, init->table, init->name);
	return err;
}

static int check_existing(struct init *init)
{
	int err = check_column(init, init->name, "--name-column");
	if (!err)
		err = check_column(init, init->source, "--source-column");
	if (!err && !strcasecmp(init->name, init->source))
		err = store_fail(-EINVAL, "name and source can't be the same column");
	return err ? err : check_duplicates(init);
}

/* -EEXIST when another table is set up; *ret_done when this one is. */
static int check_set_up(struct init *init, bool *ret_done)
{
	struct db_setting setting = {0};
	int err = sqlite_load_setting(init->handle, init->path, false, &setting);
	if (!err && (strcasecmp(setting.table, init->table) ||
			    strcasecmp(setting.name_column, init->name) ||
			    strcasecmp(setting.source_column, init->source)))
		err = store_fail(-EEXIST, "%s is set up for another table already: %s (%s, %s)",
			init->path, setting.table, setting.name_column, setting.source_column);
	*ret_done = !err;
	setting_finish(&setting);
	return err == -ENOENT ? 0 : err;
}

/* Everything that can be refused; changes nothing. */
static int check(struct init *init, bool *ret_done)
{
	bool has;
	int err = check_set_up(init, ret_done);
	if (!err && *ret_done) {
		err = sqlite_has_triggers(init->handle, init->table, &has);
		init->renew = !err && !has;
		*ret_done = !init->renew;
	}
	if (err || *ret_done)
		return err;
	err = sqlite_check_encoding(init->handle, init->path);
	if (!err)
		err = check_table_kind(init);
	if (err)
		return err;
	return init->exists ? check_existing(init) : check_empty(init);
}

/* ---- doing it ---- */

static int run_schema(struct init *init)
{
	char *text = sql_substitute(store_schema_sqlite, init->table, init->name, init->source);
	if (!text)
		return store_fail(-ENOMEM, "out of memory");
	int code = sqlite3_exec(init->handle, text, NULL, NULL, NULL);
	free(text);
	return code == SQLITE_OK ? 0 : fail(init, code);
}

static int make_unique(struct init *init)
{
	bool found;
	int err = find_unique_index(init, &found);
	if (!err && !found)
		err = execute(init,
			"CREATE UNIQUE INDEX pymodfs_row_name ON \"%w\" (\"%w\" COLLATE BINARY)",
			init->table, init->name);
	return err;
}

static int note_identifiers(struct init *init)
{
	return execute(init,
		"UPDATE pymodfs_setting SET value = CASE key WHEN 'table' THEN %Q"
		" WHEN 'name_column' THEN %Q ELSE %Q END"
		" WHERE key IN ('table', 'name_column', 'source_column')",
		init->table, init->name, init->source);
}

/* Inside the transaction. */
static int make(struct init *init)
{
	int err;
	if (init->renew) {
		err = make_unique(init);
		return err ? err
			   : sqlite_renew_triggers(
				     init->handle, init->table, init->name, init->source);
	}
	err = run_schema(init);
	if (!err)
		err = sqlite_watch_keys(init->handle, init->table, init->name, init->source);
	if (!err)
		err = make_unique(init);
	return err ? err : note_identifiers(init);
}

static int check_writable(struct init *init)
{
	if (sqlite3_db_readonly(init->handle, "main") != 1)
		return 0;
	int err = sqlite_refuse_to_write(init->path);
	return store_fail(err, "%s can't be set up: %s", init->path, store_error());
}

static int set_up(struct init *init)
{
	bool done;
	int err = check_writable(init);
	if (!err)
		err = execute(init, "PRAGMA journal_mode = WAL");
	if (!err)
		err = execute(init, "BEGIN IMMEDIATE");
	if (err)
		return err;
	err = check(init, &done);
	if (!err && !done)
		err = make(init);
	if (!err)
		err = execute(init, "COMMIT");
	if (err && !sqlite3_get_autocommit(init->handle))
		sqlite3_exec(init->handle, "ROLLBACK", NULL, NULL, NULL);
	return err;
}

/* Why a new file can't be made: SQLite's words are of its last attempt, to read what isn't there. */
static int fail_to_make(const char *path, int err)
{
	char *copy = strdup(path);
	const char *dir = copy ? dirname(copy) : ".";
	if (access(dir, W_OK | X_OK))
		err = store_fail(-errno, "can't make %s in %s: %s", path, dir, strerror(errno));
	else
		err = store_fail(err, "can't open %s: %s", path, store_error());
	free(copy);
	return err;
}

static int open_file(struct init *init)
{
	struct stat st;
	init->fresh = stat(init->path, &st) != 0;
	if (!init->fresh && !S_ISREG(st.st_mode))
		return store_fail(-EINVAL, "%s is not a database: not a regular file", init->path);
	if (init->fresh && init->named)
		return store_fail(-ENOENT, "no such database: %s", init->path);
	int err = sqlite_connect(
		init->path, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, BUSY_MS, &init->handle);
	if (err == -EUCLEAN)
		return store_fail(err,
			"%s is not an SQLite database, or a damaged one; nothing was changed: name "
			"another file, or go back to a backup",
			init->path);
	if (err && init->fresh)
		return fail_to_make(init->path, err);
	if (err)
		return store_fail(err, "can't open %s: %s", init->path, store_error());
	return 0;
}

int sqlite_init(const char *url, const struct store_init_options *options, bool *ret_fresh)
{
	char *path;
	/* :memory: would be no file, file:NAME another one. */
	bool special = *url == ':' || !strncmp(url, "file:", strlen("file:"));
	if (asprintf(&path, "%s%s", special ? "./" : "", url) < 0)
		return store_fail(-ENOMEM, "out of memory");
	struct init init = {
		.path = path,
		.table = options->table ? options->table : "module",
		.name = options->name_column ? options->name_column : "name",
		.source = options->source_column ? options->source_column : "source",
		.named = options->table != NULL,
	};
	bool done = false;
	int err = open_file(&init);
	if (err)
		goto free_path;
	err = check(&init, &done);
	if (!err && !done)
		err = set_up(&init);
	sqlite3_close(init.handle);
	if (err && init.fresh)
		unlink(path);
	if (!err)
		*ret_fresh = !done;
free_path:
	free(path);
	return err;
}
