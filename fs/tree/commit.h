/* SPDX-License-Identifier: MIT */
/*
 * commit.h - what commits and renames share. Private to fs/tree, on the writer's thread.
 */
#ifndef PYMODFS_COMMIT_H
#define PYMODFS_COMMIT_H

#include "private.h"

/* A draft as it was at one moment. */
struct snapshot {
	struct store_content content;
	void *data; /* the content's */
	enum store_kind kind;
	bool created; /* there is no node yet; else it goes to `node` */
	int64_t node;
	int64_t parent;
	char name[STORE_NAME_MAX + 1];
	uint64_t changes;
	bool exposed; /* struct draft's */
	struct store_attr attr;
};

/* Begins a transaction in the name of the request's caller. */
int change_begin(struct tree *tree, const struct tree_request *request, struct store_txn **ret_txn);

/* Wants the lock. */
int snapshot_init(struct snapshot *snapshot, const struct draft *draft);
void snapshot_finish(struct snapshot *snapshot);

/* The snapshot as a new file, and as a new version of one. */
int snapshot_create(struct tree *tree, struct store_txn *txn, const struct snapshot *snapshot,
	int64_t parent, const char *name, struct store_node *ret_node);
int snapshot_write(struct store_txn *txn, const struct snapshot *snapshot, int64_t id,
	struct store_node *ret_node);

/* Nothing will become of the draft: its file is removed or replaced. Wants the lock. */
void draft_give_up(struct tree *tree, struct draft *draft);

/* After the commit: the draft is that node's from now on. Wants the lock. */
void draft_committed(struct tree *tree, struct draft *draft, const struct snapshot *snapshot,
	const struct store_node *node);

#endif
