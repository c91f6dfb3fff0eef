/* SPDX-License-Identifier: MIT */
/* sql.h - every statement that the store runs, by name; private to fs/store. */
#ifndef PYMODFS_STORE_SQL_H
#define PYMODFS_STORE_SQL_H

enum sql {
	/* reading */
	SQL_LOOKUP,
	SQL_NODE,
	SQL_NODE_BY_PATH,
	SQL_VERSION,
	SQL_READ,
	SQL_PATH,
	SQL_LIST,
	SQL_CHANGES,
	SQL_CHANGES_OF,
	SQL_LAST_CHANGE,
	SQL_LAST_VERSION,
	SQL_COUNT,
	SQL_HIDDEN,
	SQL_AT_CHANGE,
	SQL_AT_CHANGES_IN,
	SQL_AT_VERSION,
	SQL_FEED_START,
	SQL_HISTORY,
	SQL_HISTORY_NAMES,
	SQL_LOG,
	SQL_LOG_PATH,
	SQL_RENAMED_FROM,
	SQL_RENAMED_TO,
	SQL_TRANSACTION,
	SQL_CHANGE_AT_TIME,
	/* writing */
	SQL_SET_ORIGIN,
	SQL_CLEAR_ORIGIN,
	SQL_INSERT_MODULE,
	SQL_UPDATE_MODULE,
	SQL_RENAME_MODULE,
	SQL_DELETE_MODULE,
	SQL_COUNT_ROWS,
	SQL_NAME,
	SQL_INSERT_NODE,
	SQL_PLACE_NODE,
	SQL_INSERT_DIR,
	SQL_NODE_ID,
	SQL_DELETE_NODE,
	SQL_SAVE_RESOURCE,
	SQL_KEEP_RESOURCE,
	SQL_DELETE_RESOURCE,
	SQL_SAME_RESOURCE,
	SQL_RENEW,
	SQL_TOUCH_FILE,
	SQL_SET_ATTR,
	SQL_SET_VERSION_MTIME,
	SQL_NOTE_ATTR,
	SQL_MAKE_EXPLICIT,
	SQL_UNHIDE,
	SQL_HAS_CHILDREN,
	SQL_VERSION_TIME,
	SQL_NAME_MTIME,
	/* moving trees */
	SQL_NOTE_TREE,
	SQL_MOVE_DIR,
	SQL_MOVE_DIRS_BELOW,
	SQL_RENAME_MODULES_BELOW,
	SQL_COUNT_NAMED_BELOW,
	SQL_FILES_BELOW,
	SQL_FORGET_CHANGES,
	/* old contents */
	SQL_OLD_CONTENTS,
	SQL_FORGET_CONTENTS,
	N_SQL,
};

/* The statement with the user's table and columns as the quoted tokens "module", "name", "source". */
const char *sql_text(enum sql sql);

/*
 * A copy of text in which these three tokens are replaced by the given identifiers, quoted; the caller
 * frees. NULL: no memory.
 */
char *sql_substitute(
	const char *text, const char *table, const char *name_column, const char *source_column);

/*
 * The next statement in *text that makes a trigger of the user's table, ended by a NUL in place of the last character of `end`;
 * *text goes on behind it. NULL: there is none.
 */
char *sql_next_trigger(char **text, const char *end);

#endif
