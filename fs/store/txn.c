/* SPDX-License-Identifier: MIT */
/*
 * Write transactions. A store has one connection that writes, opened by the first transaction,
 * which belongs to one transaction from begin to commit or abort: so writers of one process queue
 * here and not in the database's busy handler. Waiting, here and there together, is bounded by the
 * busy time-out. Whatever fails, the transaction is rolled back and every statement reset, so that
 * the next one starts from nothing.
 */
#include "store-private.h"

#include "clock.h"
#include "error.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* Waits for the transactions of other threads. */
static int take_writer(struct store *store, int64_t deadline)
{
	struct timespec ts = {.tv_sec = deadline / 1000, .tv_nsec = deadline % 1000 * 1000000};
	int err = 0;
	pthread_mutex_lock(&store->lock);
	while (store->writing && !err)
		err = pthread_cond_timedwait(&store->ended, &store->lock, &ts);
	bool taken = !store->writing;
	store->writing = true;
	pthread_mutex_unlock(&store->lock);
	return taken ? 0 : store_fail(-EBUSY, "another save took longer than the busy time-out");
}

static void release_writer(struct store *store)
{
	pthread_mutex_lock(&store->lock);
	store->writing = false;
	pthread_cond_signal(&store->ended);
	pthread_mutex_unlock(&store->lock);
}

static int begin_taken(struct store *store, const struct store_origin *origin, int64_t deadline,
	int64_t *ret_since)
{
	int err = 0;
	if (!store->writer)
		err = store->engine->open(store, true, &store->writer);
	if (err)
		return err;
	int64_t left = deadline - clock_monotonic_ms();
	err = store->engine->begin_write(store->writer, left > 0 ? (int)left : 0);
	if (err)
		return err;
	err = db_number(store->writer, SQL_LAST_CHANGE, DB_NO_VALUES, 0, ret_since);
	if (!err && origin)
		err = db_do(store->writer, SQL_SET_ORIGIN,
			DB_VALUES(db_int_or_null(origin->uid), db_int_or_null(origin->pid),
				db_text(origin->command)));
	if (err)
		store->engine->rollback(store->writer);
	return err;
}

int store_begin(struct store *store, const struct store_origin *origin, int timeout_ms,
	struct store_txn **ret_txn)
{
	int64_t deadline = clock_monotonic_ms() +
			   (timeout_ms < 0 ? store->options.busy_timeout_ms : timeout_ms);
	if (store->options.read_only)
		return store_fail(-EROFS, "the database was opened read-only");
	if (store->refusal)
		return store_fail(-EROFS, "it can't be written: %s", store->refusal);
	struct store_txn *txn = calloc(1, sizeof(*txn));
	if (!txn)
		return store_fail(-ENOMEM, "out of memory");
	int err = take_writer(store, deadline);
	if (err)
		goto free_txn;
	err = begin_taken(store, origin, deadline, &txn->since);
	if (err)
		goto release_writer;
	txn->store = store;
	txn->reader.db = store->writer;
	txn->reader.snapshot = true;
	*ret_txn = txn;
	return 0;

release_writer:
	release_writer(store);
free_txn:
	free(txn);
	return err;
}

static void txn_finish(struct store_txn *txn)
{
	release_writer(txn->store);
	free(txn);
}

int store_commit(struct store_txn *txn, int64_t *ret_change)
{
	struct db *db = txn->reader.db;
	int64_t change;
	int err = db_do(db, SQL_CLEAR_ORIGIN, DB_NO_VALUES);
	if (!err)
		err = db_number(db, SQL_LAST_CHANGE, DB_NO_VALUES, 0, &change);
	if (!err) {
		own_add(txn->store, txn->since + 1, change);
		atomic_fetch_add(&txn->store->commits, 1);
		err = db->engine->commit(db);
		atomic_fetch_add(&txn->store->commits, 1);
		if (err)
			own_remove(txn->store, txn->since + 1);
	} else {
		db->engine->rollback(db);
	}
	txn_finish(txn);
	if (!err)
		*ret_change = change;
	return err;
}

void store_abort(struct store_txn *txn)
{
	if (!txn)
		return;
	txn->reader.db->engine->rollback(txn->reader.db);
	txn_finish(txn);
}

uint64_t store_commits(const struct store *store)
{
	return atomic_load(&store->commits);
}

struct store_reader *store_txn_reader(struct store_txn *txn)
{
	return &txn->reader;
}
