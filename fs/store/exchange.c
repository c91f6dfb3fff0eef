/* SPDX-License-Identifier: MIT */
/*
 * Two files or trees for one another (renameat2 with RENAME_EXCHANGE): three moves, over a name that
 * nobody sees, because the transaction ends without it and it is taken out of the feed again. The
 * name keeps what the first one is: a module stays a module on the way, a directory's modules stay
 * rows. Everything happens in the txn's connection, which is the transaction's alone.
 */
#include "store-private.h"

#include "error.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Where something is. */
struct place {
	struct store_node node;
	char *path, *dir;
	const char *base;
};

static void place_finish(struct place *place)
{
	free(place->dir);
	free(place->path);
}

static int place_init(struct place *place, struct db *db, int64_t id)
{
	*place = (struct place){.path = NULL};
	int err = node_find(db, SQL_NODE, DB_VALUES(db_int(id)), -ESTALE, &place->node);
	if (!err && id == STORE_ROOT)
		err = store_fail(-EINVAL, "the root can't be exchanged");
	if (!err)
		err = read_path(db, id, &place->path);
	return err ? err : name_split(place->path, &place->dir, &place->base);
}

static bool is_below(const char *path, const char *dir)
{
	size_t size = strlen(dir);
	return !strncmp(path, dir, size) && path[size] == '/';
}

/* A free name in the directory; with ".py" for a module, so that it stays one. */
static int pick_name(struct db *db, const struct place *place, char *name, size_t size)
{
	int64_t taken = 1;
	int err = 0;
	for (int i = 0; taken && !err; i++) {
		snprintf(name, size, "pymodfs_exchange_%d%s", i,
			place->node.kind == STORE_MODULE ? ".py" : "");
		err = db_number(db, SQL_NODE_ID,
			DB_VALUES(db_int(place->node.parent), db_text(name)), 0, &taken);
	}
	return err;
}

/* Takes the way over the name out of the feed. */
static int forget_name(struct db *db, const struct place *place, const char *name, int64_t since)
{
	char *path = name_join(place->dir, name);
	if (!path)
		return store_fail(-ENOMEM, "out of memory");
	int err = db_do(db, SQL_FORGET_CHANGES,
		DB_VALUES(db_int(since), db_text(place->dir), db_text(name), db_text(path)));
	free(path);
	return err;
}

/* The id under which a child is known; a conversion on the way may have changed it. */
static int child_id(struct db *db, int64_t parent, const char *name, int64_t *ret_id)
{
	return db_number(db, SQL_NODE_ID, DB_VALUES(db_int(parent), db_text(name)), 0, ret_id);
}

static int exchange(struct store_txn *txn, const struct place *a, const struct place *b)
{
	struct db *db = txn->reader.db;
	char name[64];
	int64_t since, moved;
	int err = db_number(db, SQL_LAST_CHANGE, DB_NO_VALUES, 0, &since);
	if (!err)
		err = pick_name(db, a, name, sizeof(name));
	if (!err)
		err = store_move(txn, a->node.id, a->node.parent, name);
	if (!err)
		err = child_id(db, a->node.parent, name, &moved);
	if (!err)
		err = store_move(txn, b->node.id, a->node.parent, a->base);
	if (!err)
		err = store_move(txn, moved, b->node.parent, b->base);
	return err ? err : forget_name(db, a, name, since);
}

int store_exchange(struct store_txn *txn, int64_t a, int64_t b)
{
	struct place first, second = {.path = NULL};
	int err = place_init(&first, txn->reader.db, a);
	if (!err)
		err = place_init(&second, txn->reader.db, b);
	if (!err && (is_below(first.path, second.path) || is_below(second.path, first.path)))
		err = store_fail(-EINVAL, "a directory can't go into itself");
	if (!err && a != b)
		err = exchange(txn, &first, &second);
	place_finish(&second);
	place_finish(&first);
	return err;
}
