/* SPDX-License-Identifier: MIT */
/* Forgetting old contents, in a transaction of the caller's. No state; no lock. */
#include "store-private.h"

struct sum {
	int64_t versions, bytes;
};

static int take_sum(void *arg, const struct db_row *row)
{
	struct sum *sum = arg;
	sum->versions = db_get_int(row, 0);
	sum->bytes = db_get_int(row, 1);
	return 0;
}

int store_forget(struct store_txn *txn, const struct store_prune *prune, int64_t *ret_versions,
	int64_t *ret_bytes)
{
	struct db *db = txn->reader.db;
	struct sum sum = {0};
	const struct db_value values[] = {db_int(prune->before), db_int(prune->keep)};
	int err = db_run(db, SQL_COUNT_OLD, values, 2, take_sum, &sum);
	if (!err)
		err = db_do(db, SQL_FORGET_OLD, values, 2);
	if (err)
		return err;
	*ret_versions = sum.versions;
	*ret_bytes = sum.bytes;
	return 0;
}
