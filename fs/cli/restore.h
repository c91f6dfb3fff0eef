/* SPDX-License-Identifier: MIT */
/* restore.h - what the two ways to restore share: one module, or everything. */
#ifndef PYMODFS_CLI_RESTORE_H
#define PYMODFS_CLI_RESTORE_H

#include "filelist.h"

struct restore_sum {
	int64_t generation;
	int64_t created, changed, deleted; /* files */
};

/* Brings everything back as it was; returns the exit status. The transaction stays open; on failure it has to be aborted. */
int restore_all(struct store_txn *txn, const char *generation, struct restore_sum *ret_sum);

/* The directory with this path, made with all above it where it is missing. */
int restore_make_dir(struct store_txn *txn, const char *path, int64_t *ret_id);
int restore_create(struct store_txn *txn, const char *path, enum store_kind kind, const void *data,
	size_t size, struct store_node *ret_node);

#endif
