/* SPDX-License-Identifier: MIT */
/*
 * rename.h - what renames one way and both ways share. Private to fs/tree, on the writer's thread.
 */
#ifndef PYMODFS_RENAME_H
#define PYMODFS_RENAME_H

#include "commit.h"

/* One of the two names. */
struct end {
	int64_t parent;
	const char *name;
	struct draft *draft; /* pinned, or NULL */
	bool in_store;       /* as node */
	bool aside;          /* node is aside for this caller, who sees nothing under the name */
	struct store_node node;
};

struct renaming {
	struct tree *tree;
	const struct tree_request *request;
	struct store_txn *txn;
	struct end from, to;
	bool to_dropping;
};

/* Ends the transaction. */
int renaming_commit(struct renaming *renaming);
/* The snapshot becomes the content of what is at that end, or a new file. A link and a file can't be the same row. */
int renaming_save(struct renaming *renaming, const struct end *end, const struct snapshot *snapshot,
	struct store_node *ret_node);

/*
 * The file's content, to be a dropping's: in memory, with the file's name as its place; pinned. -ESTALE: the kernel is to
 * look the name up once more, because it takes what it has there along to the new name, and that must be this.
 */
int renaming_copy(struct renaming *renaming, const struct end *file, struct draft **ret_draft);

/* exchange.c: both are there. */
int rename_exchange(struct renaming *renaming);

#endif
