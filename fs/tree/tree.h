/* SPDX-License-Identifier: MIT */
/*
 * tree.h - the namespace: what names there are, what they lead to, and what becomes of what is
 * written. Knows the store and the caller's process; knows no FUSE.
 *
 * The kernel knows versions, not files: a name leads to the inode of the file's current version
 * (INO_VERSION), whose content never changes. Who opens a file for writing is led to an inode of its
 * own, a draft (INO_DRAFT), which collects bytes in memory; commit makes a new version of it. How an
 * open comes to a draft although the kernel has the version's inode cached:
 *
 *   OPEN(version, for writing) answers -ESTALE and leaves a ticket for the calling thread. The kernel then walks the
 *   path once more with LOOKUP_REVAL (fs/namei.c, do_filp_open), asks LOOKUP, and for that thread and node the answer is
 *   the draft. truncate(2) goes the same way (fs/open.c, retry_estale).
 *
 * So a reader never shares an inode, its size or its pages with a writer, and needs no waiting. Drafts
 * are entries that may not be cached: anybody else's next look-up is asked again and leads to the version.
 *
 * Droppings of editors (swap files, backups; names.h) are drafts that have a name and are never committed
 * unless they are renamed to something that is no dropping.
 *
 * A file that is renamed to a dropping's name (vim: x.py -> x.py~) is `aside`: gone for the process that moved it, there for
 * all others, until that process creates it again (which then is a save of the same row) or a moment has passed
 * (then it is deleted).
 *
 * Threads: functions that take a store_reader may be called by any thread with its own; those that change the store
 * are called by one thread (the writer) only, and block on the database. tree->lock guards all that is in memory; it is
 * never held over a call of the store.
 */
#ifndef PYMODFS_TREE_H
#define PYMODFS_TREE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>

#include "../store/store.h"
#include "ino.h"

struct tree;
struct tree_file; /* an open file */

struct tree_options {
	uid_t uid; /* owner of what has no owner of its own */
	gid_t gid;
	mode_t umask; /* taken from 0666 and 0777 for what has no mode of its own */
	int busy_timeout_ms; /* how long a change waits for another writer's lock */
	size_t file_max; /* bytes of one file: -EFBIG above */
	size_t memory_max; /* bytes of all drafts together: -ENOSPC above */
};

/* Whose request it is. */
struct tree_caller {
	pid_t tid; /* thread id, 0 if not visible from our pid namespace */
	uid_t uid;
	gid_t gid;
};

struct tree_entry {
	uint64_t ino; /* 0: no such name, and that may be cached if lasting */
	struct stat attr;
	bool lasting; /* may be cached until it is invalidated */
};

int tree_create(struct store *store, const struct tree_options *options, struct tree **ret_tree);
void tree_destroy(struct tree *tree);

/* ---- names and attributes ---- */
int tree_lookup(struct tree *tree, struct store_reader *reader, const struct tree_caller *caller,
	uint64_t dir, const char *name, struct tree_entry *ret_entry);
int tree_getattr(struct tree *tree, struct store_reader *reader, uint64_t ino, struct stat *ret_attr,
	bool *ret_lasting);
/* The kernel drops n look-ups of ino (only drafts count them). */
void tree_forget(struct tree *tree, uint64_t ino, uint64_t n);

/* st_* of a store's node. */
void tree_stat_node(const struct tree *tree, const struct store_node *node, struct stat *ret_attr);

#endif
