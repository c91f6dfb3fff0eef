/* SPDX-License-Identifier: MIT */
/*
 * An adopted table may have keys besides the name: an integer primary key, a UNIQUE column. INSERT OR
 * REPLACE then deletes rows of other names, and SQLite fires no delete trigger for them (unless
 * recursive_triggers is on). So for each such key two triggers keep the source of the rows that the
 * statement may be about to replace and note them as suspects; schema.sql looks after the statement which
 * of them are gone. Part of init: one thread, inside its transaction.
 */
#include "sqlite.h"

#include "error.h"

#include <errno.h>

/* Each key other than the name: a condition that finds the rows in conflict with NEW, and its columns. */
#define KEYS                                                                                       \
	"SELECT group_concat(printf('\"%%w\" = NEW.\"%%w\" COLLATE \"%%w\"', x.name, x.name, "     \
	"x.coll), ' AND '),"                                                                       \
	" group_concat(printf('\"%%w\"', x.name), ', ')"                                           \
	" FROM pragma_index_list(%Q) l, pragma_index_xinfo(l.name) x WHERE l.\"unique\" AND x.key" \
	" GROUP BY l.name HAVING min(x.name IS NOT NULL)"                                          \
	" AND NOT (count(*) = 1 AND lower(min(x.name)) = lower(%Q))"                               \
	" UNION ALL SELECT printf('\"%%w\" = NEW.\"%%w\"', name, name), printf('\"%%w\"', name)"   \
	" FROM pragma_table_info(%Q) WHERE pk AND upper(type) = 'INTEGER'"                         \
	" AND (SELECT count(*) FROM pragma_table_info(%Q) WHERE pk) = 1"

#define TRIGGER                                                                                    \
	"CREATE TRIGGER pymodfs_row_key_%d_%s BEFORE %s ON \"%w\""                                 \
	" WHEN EXISTS (SELECT 1 FROM \"%w\" WHERE %s) BEGIN"                                       \
	" INSERT INTO pymodfs_keep SELECT \"%w\", \"%w\" FROM \"%w\" WHERE %s"                     \
	" AND \"%w\" IS NOT NEW.\"%w\" COLLATE BINARY AND \"%w\" IS NOT %s.\"%w\" COLLATE BINARY;" \
	" INSERT INTO pymodfs_suspect SELECT \"%w\" FROM \"%w\" WHERE %s"                          \
	" AND \"%w\" IS NOT NEW.\"%w\" COLLATE BINARY AND \"%w\" IS NOT %s.\"%w\" COLLATE BINARY;" \
	" END"

struct keys {
	sqlite3 *handle;
	const char *table, *name, *source;
};

static int create_trigger(const struct keys *keys, int number, const char *suffix,
	const char *event, const char *row, const char *condition)
{
	const char *t = keys->table, *n = keys->name;
	char *text = sqlite3_mprintf(TRIGGER, number, suffix, event, t, t, condition, n,
		keys->source, t, condition, n, n, n, row, n, n, t, condition, n, n, n, row, n);
	if (!text)
		return store_fail(-ENOMEM, "out of memory");
	int code = sqlite3_exec(keys->handle, text, NULL, NULL, NULL);
	sqlite3_free(text);
	return code == SQLITE_OK ? 0 : sqlite_fail(keys->handle, code);
}

static int watch_key(
	const struct keys *keys, int number, const char *condition, const char *columns)
{
	char *update = sqlite3_mprintf("UPDATE OF %s", columns);
	if (!update)
		return store_fail(-ENOMEM, "out of memory");
	int err = create_trigger(keys, number, "insert", "INSERT", "NEW", condition);
	if (!err)
		err = create_trigger(keys, number, "update", update, "OLD", condition);
	sqlite3_free(update);
	return err;
}

/* Triggers can't be made while the schema is being read: the keys are copied first. */
static int list_keys(const struct keys *keys, char ***ret_values, int *ret_n)
{
	char *query = sqlite3_mprintf(KEYS, keys->table, keys->name, keys->table, keys->table);
	int columns;
	if (!query)
		return store_fail(-ENOMEM, "out of memory");
	int code = sqlite3_get_table(keys->handle, query, ret_values, ret_n, &columns, NULL);
	sqlite3_free(query);
	return code == SQLITE_OK ? 0 : sqlite_fail(keys->handle, code);
}

int sqlite_watch_keys(sqlite3 *handle, const char *table, const char *name, const char *source)
{
	const struct keys keys = {handle, table, name, source};
	char **values; /* the first row is the columns' names */
	int n;
	int err = list_keys(&keys, &values, &n);
	if (err)
		return err;
	for (int i = 1; i <= n && !err; i++)
		err = watch_key(&keys, i, values[2 * i], values[2 * i + 1]);
	sqlite3_free_table(values);
	return err;
}
