/* SPDX-License-Identifier: MIT */
/*
 * Forgetting old contents, in a transaction of the caller's: first they are all found, then they go in portions, so that
 * who waits can be told how far it is. No state; no lock.
 */
#include "store-private.h"

#include "error.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PORTION 1000

struct old {
	int64_t *ids;
	size_t n, room;
	int64_t bytes;
};

static int take_old(void *arg, const struct db_row *row)
{
	struct old *old = arg;
	if (old->n == old->room) {
		size_t room = old->room ? 2 * old->room : PORTION;
		int64_t *ids = reallocarray(old->ids, room, sizeof(*ids));
		if (!ids)
			return store_fail(-ENOMEM, "out of memory");
		old->ids = ids;
		old->room = room;
	}
	old->ids[old->n++] = db_get_int(row, 0);
	old->bytes += db_get_int(row, 1);
	return 0;
}

static int forget_portion(struct db *db, const int64_t *ids, size_t n)
{
	char list[PORTION * 21 + 2], *to = list;
	for (size_t i = 0; i < n; i++)
		to += sprintf(to, "%c%" PRId64, i ? ',' : '[', ids[i]);
	strcpy(to, "]");
	return db_do(db, SQL_FORGET_CONTENTS, DB_VALUES(db_text(list)));
}

static int forget_all(struct db *db, const struct old *old, store_progress_fn *fn, void *arg)
{
	int err = 0;
	for (size_t done = 0; done < old->n && !err;) {
		size_t n = old->n - done < PORTION ? old->n - done : PORTION;
		err = forget_portion(db, old->ids + done, n);
		done += n;
		if (!err && fn)
			err = fn(arg, (int64_t)done, (int64_t)old->n);
	}
	return err;
}

int store_forget(struct store_txn *txn, const struct store_prune *prune, store_progress_fn *fn,
	void *arg, int64_t *ret_versions, int64_t *ret_bytes)
{
	struct db *db = txn->reader.db;
	struct old old = {.n = 0};
	int err = db_run(db, SQL_OLD_CONTENTS,
		DB_VALUES(db_int(prune->before), db_int(prune->keep)), take_old, &old);
	if (!err)
		err = forget_all(db, &old, fn, arg);
	if (!err) {
		*ret_versions = (int64_t)old.n;
		*ret_bytes = old.bytes;
	}
	free(old.ids);
	return err;
}
