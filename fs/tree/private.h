/* SPDX-License-Identifier: MIT */
/*
 * private.h - what the files of fs/tree share.
 */
#ifndef PYMODFS_TREE_PRIVATE_H
#define PYMODFS_TREE_PRIVATE_H

#include <pthread.h>

#include "caller.h"
#include "clock.h"
#include "draft.h"
#include "names.h"
#include "tree.h"

#define TICKET_SECONDS 10 /* a retry comes at once; this only bounds what is left of killed ones */
#define ASIDE_SECONDS 2
#define TEMPORARY_SECONDS 5

#define TICKET_ANY_SECONDS 1 /* as long as this a ticket is good for any file: see ticket_has() */
#define TICKET_ANY 0         /* no node: the one that was opened is gone already */

/* "This thread is about to come back for a writable inode of this node." */
struct ticket {
	pid_t tid;
	int64_t node;
	int64_t left, expires; /* CLOCK_MONOTONIC, ns */
	struct ticket *next;
};

/* See tree.h. */
struct aside {
	int64_t node;
	pid_t process; /* for whom it is gone */
	int64_t expires;
	struct aside *next;
};

/* A committed version that is open. */
struct content {
	int64_t version;
	struct store_node node; /* as of the open */
	bool unlinked;          /* its node is gone */
	void *data;             /* NULL until the first read, where it can be read later */
	size_t size;
	bool loaded;
	unsigned int files;
	UT_hash_handle hh;
};

struct tree_file {
	struct content *content; /* either */
	struct draft *draft;     /* or */
	bool writes;
};

struct tree {
	struct store *store;
	struct tree_options options;

	pthread_mutex_t lock; /* guards all below */
	int64_t next_draft;
	size_t memory; /* bytes of all drafts */
	struct draft *drafts_by_ino, *drafts_by_name, *drafts_by_node;
	struct ticket *tickets;
	struct aside *asides;
	struct content *contents;
};

static inline void tree_lock(struct tree *tree)
{
	pthread_mutex_lock(&tree->lock);
}

static inline void tree_unlock(struct tree *tree)
{
	pthread_mutex_unlock(&tree->lock);
}

/* tree.c: the entry of a node as it is in the store; needs no lock. */
void node_entry(
	const struct tree *tree, const struct store_node *node, struct tree_entry *ret_entry);

/* tree.c; want the lock. */
void draft_entry(struct draft *draft, struct tree_entry *ret_entry);
/* The draft that writers of node share; made if there is none. name: the node's. */
struct draft *draft_of_node(struct tree *tree, const struct store_node *node, const char *name);

/* namespace.c: the node is removed or replaced. Wants the lock. */
void tree_forget_node(struct tree *tree, int64_t node);

/* content.c; want the lock. */
struct content *content_open(struct tree *tree, const struct store_node *node);
struct content *content_find(struct tree *tree, int64_t version);
void content_close(struct tree *tree, struct content *content);
/* The node is gone: who has its content open sees nlink 0. */
void content_unlink_node(struct tree *tree, int64_t node);

/* ticket.c; all want the lock. */
int ticket_leave(struct tree *tree, pid_t tid, int64_t node);
bool ticket_has(struct tree *tree, pid_t tid, int64_t node);
void ticket_drop(struct tree *tree, pid_t tid);

/* aside.c; all want the lock. */
int aside_add(struct tree *tree, int64_t node, pid_t process);
struct aside *aside_find(struct tree *tree, int64_t node);
void aside_remove(struct tree *tree, int64_t node);

#endif
