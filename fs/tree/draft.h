/* SPDX-License-Identifier: MIT */
/*
 * draft.h - content that is not committed, in memory.
 *
 * A draft is what writers of one file share until the last of them has closed it. Private to fs/tree. All functions here
 * want tree->lock to be held, except where said.
 */
#ifndef PYMODFS_DRAFT_H
#define PYMODFS_DRAFT_H

#include "../store/table.h"
#include "tree.h"

enum draft_state {
	DRAFT_BOUND, /* collects a new version of the store's node `node` */
	DRAFT_NEW,   /* of a file that isn't in the store yet */
	DRAFT_LOCAL, /* an editor's dropping: stays in memory (a temporary one: for a while) */
	DRAFT_GONE,  /* its file was removed or replaced: nothing will become of it */
};

/* A name in a directory of the store. */
struct place {
	int64_t parent;
	char name[];
};

/* NULL: no memory; ends with free(). */
struct place *place_create(int64_t parent, const char *name);
bool place_is(const struct place *place, int64_t parent, const char *name);

struct draft {
	uint64_t ino;
	enum draft_state state;
	enum store_kind kind; /* STORE_MODULE or STORE_FILE (what it will be), or STORE_LINK */

	int64_t node;        /* BOUND */
	struct place *place; /* where it is, or was when it was opened; NULL: nowhere yet */
	bool named;          /* NEW and LOCAL: found by its place */
	int64_t position;    /* named: in listings; ascends in the order of drafts_by_name */
	bool temporary;      /* LOCAL: is put into the store if it stays */
	int64_t expires;     /* temporary and closed: when (CLOCK_MONOTONIC, ns) */
	pid_t maker;         /* NEW: the thread that created it */
	bool apart;          /* BOUND: made for one caller, see ticket_draft() */

	unsigned char *data;
	size_t filled, capacity; /* bytes of data that are set; of a module: all */
	size_t start;            /* where they stand: before and behind them are zeros */
	size_t size;
	bool loaded;        /* BOUND: data holds the content (else it is still to be read) */
	int64_t base;       /* BOUND: the version that was loaded, or committed */
	uint64_t changes;   /* grows with each change of data */
	uint64_t committed; /* `changes` as of the last commit */
	bool failed;        /* the last commit failed, and nothing was written since */

	struct store_attr
		attr; /* to be set with the next commit; owner and mode: of one that is made anew */
	mode_t mode;
	uid_t uid;
	gid_t gid;
	int64_t atime, mtime, ctime;

	uint64_t lookups;   /* held by the kernel */
	unsigned int files; /* open files */
	unsigned int pins;  /* work under way */

	UT_hash_handle by_ino, by_name, by_node;
	bool in_by_node;

	UT_hash_handle by_saved; /* again.c, as all that follows */
	bool in_by_saved;
	bool alone;   /* since its last close nobody was led past it */
	bool led;     /* somebody was led to it without a ticket */
	bool exposed; /* being written: the kernel may have cached what it is going to replace */
	pid_t saver;  /* the process that closed it last */
	unsigned int looks;
};

struct draft *draft_create(struct tree *tree, enum draft_state state, enum store_kind kind);
/* Frees it if nothing holds it any more. */
void draft_release(struct tree *tree, struct draft *draft);

struct draft *draft_find(struct tree *tree, uint64_t ino);
struct draft *draft_find_name(struct tree *tree, int64_t parent, const char *name);
struct draft *draft_find_node(struct tree *tree, int64_t node);

/* Where it is; with `named` it is found by that name from now on. */
int draft_set_name(
	struct tree *tree, struct draft *draft, int64_t parent, const char *name, bool named);
void draft_unname(struct tree *tree, struct draft *draft);
/* Is there room for one more that is found by a name? */
bool draft_fits(const struct tree *tree, const char *name);
/* Each is where the other was (both are somewhere) and is found by that name from now on. Can't fail. */
void draft_trade_places(struct tree *tree, struct draft *a, struct draft *b);
void draft_bind(struct tree *tree, struct draft *draft, int64_t node);
void draft_unbind(struct tree *tree, struct draft *draft);

/* Takes mode, owner and, while nothing is written, times and size from the store's node. */
void draft_take_node(struct tree *tree, struct draft *draft, const struct store_node *node);

/* Its data: -EFBIG, -ENOSPC, -ENOMEM. What is behind the end reads as zeros. */
int draft_resize(struct tree *tree, struct draft *draft, size_t size);
int draft_write(
	struct tree *tree, struct draft *draft, const void *data, size_t size, off_t offset);
/* Takes over data (malloc), as what was loaded from the store or copied: no change by itself. */
void draft_set_data(
	struct tree *tree, struct draft *draft, void *data, const struct store_content *content);
/* What it holds; valid while the lock is held. */
static inline struct store_content draft_content(const struct draft *draft)
{
	return (struct store_content){
		draft->data, draft->filled, (int64_t)draft->start, (int64_t)draft->size};
}

/* Whoever closes it is told that it is saved only when it is, also after somebody else's save of it has failed. */
static inline bool draft_is_unsaved(const struct draft *draft)
{
	return draft->changes != draft->committed || draft->state == DRAFT_NEW;
}

/* Is there something that nobody has been told of yet? */
static inline bool draft_is_dirty(const struct draft *draft)
{
	return !draft->failed && draft_is_unsaved(draft);
}

/* It is of no node any more and stays in memory. */
void draft_become_dropping(struct tree *tree, struct draft *draft);
/* A dropping has this name now, by which it is a temporary one or not. */
void draft_go_by_name(struct tree *tree, struct draft *draft, const char *name);
/* A temporary one that was fsynced, or has stayed, becomes a file to be committed. */
void draft_promote(struct draft *draft);

void draft_stat(const struct draft *draft, struct stat *ret_attr);

#endif
