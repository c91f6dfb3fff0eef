/* SPDX-License-Identifier: MIT */
/*
 * The statements of sql.c in PostgreSQL's words. Most differ in how values are written alone (?1, $1) and are
 * translated; the others stand here. A table's bytes go through pymodfs_bytes() of the schema, because a
 * source column may be text or bytea.
 */
#include "postgres.h"

#include <stdlib.h>
#include <string.h>

#define TABLE "\"module\""
#define NAME "\"name\""
#define SOURCE "\"source\""
#define NOW "(SELECT ns FROM pymodfs_now)"

static const char *const texts[N_SQL] = {
	[SQL_READ] =
		("SELECT CASE WHEN n.id IS NULL THEN v.content"
		 " WHEN n.kind = 'm' THEN (SELECT coalesce(pymodfs_bytes(" SOURCE
		 "), '') FROM " TABLE " WHERE " NAME " = n.name COLLATE \"C\")"
		 " ELSE (SELECT r.content FROM pymodfs_resource r WHERE r.node = n.id) END,"
		 " CASE WHEN n.kind = 'm' THEN 0 ELSE v.size END"
		 " FROM pymodfs_version v"
		 " LEFT JOIN pymodfs_node n ON n.id = v.node AND n.version = v.id WHERE v.id = $1"),
	[SQL_AT_CHANGES_IN] =
		("SELECT op, kind, node, version, old_version, parent, base"
		 " FROM pymodfs_change WHERE id IN (SELECT min(id) FROM pymodfs_change"
		 " WHERE dir = $1 AND id > $2 GROUP BY base) ORDER BY id"),
	[SQL_FEED_START] = "SELECT value::bigint FROM pymodfs_setting WHERE key = 'feed_start'",
	[SQL_SET_ORIGIN] =
		("SELECT set_config('pymodfs.uid', coalesce($1::bigint::text, ''), true),"
		 " set_config('pymodfs.pid', coalesce($2::bigint::text, ''), true),"
		 " set_config('pymodfs.command', coalesce($3::text, ''), true)"),
	[SQL_CLEAR_ORIGIN] = "SELECT 1",
	[SQL_KEEP_RESOURCE] =
		("UPDATE pymodfs_version SET content ="
		 " (SELECT content FROM pymodfs_resource WHERE node = $1)"
		 " WHERE id = (SELECT version FROM pymodfs_node WHERE id = $1)"
		 " AND (SELECT value <> '0' FROM pymodfs_setting WHERE key = 'resource_history')"),
	[SQL_RENEW] = "SELECT pymodfs_renew($1, $2)",
	[SQL_TOUCH_FILE] = ("UPDATE pymodfs_node SET mtime = greatest(mtime, " NOW "), ctime = " NOW
			    " WHERE id = $1"),
	[SQL_SET_ATTR] =
		("UPDATE pymodfs_node SET mode = coalesce($2, mode), uid = coalesce($3, uid),"
		 " gid = coalesce($4, gid), atime = coalesce($5, atime),"
		 " mtime = coalesce($6, mtime), ctime = greatest(ctime, " NOW ") WHERE id = $1"),
	[SQL_NOTE_ATTR] = ("SELECT pymodfs_note('a', kind, id, coalesce(parent, 0),"
			   " CASE WHEN parent IS NULL THEN '' END, base, version, version)"
			   " FROM pymodfs_node WHERE id = $1"),
	[SQL_NOTE_TREE] = ("SELECT pymodfs_note($1::text, kind, id, parent, NULL, base,"
			   " CASE $1::text WHEN 'i' THEN version ELSE 0 END,"
			   " CASE $1::text WHEN 'd' THEN version ELSE 0 END)"
			   " FROM pymodfs_node WHERE id IN ("
			   "WITH RECURSIVE below (id) AS (SELECT id FROM pymodfs_node WHERE parent "
			   "= $2 UNION ALL"
			   " SELECT n.id FROM below b JOIN pymodfs_node n ON n.parent = b.id) "
			   "SELECT id FROM below)"),
	/* Without a join, which would walk over all nodes where the planner takes them for few. */
	[SQL_MAKE_EXPLICIT] =
		("UPDATE pymodfs_node SET auto = 0 WHERE auto <> 0 AND id = ANY (ARRAY("
		 "WITH RECURSIVE up (id) AS (SELECT $1::bigint UNION SELECT"
		 " (SELECT n.parent FROM pymodfs_node n WHERE n.id = up.id)"
		 " FROM up WHERE up.id IS NOT NULL) SELECT id FROM up))"),
	[SQL_FORGET_CONTENTS] = ("UPDATE pymodfs_version SET content = NULL WHERE id IN"
				 " (SELECT value::bigint FROM"
				 " json_array_elements_text($1::json))"),
};

/* ?1 becomes $1; bytes are compared by another name. */
static char *translate(const char *text)
{
	static const char collate[] = "COLLATE BINARY";
	char *result = malloc(strlen(text) + 1), *out = result;
	if (!result)
		return NULL;
	while (*text) {
		if (!strncmp(text, collate, sizeof(collate) - 1)) {
			text += sizeof(collate) - 1;
			out = stpcpy(out, "COLLATE \"C\"");
			continue;
		}
		*out++ = *text == '?' ? '$' : *text;
		text++;
	}
	*out = '\0';
	return result;
}

char *postgres_sql_text(enum sql sql, const struct db_setting *setting)
{
	char *text = texts[sql] ? strdup(texts[sql]) : translate(sql_text(sql));
	if (!text)
		return NULL;
	char *result =
		sql_substitute(text, setting->table, setting->name_column, setting->source_column);
	free(text);
	return result;
}
