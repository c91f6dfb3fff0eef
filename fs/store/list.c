/* SPDX-License-Identifier: MIT */
/*
 * Walks: the entries of a directory, the feed, hidden rows, counts. Rows come in portions of bounded
 * size, because not every engine streams; a walk outside a snapshot may therefore see commits made while it
 * runs, in order of id, which is what both callers (readdir and the feed) want. A reader belongs to
 * one thread; no lock.
 */
#include "store-private.h"

#include "error.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define PORTION 1024

struct entry_walk {
	store_entry_fn *fn;
	void *arg;
	int64_t last;
	int n;
};

static int take_entry(void *arg, const struct db_row *row)
{
	struct entry_walk *walk = arg;
	struct store_entry entry = {.name = db_get_text(row, 11), .change = db_get_int(row, 13)};
	node_from_row(&entry.node, row);
	walk->last = entry.node.id;
	walk->n++;
	return walk->fn(walk->arg, &entry);
}

int store_list(
	struct store_reader *reader, int64_t parent, int64_t after, store_entry_fn *fn, void *arg)
{
	struct entry_walk walk = {.fn = fn, .arg = arg, .last = after};
	int err;
	do {
		walk.n = 0;
		err = db_run(reader->db, SQL_LIST,
			DB_VALUES(db_int(parent), db_int(walk.last), db_int(PORTION)), take_entry,
			&walk);
	} while (!err && walk.n == PORTION);
	return err;
}

struct change_walk {
	store_change_fn *fn;
	void *arg;
	int64_t last;
	int n;
};

/* All but its names. */
static struct store_change change_from_row(const struct db_row *row)
{
	return (struct store_change){
		.id = db_get_int(row, 0),
		.op = (enum store_op)db_get_text(row, 1)[0],
		.kind = (enum store_kind)db_get_text(row, 2)[0],
		.node = db_get_int(row, 3),
		.parent = db_get_int(row, 4),
		.version = db_get_int(row, 5),
		.old_version = db_get_int(row, 6),
	};
}

static int take_change(void *arg, const struct db_row *row)
{
	struct change_walk *walk = arg;
	char *module = NULL;
	char *path = name_join(db_get_text(row, 7), db_get_text(row, 8));
	if (!path)
		return store_fail(-ENOMEM, "out of memory");
	struct store_change change = change_from_row(row);
	change.name = db_get_text(row, 8);
	change.path = path;
	int err = 0;
	if (change.kind == STORE_MODULE)
		err = name_module(db_get_text(row, 7), change.name, &module);
	change.module = module;
	walk->last = change.id;
	walk->n++;
	if (!err)
		err = walk->fn(walk->arg, &change);
	free(module);
	free(path);
	return err;
}

int store_changes(struct store_reader *reader, int64_t after, store_change_fn *fn, void *arg)
{
	struct change_walk walk = {.fn = fn, .arg = arg, .last = after};
	int err;
	do {
		walk.n = 0;
		err = db_run(reader->db, SQL_CHANGES, DB_VALUES(db_int(walk.last), db_int(PORTION)),
			take_change, &walk);
	} while (!err && walk.n == PORTION);
	return err;
}

static int take_change_of(void *arg, const struct db_row *row)
{
	const struct change_walk *walk = arg;
	struct store_change change = change_from_row(row);
	return walk->fn(walk->arg, &change);
}

int store_changes_of(
	struct store_reader *reader, int64_t node, int64_t after, store_change_fn *fn, void *arg)
{
	struct change_walk walk = {.fn = fn, .arg = arg};
	return db_run(reader->db, SQL_CHANGES_OF, DB_VALUES(db_int(node), db_int(after)),
		take_change_of, &walk);
}

int store_last_change(struct store_reader *reader, int64_t *ret_change)
{
	return db_number(reader->db, SQL_LAST_CHANGE, DB_NO_VALUES, 0, ret_change);
}

int store_last_version(struct store_reader *reader, int64_t *ret_version)
{
	return db_number(reader->db, SQL_LAST_VERSION, DB_NO_VALUES, 0, ret_version);
}

static int take_counts(void *arg, const struct db_row *row)
{
	struct store_counts *counts = arg;
	int64_t visible = db_get_int(row, 0);
	*counts = (struct store_counts){
		.files = db_get_int(row, 1),
		.links = db_get_int(row, 2),
		.dirs = db_get_int(row, 3),
		.hidden = db_get_int(row, 4),
		.versions = db_get_int(row, 5),
		.changes = db_get_int(row, 6),
	};
	counts->modules = visible - counts->files - counts->links - counts->dirs;
	return 0;
}

int store_count(struct store_reader *reader, struct store_counts *ret_counts)
{
	struct store_counts counts = {0};
	int err = db_run(reader->db, SQL_COUNT, DB_NO_VALUES, take_counts, &counts);
	if (!err)
		*ret_counts = counts;
	return err;
}

struct hidden_walk {
	int (*fn)(void *arg, const char *name, size_t size);
	void *arg;
};

static int take_hidden(void *arg, const struct db_row *row)
{
	struct hidden_walk *walk = arg;
	size_t size;
	const void *bytes = db_get_bytes(row, 0, &size);
	char *name = malloc(size + 1);
	if (!name)
		return store_fail(-ENOMEM, "out of memory");
	memcpy(name, bytes, size);
	name[size] = '\0';
	int err = walk->fn(walk->arg, name, size);
	free(name);
	return err;
}

int store_hidden(
	struct store_reader *reader, int (*fn)(void *arg, const char *name, size_t size), void *arg)
{
	struct hidden_walk walk = {.fn = fn, .arg = arg};
	return db_run(reader->db, SQL_HIDDEN, DB_NO_VALUES, take_hidden, &walk);
}
