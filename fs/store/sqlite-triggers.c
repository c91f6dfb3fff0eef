// SPDX-License-Identifier: MIT
/*
 * The triggers by which changes of the user's table are seen. SQLite can't do every change of a table in place, so what
 * migrates a schema makes a new table, copies the rows, drops the old one and gives the new one its name
 * (https://sqlite.org/lang_altertable.html, section 7); with the old table its triggers are gone, and nobody says so. Nothing
 * would be noticed of any change from then on. So whoever opens the database, writes to it or waits for changes looks whether
 * they are there, and `pymodfs init` makes them anew.
 *
 * Nothing tells what was done to the rows meanwhile, so every module gets a new version. The content before it is taken to be
 * the same where it has the same length; else it can't be read any more.
 */
#include "init.h"
#include "sqlite.h"

#include "error.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define END_TRIGGER "\nEND;\n"

/* As many as stand in schema.sql. */
#define COUNT_TRIGGERS                                                          \
	"SELECT count(*) = 7 FROM sqlite_schema WHERE type = 'trigger'"         \
	" AND lower(tbl_name) = lower(%Q) AND name IN ('pymodfs_row_replace',"  \
	" 'pymodfs_row_insert', 'pymodfs_row_overwrite', 'pymodfs_row_update'," \
	" 'pymodfs_row_delete', 'pymodfs_row_insert_suspect',"                  \
	" 'pymodfs_row_update_suspect')"

static const char reconcile[] =
	"DELETE FROM pymodfs_origin; DELETE FROM pymodfs_suspect;"
	"DELETE FROM pymodfs_node WHERE kind = 'm' AND NOT EXISTS (SELECT 1 FROM \"module\""
	" WHERE \"module\".\"name\" = pymodfs_node.name COLLATE BINARY);"
	"INSERT INTO pymodfs_keep (name, source) SELECT m.\"name\", m.\"source\""
	" FROM pymodfs_node n JOIN pymodfs_version v ON v.id = n.version"
	" JOIN \"module\" m ON m.\"name\" = n.name COLLATE BINARY"
	" WHERE n.kind = 'm' AND v.size = coalesce(length(CAST(m.\"source\" AS BLOB)), 0);"
	"INSERT INTO pymodfs_renew (node, size)"
	" SELECT n.id, coalesce(length(CAST(m.\"source\" AS BLOB)), 0) FROM pymodfs_node n"
	" JOIN \"module\" m ON m.\"name\" = n.name COLLATE BINARY"
	" WHERE n.kind = 'm' ORDER BY n.id;"
	"INSERT INTO pymodfs_put (name, source) SELECT m.\"name\", m.\"source\" FROM \"module\" m"
	" WHERE m.\"name\" IS NOT NULL AND NOT EXISTS (SELECT 1 FROM pymodfs_node n"
	" WHERE n.name = m.\"name\" COLLATE BINARY);";

static int run(sqlite3 *handle, const char *text)
{
	int code = sqlite3_exec(handle, text, NULL, NULL, NULL);
	return code == SQLITE_OK ? 0 : sqlite_fail(handle, code);
}

/* A statement's single number. */
static int get_number(sqlite3 *handle, sqlite3_stmt *statement, int64_t *ret_number)
{
	int code = sqlite3_step(statement);
	if (code == SQLITE_ROW)
		*ret_number = sqlite3_column_int64(statement, 0);
	int err = code == SQLITE_ROW ? 0 : sqlite_fail(handle, code);
	sqlite3_reset(statement);
	return err;
}

int sqlite_has_triggers(sqlite3 *handle, const char *table, bool *ret_has)
{
	sqlite3_stmt *statement = NULL;
	int64_t has = 0;
	char *text = sqlite3_mprintf(COUNT_TRIGGERS, table);
	if (!text)
		return store_fail(-ENOMEM, "out of memory");
	int code = sqlite3_prepare_v2(handle, text, -1, &statement, NULL);
	sqlite3_free(text);
	int err =
		code == SQLITE_OK ? get_number(handle, statement, &has) : sqlite_fail(handle, code);
	sqlite3_finalize(statement);
	if (!err)
		*ret_has = has != 0;
	return err;
}

int sqlite_check_triggers(sqlite3 *handle, const char *path, const struct db_setting *setting)
{
	bool has;
	int err = sqlite_has_triggers(handle, setting->table, &has);
	return err || has ? err : setting_fail_triggers(setting, path);
}

int sqlite_triggers_init(struct sqlite_triggers *triggers, sqlite3 *handle)
{
	triggers->checked = -1;
	int code = sqlite3_prepare_v3(handle, "PRAGMA schema_version", -1,
		SQLITE_PREPARE_PERSISTENT, &triggers->schema_version, NULL);
	return code == SQLITE_OK ? 0 : sqlite_fail(handle, code);
}

void sqlite_triggers_finish(struct sqlite_triggers *triggers)
{
	sqlite3_finalize(triggers->schema_version);
	triggers->schema_version = NULL;
}

int sqlite_triggers_check(struct sqlite_triggers *triggers, const struct store *store)
{
	sqlite3 *handle = sqlite3_db_handle(triggers->schema_version);
	int64_t version = 0;
	int err = get_number(handle, triggers->schema_version, &version);
	if (err || version == triggers->checked)
		return err;
	err = sqlite_check_triggers(handle, store->url, &store->setting);
	if (!err)
		triggers->checked = version;
	return err;
}

/* ---- making them anew ---- */

/* Also those of a table that was renamed. */
static int drop_triggers(sqlite3 *handle)
{
	char **names;
	int n, columns, err = 0;
	int code = sqlite3_get_table(handle,
		"SELECT printf('DROP TRIGGER \"%w\"', name) FROM sqlite_schema"
		" WHERE type = 'trigger' AND name LIKE 'pymodfs\\_row\\_%' ESCAPE '\\'",
		&names, &n, &columns, NULL);
	if (code != SQLITE_OK)
		return sqlite_fail(handle, code);
	for (int i = 1; i <= n && !err; i++)
		err = run(handle, names[i]);
	sqlite3_free_table(names);
	return err;
}

/* Those of schema.sql, of which text is a copy with the user's identifiers. */
static int create_triggers(sqlite3 *handle, char *text)
{
	int err = 0;
	for (char *statement; !err && (statement = sql_next_trigger(&text, END_TRIGGER));)
		err = run(handle, statement);
	return err;
}

static int run_for(sqlite3 *handle, const char *text, const char *table, const char *name,
	const char *source, int (*fn)(sqlite3 *handle, char *text))
{
	char *real = sql_substitute(text, table, name, source);
	if (!real)
		return store_fail(-ENOMEM, "out of memory");
	int err = fn(handle, real);
	free(real);
	return err;
}

static int run_text(sqlite3 *handle, char *text)
{
	return run(handle, text);
}

int sqlite_renew_triggers(sqlite3 *handle, const char *table, const char *name, const char *source)
{
	int err = drop_triggers(handle);
	if (!err)
		err = run_for(handle, store_schema_sqlite, table, name, source, create_triggers);
	if (!err)
		err = sqlite_watch_keys(handle, table, name, source);
	return err ? err : run_for(handle, reconcile, table, name, source, run_text);
}
