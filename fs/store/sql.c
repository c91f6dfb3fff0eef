/* SPDX-License-Identifier: MIT */
/*
 * The statements of the store, all of them. They run on SQLite as they stand. The user's table and
 * its columns appear as the quoted tokens "module", "name" and "source", as in schema.sql, and are
 * replaced by the real identifiers when a statement is prepared; values are always bound.
 */
#include "sql.h"

#include <stdlib.h>
#include <string.h>

#define TABLE "\"module\""
#define NAME "\"name\""
#define SOURCE "\"source\""
/* To be read always with its table: SQLite takes a quoted name that no column has (any more) for a string, or for another table's. */
#define ROW_NAME TABLE "." NAME
#define ROW_SOURCE TABLE "." SOURCE

/* What node_from_row() in node.c reads. */
#define NODE                                                                                  \
	"n.id, n.parent, n.version, n.kind, n.mode, n.uid, n.gid, n.size, n.atime, n.mtime, " \
	"n.ctime, n.base, " SUBDIRS

/* The index pymodfs_node_dirs makes it cheap, and the limit (STORE_SUBDIRS_MAX + 1) where there are thousands. */
#define SUBDIRS                                                                           \
	"CASE WHEN n.kind = 'd' THEN (SELECT count(*) FROM (SELECT 1 FROM pymodfs_node s" \
	" WHERE s.parent = n.id AND s.kind = 'd' LIMIT 101) t) ELSE 0 END"

#define NOW "(SELECT ns FROM pymodfs_now)"

/* A line of the feed with the version that it made, or took away. */
#define LOGGED_CHANGE                                                               \
	"SELECT c.id, c.op, c.kind, v.id, v.size, c.time, c.uid, c.pid, c.command," \
	" n.id IS NOT NULL OR v.content IS NOT NULL, c.dir, c.base, c.node,"        \
	" CASE WHEN c.op = 'u' THEN c.old_version ELSE 0 END FROM pymodfs_change c" \
	" LEFT JOIN pymodfs_version v"                                              \
	" ON v.id = CASE WHEN c.op = 'd' THEN c.old_version ELSE c.version END"     \
	" LEFT JOIN pymodfs_node n ON n.id = v.node AND n.version = v.id"

/*
 * Old contents that are kept: how many newer ones of their file there are, and when they were replaced or
 * deleted.
 */
#define OLD_CONTENTS                                                                           \
	" FROM (SELECT o.id, o.size, o.until,"                                                 \
	" row_number() OVER (PARTITION BY o.node ORDER BY o.id DESC) AS place FROM ("          \
	"SELECT v.id, v.node, v.size, v.content, n.id AS owner,"                               \
	" coalesce(lead(v.time) OVER (PARTITION BY v.node ORDER BY v.id), d.time, v.time)"     \
	" AS until FROM pymodfs_version v"                                                     \
	" LEFT JOIN pymodfs_node n ON n.id = v.node AND n.version = v.id"                      \
	" LEFT JOIN (SELECT old_version, max(time) AS time FROM pymodfs_change WHERE op = 'd'" \
	" GROUP BY old_version) d ON d.old_version = v.id) o"                                  \
	" WHERE o.owner IS NULL AND o.content IS NOT NULL) p"                                  \
	" WHERE p.until < ?1 AND p.place > ?2"

static const char *const texts[N_SQL] = {
	[SQL_LOOKUP] = "SELECT " NODE " FROM pymodfs_node n WHERE n.parent = ?1 AND n.base = ?2",
	[SQL_NODE] = "SELECT " NODE " FROM pymodfs_node n"
		     " WHERE n.id = ?1 AND (n.parent IS NOT NULL OR n.id = 1)",
	[SQL_NODE_BY_PATH] =
		"SELECT " NODE " FROM pymodfs_node d JOIN pymodfs_node n ON n.parent = d.id"
		" WHERE d.path = ?1 AND n.base = ?2",
	[SQL_VERSION] =
		"SELECT n.id, n.parent, v.id, n.kind, n.mode, n.uid, n.gid, v.size, n.atime,"
		" v.mtime, n.ctime, n.base, 0, n.version = v.id"
		" FROM pymodfs_version v JOIN pymodfs_node n ON n.id = v.node"
		" WHERE v.id = ?1 AND n.parent IS NOT NULL",
	[SQL_READ] =
		"SELECT CASE WHEN n.id IS NULL THEN v.content"
		" WHEN n.kind = 'm' THEN (SELECT coalesce(" ROW_SOURCE ", '') FROM " TABLE
		" WHERE " ROW_NAME " = n.name COLLATE BINARY)"
		" ELSE (SELECT r.content FROM pymodfs_resource r WHERE r.node = n.id) END,"
		" CASE WHEN n.kind = 'm' OR typeof(v.content) = 'text' THEN 0 ELSE v.size END"
		" FROM pymodfs_version v"
		" LEFT JOIN pymodfs_node n ON n.id = v.node AND n.version = v.id WHERE v.id = ?1",
	[SQL_PATH] = "SELECT CASE WHEN n.kind = 'd' THEN n.path WHEN d.path = '' THEN n.base"
		     " ELSE d.path || '/' || n.base END"
		     " FROM pymodfs_node n LEFT JOIN pymodfs_node d ON d.id = n.parent"
		     " WHERE n.id = ?1 AND (n.parent IS NOT NULL OR n.id = 1)",
	[SQL_LIST] = "SELECT " NODE ", (SELECT coalesce(max(id), 0) FROM pymodfs_change)"
		     " FROM pymodfs_node n WHERE n.parent = ?1 AND n.id > ?2"
		     " ORDER BY n.id LIMIT ?3",
	[SQL_CHANGES] = "SELECT id, op, kind, node, parent, version, old_version, dir, base"
			" FROM pymodfs_change WHERE id > ?1 ORDER BY id LIMIT ?2",
	[SQL_CHANGES_OF] =
		"SELECT c.id, c.op, c.kind, c.node, c.parent, c.version, c.old_version"
		" FROM pymodfs_node n JOIN pymodfs_node d ON d.id = n.parent"
		" JOIN pymodfs_change c ON c.dir = d.path AND c.base = n.base"
		" WHERE n.id = ?1 AND c.node = n.id AND c.id > ?2 AND c.op <> 'a' ORDER BY c.id",
	[SQL_LAST_CHANGE] = "SELECT coalesce(max(id), 0) FROM pymodfs_change",
	[SQL_LAST_VERSION] = "SELECT coalesce(max(id), 0) FROM pymodfs_version",
	[SQL_COUNT] = "SELECT (SELECT count(*) FROM pymodfs_node WHERE parent IS NOT NULL),"
		      " (SELECT count(*) FROM pymodfs_node WHERE kind <> 'm' AND kind = 'f'),"
		      " (SELECT count(*) FROM pymodfs_node WHERE kind <> 'm' AND kind = 'l'),"
		      " (SELECT count(*) FROM pymodfs_node WHERE kind <> 'm' AND kind = 'd') - 1,"
		      " (SELECT count(*) FROM pymodfs_node WHERE parent IS NULL) - 1"
		      " + (SELECT count(*) FROM " TABLE " WHERE " ROW_NAME " IS NULL),"
		      " (SELECT count(*) FROM pymodfs_version),"
		      " (SELECT count(*) FROM pymodfs_change)",
	[SQL_HIDDEN] = "SELECT name FROM pymodfs_node WHERE parent IS NULL AND id <> 1"
		       " UNION ALL SELECT " ROW_NAME " FROM " TABLE " WHERE " ROW_NAME " IS NULL",
	[SQL_AT_CHANGE] = "SELECT op, kind, node, version, old_version, parent, base"
			  " FROM pymodfs_change WHERE dir = ?1 AND base = ?2 AND id > ?3"
			  " ORDER BY id LIMIT 1",
	[SQL_AT_CHANGES_IN] = "SELECT op, kind, node, version, old_version, parent, base"
			      " FROM pymodfs_change WHERE id IN (SELECT min(id) FROM pymodfs_change"
			      " WHERE +dir = ?1 AND id > ?2 GROUP BY base) ORDER BY id",
	[SQL_AT_VERSION] = "SELECT size, mtime FROM pymodfs_version WHERE id = ?1",
	[SQL_FEED_START] = "SELECT value FROM pymodfs_setting WHERE key = 'feed_start'",
	[SQL_HISTORY] =
		"SELECT v.id, v.node, v.size, v.mtime, v.time, v.uid, v.pid, v.command, v.path,"
		" n.id IS NOT NULL, n.id IS NOT NULL OR v.content IS NOT NULL"
		" FROM pymodfs_version v LEFT JOIN pymodfs_node n ON n.id = v.node AND n.version = "
		"v.id"
		" WHERE v.node IN (SELECT node FROM pymodfs_change WHERE dir = ?1 AND base = ?2"
		" UNION SELECT c.id FROM pymodfs_node d JOIN pymodfs_node c ON c.parent = d.id"
		" WHERE d.path = ?1 AND c.base = ?2) ORDER BY v.id DESC",
	[SQL_HISTORY_NAMES] = "SELECT DISTINCT base FROM pymodfs_change WHERE dir = ?1",
	[SQL_LOG] = LOGGED_CHANGE " WHERE c.id < ?1 AND c.op <> 'a' AND c.kind <> 'd'"
				  " ORDER BY c.id DESC LIMIT ?2",
	/* Versions without a change of this path: from before the feed, or under another name. */
	[SQL_LOG_PATH] = LOGGED_CHANGE
	" WHERE c.dir = ?1 AND c.base = ?2 AND c.op <> 'a' AND c.kind <> 'd'"
	" UNION ALL SELECT 0, CASE WHEN EXISTS (SELECT 1 FROM pymodfs_version e"
	" WHERE e.node = v.node AND e.id < v.id) THEN 'u' ELSE 'i' END, 'm', v.id, v.size,"
	" v.time, v.uid, v.pid, v.command,"
	" n.id IS NOT NULL OR v.content IS NOT NULL, '', v.path, v.node,"
	" coalesce((SELECT max(e.id) FROM pymodfs_version e"
	" WHERE e.node = v.node AND e.id < v.id), 0)"
	" FROM pymodfs_version v"
	" LEFT JOIN pymodfs_node n ON n.id = v.node AND n.version = v.id"
	" WHERE v.path IS NOT NULL AND v.node IN ("
	"SELECT node FROM pymodfs_change WHERE dir = ?1 AND base = ?2 AND kind <> 'd'"
	" UNION SELECT f.id FROM pymodfs_node d JOIN pymodfs_node f ON f.parent = d.id"
	" WHERE d.path = ?1 AND f.base = ?2 AND f.kind <> 'd')"
	" AND v.id NOT IN (SELECT version FROM pymodfs_change"
	" WHERE dir = ?1 AND base = ?2 AND op <> 'a')"
	" ORDER BY 6 DESC, 1 DESC, 4 DESC",

	/*
	 * The halves of a rename are in one transaction, so not far from each other. They are only looked for where the
	 * version is older than the change, or was made under another name: a new file has no other half.
	 */
	[SQL_RENAMED_FROM] =
		"SELECT p.id, p.dir, p.base FROM pymodfs_change c"
		" JOIN pymodfs_version v ON v.id = ?3 AND (v.time < c.time - 50000000"
		" OR coalesce(v.path, '') <> CASE WHEN c.dir = '' THEN c.base"
		" ELSE c.dir || '/' || c.base END)"
		" JOIN pymodfs_change p ON p.id < ?1 AND p.id > ?1 - 200000 AND p.node = ?2"
		" AND p.op = 'd' AND p.old_version = ?3"
		" WHERE c.id = ?1 ORDER BY p.id DESC LIMIT 1",
	[SQL_RENAMED_TO] = "SELECT id, dir, base FROM pymodfs_change WHERE id > ?1"
			   " AND id < ?1 + 200000 AND node = ?2 AND op = 'i'"
			   " AND version = ?3 ORDER BY id LIMIT 1",
	/*
	 * The first and the last change of the transaction of change ?1, or of the newest one below it: ids have gaps (a
	 * PostgreSQL transaction that was rolled back leaves one, an exchange of two files another).
	 */
	[SQL_TRANSACTION] =
		"SELECT coalesce((SELECT max(p.id) FROM pymodfs_change p WHERE p.id < c.id"
		" AND (p.txn <> c.txn OR (p.txn IS NULL) <> (c.txn IS NULL)"
		" OR (c.txn IS NULL AND p.time <> c.time))), 0) + 1,"
		" (SELECT max(q.id) FROM pymodfs_change q WHERE q.id < coalesce("
		"(SELECT min(p.id) FROM pymodfs_change p WHERE p.id > c.id"
		" AND (p.txn <> c.txn OR (p.txn IS NULL) <> (c.txn IS NULL)"
		" OR (c.txn IS NULL AND p.time <> c.time))), 9223372036854775807))"
		" FROM pymodfs_change c"
		" WHERE c.id = (SELECT max(id) FROM pymodfs_change WHERE id <= ?1)",
	[SQL_CHANGE_AT_TIME] = "SELECT id FROM pymodfs_change WHERE time <= ?1"
			       " ORDER BY id DESC LIMIT 1",

	[SQL_SET_ORIGIN] =
		"INSERT INTO pymodfs_origin (uid, pid, command, txn)"
		" VALUES (?1, ?2, ?3, (SELECT coalesce(max(id), 0) + 1 FROM pymodfs_change))",
	[SQL_CLEAR_ORIGIN] = "DELETE FROM pymodfs_origin",
	[SQL_INSERT_MODULE] = "INSERT INTO " TABLE " (" NAME ", " SOURCE ") VALUES (?1, ?2)",
	[SQL_UPDATE_MODULE] =
		"UPDATE " TABLE " SET " SOURCE " = ?2 WHERE " ROW_NAME " = ?1 COLLATE BINARY",
	[SQL_RENAME_MODULE] =
		"UPDATE " TABLE " SET " NAME " = ?2 WHERE " ROW_NAME " = ?1 COLLATE BINARY",
	[SQL_DELETE_MODULE] = "DELETE FROM " TABLE " WHERE " ROW_NAME " = ?1 COLLATE BINARY",
	[SQL_COUNT_ROWS] = "SELECT count(*) FROM " TABLE " WHERE " ROW_NAME " = ?1 COLLATE BINARY",
	[SQL_NAME] = "SELECT name FROM pymodfs_node WHERE id = ?1",
	[SQL_INSERT_NODE] = "INSERT INTO pymodfs_node (kind, atime, mtime, ctime)"
			    " SELECT ?1, ns, ns, ns FROM pymodfs_now RETURNING id",
	[SQL_PLACE_NODE] =
		"UPDATE pymodfs_node SET parent = ?2, base = ?3, ctime = " NOW " WHERE id = ?1",
	[SQL_INSERT_DIR] = "INSERT INTO pymodfs_node (kind, base, path, atime, mtime, ctime)"
			   " SELECT 'd', ?1, ?2, ns, ns, ns FROM pymodfs_now RETURNING id",
	[SQL_NODE_ID] = "SELECT id FROM pymodfs_node WHERE parent = ?1 AND base = ?2",
	[SQL_DELETE_NODE] = "DELETE FROM pymodfs_node WHERE id = ?1",
	[SQL_SAVE_RESOURCE] = "INSERT INTO pymodfs_resource (node, content) VALUES (?1, ?2)"
			      " ON CONFLICT (node) DO UPDATE SET content = excluded.content",
	[SQL_KEEP_RESOURCE] = "UPDATE pymodfs_version SET content ="
			      " (SELECT content FROM pymodfs_resource WHERE node = ?1)"
			      " WHERE id = (SELECT version FROM pymodfs_node WHERE id = ?1)"
			      " AND (SELECT CAST(value AS INTEGER) <> 0 FROM pymodfs_setting WHERE "
			      "key = 'resource_history')",
	[SQL_DELETE_RESOURCE] = "DELETE FROM pymodfs_resource WHERE node = ?1",
	[SQL_SAME_RESOURCE] =
		"SELECT 1 FROM pymodfs_resource r JOIN pymodfs_node n ON n.id = r.node"
		" WHERE r.node = ?1 AND r.content = ?2 AND n.size = ?3",
	[SQL_RENEW] = "INSERT INTO pymodfs_renew (node, size) VALUES (?1, ?2)",
	[SQL_TOUCH_FILE] = "UPDATE pymodfs_node SET mtime = max(mtime, " NOW "), ctime = " NOW
			   " WHERE id = ?1",
	[SQL_SET_ATTR] =
		"UPDATE pymodfs_node SET mode = coalesce(?2, mode), uid = coalesce(?3, uid),"
		" gid = coalesce(?4, gid), atime = coalesce(?5, atime),"
		" mtime = coalesce(?6, mtime), ctime = max(ctime, " NOW ") WHERE id = ?1",
	[SQL_SET_VERSION_MTIME] =
		"UPDATE pymodfs_version SET mtime = (SELECT mtime FROM pymodfs_node WHERE id = ?1)"
		" WHERE id = (SELECT version FROM pymodfs_node WHERE id = ?1)",
	[SQL_NOTE_ATTR] =
		"INSERT INTO pymodfs_note (op, kind, node, parent, dir, base, version, old_version)"
		" SELECT 'a', kind, id, coalesce(parent, 0), CASE WHEN parent IS NULL THEN '' END, "
		"base,"
		" version, version FROM pymodfs_node WHERE id = ?1",
	[SQL_MAKE_EXPLICIT] =
		"UPDATE pymodfs_node SET auto = 0 WHERE auto <> 0 AND id IN ("
		"WITH RECURSIVE up (id) AS (SELECT CAST(?1 AS BIGINT) UNION SELECT n.parent "
		"FROM up"
		" JOIN pymodfs_node n ON n.id = up.id WHERE n.parent IS NOT NULL) SELECT id FROM "
		"up)",
	[SQL_UNHIDE] = "UPDATE pymodfs_node SET name = name WHERE parent IS NULL AND (name = ?1"
		       " OR (name > ?1 || '.' AND name < ?1 || '/'))",
	[SQL_HAS_CHILDREN] = "SELECT 1 FROM pymodfs_node WHERE parent = ?1 LIMIT 1",
	[SQL_VERSION_TIME] = "SELECT v.time FROM pymodfs_node n"
			     " JOIN pymodfs_version v ON v.id = n.version WHERE n.id = ?1",
	[SQL_NAME_MTIME] = "SELECT v.mtime FROM pymodfs_node d"
			   " JOIN pymodfs_change c ON c.dir = d.path AND c.base = ?2 AND c.op = 'd'"
			   " JOIN pymodfs_version v ON v.id = c.old_version"
			   " WHERE d.id = ?1 ORDER BY c.id DESC LIMIT 1",

	[SQL_NOTE_TREE] =
		"INSERT INTO pymodfs_note (op, kind, node, parent, dir, base, version, old_version)"
		" SELECT ?1, kind, id, parent, NULL, base, CASE ?1 WHEN 'i' THEN version ELSE 0 "
		"END,"
		" CASE ?1 WHEN 'd' THEN version ELSE 0 END FROM pymodfs_node WHERE id IN ("
		"WITH RECURSIVE below (id) AS (SELECT id FROM pymodfs_node WHERE parent = ?2 UNION"
		" SELECT n.id FROM below b JOIN pymodfs_node n ON n.parent = b.id) SELECT id FROM "
		"below)",
	[SQL_MOVE_DIR] = "UPDATE pymodfs_node SET parent = ?2, base = ?3, path = ?4, ctime = " NOW
			 " WHERE id = ?1",
	[SQL_MOVE_DIRS_BELOW] = "UPDATE pymodfs_node SET path = ?2 || substr(path, length(?1) + 1)"
				" WHERE path > ?1 || '/' AND path < ?1 || '0'",
	[SQL_RENAME_MODULES_BELOW] =
		"UPDATE " TABLE " SET " NAME " = ?2 || substr(" ROW_NAME
		", length(?1) + 1) WHERE " ROW_NAME
		" COLLATE BINARY IN (SELECT name FROM pymodfs_node WHERE name > ?1 || '.' AND name "
		"< ?1 || '/'"
		" AND parent IS NOT NULL)",
	[SQL_COUNT_NAMED_BELOW] =
		"SELECT count(*) FROM pymodfs_node WHERE name > ?1 || '.' AND name "
		"< ?1 || '/' AND parent IS NOT NULL",
	[SQL_FILES_BELOW] =
		"WITH RECURSIVE below (id) AS (SELECT CAST(?1 AS BIGINT) UNION"
		" SELECT n.id FROM below b JOIN pymodfs_node n ON n.parent = b.id AND n.kind = 'd')"
		" SELECT " NODE " FROM below b JOIN pymodfs_node n ON n.parent = b.id"
		" WHERE n.kind IN ('m', 'f')",
	[SQL_FORGET_CHANGES] =
		"DELETE FROM pymodfs_change WHERE id > ?1 AND ((dir = ?2 AND base = ?3)"
		" OR dir = ?4 OR (dir > ?4 || '/' AND dir < ?4 || '0'))",

	[SQL_OLD_CONTENTS] = "SELECT p.id, p.size" OLD_CONTENTS,
	/* ?1 is a JSON array of ids. */
	[SQL_FORGET_CONTENTS] = "UPDATE pymodfs_version SET content = NULL WHERE id IN"
				" (SELECT value FROM json_each(?1))",
};

const char *sql_text(enum sql sql)
{
	return texts[sql];
}

struct token {
	const char *text, *value;
};

/* The token at p, or NULL. */
static const struct token *token_at(const struct token tokens[3], const char *p)
{
	for (int i = 0; i < 3; i++)
		if (!strncmp(p, tokens[i].text, strlen(tokens[i].text)))
			return &tokens[i];
	return NULL;
}

/* Writes identifier, quoted, and returns the end. */
static char *put_identifier(char *out, const char *identifier)
{
	*out++ = '"';
	for (const char *c = identifier; *c; c++) {
		if (*c == '"')
			*out++ = '"';
		*out++ = *c;
	}
	*out++ = '"';
	return out;
}

char *sql_substitute(
	const char *text, const char *table, const char *name_column, const char *source_column)
{
	const struct token tokens[3] = {
		{TABLE, table}, {NAME, name_column}, {SOURCE, source_column}};
	size_t room = strlen(text) + 1;
	for (const char *p = text; *p; p++) {
		const struct token *token = token_at(tokens, p);
		if (token)
			room += 2 * strlen(token->value) + 2;
	}
	char *result = malloc(room), *out = result;
	if (!result)
		return NULL;
	while (*text) {
		const struct token *token = token_at(tokens, text);
		if (token) {
			out = put_identifier(out, token->value);
			text += strlen(token->text);
		} else {
			*out++ = *text++;
		}
	}
	*out = '\0';
	return result;
}

char *sql_next_trigger(char **text, const char *end)
{
	char *begin = strstr(*text, "CREATE TRIGGER pymodfs_row_");
	char *stop = begin ? strstr(begin, end) : NULL;
	if (!stop)
		return NULL;
	stop += strlen(end) - 1;
	*stop = '\0';
	*text = stop + 1;
	return begin;
}
