/* SPDX-License-Identifier: MIT */
/*
 * The tree as it was, and the versions of a file.
 *
 * The feed is read backwards: a path's state after change C is what the first change of that path
 * above C found there; without such a change it is what is there now. So nothing has to be kept for a state
 * but the feed itself. Every step reads in one snapshot, for "now" must not move on meanwhile. A reader
 * belongs to one thread; no lock.
 */
#include "store-private.h"

#include "error.h"
#include "table.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Begins a snapshot unless the reader is in one; *ret_begun says so. */
static int begin(struct store_reader *reader, bool *ret_begun)
{
	*ret_begun = !reader->snapshot;
	return reader->snapshot ? 0 : store_reader_begin(reader);
}

static void end(struct store_reader *reader, bool begun)
{
	if (begun)
		store_reader_end(reader);
}

static int check_reach(struct db *db, int64_t change)
{
	int64_t start;
	int err = db_number(db, SQL_FEED_START, DB_NO_VALUES, 0, &start);
	if (!err && change < start)
		err = store_fail(-ENOENT, "the feed is kept from change %lld on", (long long)start);
	return err;
}

/* What the first change of a path above C says of the time before. */
struct before {
	bool found;
	bool existed;
	enum store_kind kind;
	int64_t node, parent, version;
};

static void before_from_row(struct before *before, const struct db_row *row)
{
	char op = db_get_text(row, 0)[0];
	*before = (struct before){
		.found = true,
		.existed = op != STORE_INSERT,
		.kind = (enum store_kind)db_get_text(row, 1)[0],
		.node = db_get_int(row, 2),
		.version = db_get_int(row, op == STORE_ATTR ? 3 : 4),
		.parent = db_get_int(row, 5),
	};
}

static int take_before(void *arg, const struct db_row *row)
{
	before_from_row(arg, row);
	return 0;
}

static int take_size_and_mtime(void *arg, const struct db_row *row)
{
	struct store_node *node = arg;
	node->size = db_get_int(row, 0);
	node->mtime = db_get_int(row, 1);
	return 0;
}

/* The node as it was: what the feed and the version say, the rest as it is now if it still is. */
static int node_before(struct db *db, const struct before *before, struct store_node *ret_node)
{
	struct store_node node = {.mode = -1, .uid = -1, .gid = -1};
	struct node_result now = {.found = false};
	int err = db_run(db, SQL_NODE, DB_VALUES(db_int(before->node)), node_take, &now);
	if (err)
		return err;
	if (now.found)
		node = now.node;
	node.id = before->node;
	node.parent = before->parent;
	node.kind = before->kind;
	node.version = before->version;
	if (node.version)
		err = db_run(db, SQL_AT_VERSION, DB_VALUES(db_int(node.version)),
			take_size_and_mtime, &node);
	if (!err)
		*ret_node = node;
	return err;
}

static int lookup_now(struct db *db, const char *dir, const char *base, struct store_node *ret_node)
{
	return node_find(
		db, SQL_NODE_BY_PATH, DB_VALUES(db_text(dir), db_text(base)), -ENOENT, ret_node);
}

static int lookup_at(struct db *db, int64_t change, const char *path, struct store_node *ret_node)
{
	struct before before = {.found = false};
	const char *base;
	char *dir;
	if (!*path)
		return node_find(db, SQL_NODE, DB_VALUES(db_int(STORE_ROOT)), -EUCLEAN, ret_node);
	int err = name_split(path, &dir, &base);
	if (err)
		return err;
	err = db_run(db, SQL_AT_CHANGE, DB_VALUES(db_text(dir), db_text(base), db_int(change)),
		take_before, &before);
	if (!err && !before.found)
		err = lookup_now(db, dir, base, ret_node);
	else if (!err && before.existed)
		err = node_before(db, &before, ret_node);
	else if (!err)
		err = store_fail(-ENOENT, "%s was not there", path);
	free(dir);
	return err;
}

int store_at_lookup(
	struct store_reader *reader, int64_t change, const char *path, struct store_node *ret_node)
{
	bool begun;
	int err = begin(reader, &begun);
	if (err)
		return err;
	err = check_reach(reader->db, change);
	if (!err)
		err = lookup_at(reader->db, change, path, ret_node);
	end(reader, begun);
	return err;
}

/* ---- a directory as it was ---- */

/* A name of the directory that has changed since. */
struct changed {
	UT_hash_handle hh;
	struct before before;
	char name[];
};

struct list_at {
	struct db *db;
	struct changed *changed; /* by name, in order of change */
	store_entry_fn *fn;
	void *arg;
};

static int take_changed(void *arg, const struct db_row *row)
{
	struct list_at *list = arg;
	const char *name = db_get_text(row, 6);
	struct changed *changed = malloc(sizeof(*changed) + strlen(name) + 1);
	if (!changed)
		return store_fail(-ENOMEM, "out of memory");
	strcpy(changed->name, name);
	before_from_row(&changed->before, row);
	HASH_ADD_STR(list->changed, name, changed);
	if (is_in_table(hh, changed))
		return 0;
	free(changed);
	return store_fail(-ENOMEM, "out of memory");
}

static int pass_unchanged(void *arg, const struct store_entry *entry)
{
	struct list_at *list = arg;
	struct changed *changed;
	HASH_FIND_STR(list->changed, entry->name, changed);
	return changed ? 0 : list->fn(list->arg, entry);
}

static int pass_changed(struct list_at *list)
{
	int err = 0;
	for (struct changed *c = list->changed; c && !err; c = c->hh.next) {
		struct store_entry entry = {.name = c->name};
		if (!c->before.existed)
			continue;
		err = node_before(list->db, &c->before, &entry.node);
		if (!err)
			err = list->fn(list->arg, &entry);
	}
	return err;
}

static void forget_changed(struct list_at *list)
{
	struct changed *c, *next;
	HASH_ITER (hh, list->changed, c, next) {
		HASH_DEL(list->changed, c);
		free(c);
	}
}

static int list_at(
	struct store_reader *reader, int64_t change, const char *path, struct list_at *list)
{
	struct store_node dir, now;
	int err = lookup_at(list->db, change, path, &dir);
	if (!err && dir.kind != STORE_DIR)
		err = store_fail(-ENOTDIR, "%s was no directory", path);
	if (err)
		return err;
	err = db_run(list->db, SQL_AT_CHANGES_IN, DB_VALUES(db_text(path), db_int(change)),
		take_changed, list);
	if (!err)
		err = lookup_at(list->db, INT64_MAX, path, &now);
	/* A directory that is gone, or is another one now, had nothing that has no change. */
	if (!err && now.kind == STORE_DIR)
		err = store_list(reader, now.id, 0, pass_unchanged, list);
	if (!err || err == -ENOENT)
		err = pass_changed(list);
	return err;
}

int store_at_list(struct store_reader *reader, int64_t change, const char *path, store_entry_fn *fn,
	void *arg)
{
	struct list_at list = {.db = reader->db, .fn = fn, .arg = arg};
	bool begun;
	int err = begin(reader, &begun);
	if (err)
		return err;
	err = check_reach(reader->db, change);
	if (!err)
		err = list_at(reader, change, path, &list);
	forget_changed(&list);
	end(reader, begun);
	return err;
}

/* ---- the versions of a file ---- */

struct version_walk {
	store_version_fn *fn;
	void *arg;
};

static int take_version(void *arg, const struct db_row *row)
{
	struct version_walk *walk = arg;
	struct store_version version = {
		.id = db_get_int(row, 0),
		.node = db_get_int(row, 1),
		.size = db_get_int(row, 2),
		.mtime = db_get_int(row, 3),
		.time = db_get_int(row, 4),
		.uid = db_get_int_or_unset(row, 5),
		.pid = db_get_int_or_unset(row, 6),
		.command = db_get_text_or_null(row, 7),
		.path = db_get_text(row, 8),
		.current = db_get_int(row, 9) != 0,
		.kept = db_get_int(row, 10) != 0,
	};
	return walk->fn(walk->arg, &version);
}

int store_history(struct store_reader *reader, const char *path, store_version_fn *fn, void *arg)
{
	struct version_walk walk = {.fn = fn, .arg = arg};
	const char *base;
	char *dir;
	int err = name_split(path, &dir, &base);
	if (err)
		return err;
	err = db_run(reader->db, SQL_HISTORY, DB_VALUES(db_text(dir), db_text(base)), take_version,
		&walk);
	free(dir);
	return err;
}

struct name_walk {
	int (*fn)(void *arg, const char *name);
	void *arg;
};

static int take_name(void *arg, const struct db_row *row)
{
	struct name_walk *walk = arg;
	return walk->fn(walk->arg, db_get_text(row, 0));
}

int store_history_names(struct store_reader *reader, const char *dir,
	int (*fn)(void *arg, const char *name), void *arg)
{
	struct name_walk walk = {.fn = fn, .arg = arg};
	return db_run(reader->db, SQL_HISTORY_NAMES, DB_VALUES(db_text(dir)), take_name, &walk);
}
