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
 * A version whose node is gone is answered -ESTALE too, so that the kernel looks its name up anew. It does so once; what is
 * found then may be gone in its turn, since others replace the file again and again. So the look-up with such a ticket
 * leads to a draft that holds the content already, the caller's own (`apart`), which does for whatever the call is about,
 * as an open file does on a local disk: there is no second -ESTALE in one system call.
 *
 * Who saves a file again before others have looked at it needs none of that: the look-up leads his process to the draft that
 * it had, and OPEN succeeds (again.c).
 *
 * So a reader never shares an inode, its size or its pages with a writer, and needs no waiting. Drafts
 * are entries that may not be cached: anybody else's next look-up is asked again and leads to the version.
 *
 * Droppings of editors (swap files, backups; names.h) are drafts that have a name and are never committed
 * unless they are renamed to something that is no dropping.
 *
 * Temporary files (names.h) begin like droppings and are put into the store when they are fsynced or stay for some
 * seconds.
 *
 * A file that is renamed to a dropping's name (vim: x.py -> x.py~) is `aside`: gone for the process that moved it, there for
 * all others until that process has ended. When it is created again, that is a save of the same row; after a moment without
 * it is deleted. The kernel takes the inode it has along to the new name, which must not be the module's: so RENAME too is
 * answered -ESTALE once, and the look-up that follows leads to the draft that the backup is going to be.
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
struct draft;

struct tree_options {
	uid_t uid; /* owner of what has no owner of its own */
	gid_t gid;
	mode_t umask;      /* taken from 0666 and 0777 for what has no mode of its own */
	size_t file_max;   /* bytes of one file: -EFBIG above */
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
	bool brief;   /* if not: the attributes may be cached as long as a call takes */
	bool early; /* tree_lookup(): it isn't published, so a listing that is cached may lack it */
};

int tree_create(struct store *store, const struct tree_options *options, struct tree **ret_tree);
void tree_destroy(struct tree *tree);
/* The device number that the kernel has given to what is in the tree (0: not known). To be called before requests are served. */
void tree_set_device(struct tree *tree, dev_t device);

/* ---- names and attributes ---- */
int tree_lookup(struct tree *tree, struct store_reader *reader, const struct tree_caller *caller,
	uint64_t dir, const char *name, struct tree_entry *ret_entry);
/* caller: who may be sent back by -ESTALE (see above); NULL: nobody. The same below. */
int tree_getattr(struct tree *tree, struct store_reader *reader, const struct tree_caller *caller,
	uint64_t ino, struct stat *ret_attr, bool *ret_lasting);
/* The kernel drops n look-ups of ino (only drafts count them). */
void tree_forget(struct tree *tree, uint64_t ino, uint64_t n);

/* st_* of a store's node. */
void tree_stat_node(const struct tree *tree, const struct store_node *node, struct stat *ret_attr);

/*
 * The entries of a directory after position `after` (0: from the start), without . and .. ; an entry's `position` is
 * what to go on from. fn returns 0, or something else to stop.
 */
struct tree_dirent {
	const char *name;
	struct tree_entry
		entry; /* entry.ino 0: do not look it up from this (it may be cached for nobody) */
	int64_t position;
};
typedef int tree_dirent_fn(void *arg, const struct tree_dirent *dirent);
int tree_list(struct tree *tree, struct store_reader *reader, const struct tree_caller *caller,
	uint64_t dir, int64_t after, tree_dirent_fn *fn, void *arg);
/* A directory that was listed lately and whose listing may not be cached: once for each. False: there is none (more). */
bool tree_take_listed(struct tree *tree, uint64_t *ret_dir);
/*
 * The version of the file that was listed after the one of `version`, and its size; 0: not known. It may be an old one by now.
 */
int64_t tree_listed_after(struct tree *tree, int64_t version, int64_t *ret_size);
/* Is a dropping or an uncommitted file in the directory? */
bool tree_has_drafts(struct tree *tree, int64_t dir);

/* The target of a symbolic link; the caller frees. */
int tree_readlink(struct tree *tree, struct store_reader *reader, const struct tree_caller *caller,
	uint64_t ino, char **ret_target);

/* ---- open files ---- */

/*
 * flags as for open(2). -ESTALE: walk the path once more (see above). *ret_lasting: what the kernel has cached of
 * the content stays right.
 */
int tree_open(struct tree *tree, struct store_reader *reader, const struct tree_caller *caller,
	uint64_t ino, int flags, struct tree_file **ret_file, bool *ret_lasting);
/* Has anybody the version open? */
bool tree_is_open(struct tree *tree, int64_t version);
/* A new file, not in the store before it is committed. -EEXIST only with O_EXCL. */
int tree_create_file(struct tree *tree, struct store_reader *reader,
	const struct tree_caller *caller, uint64_t dir, const char *name, mode_t mode, int flags,
	struct tree_entry *ret_entry, struct tree_file **ret_file);
/* Hands the bytes to emit, once, also when there are none; the tree's lock may be held meanwhile. */
int tree_read(struct tree *tree, struct store_reader *reader, struct tree_file *file, off_t offset,
	size_t size, void (*emit)(void *arg, const void *data, size_t size), void *arg);
int tree_write(
	struct tree *tree, struct tree_file *file, const void *data, size_t size, off_t offset);
/* ftruncate; and truncate(2) on a draft, which has to be committed then (*ret_draft, pinned; else NULL). */
int tree_truncate(struct tree *tree, struct store_reader *reader, const struct tree_caller *caller,
	uint64_t ino, struct tree_file *file, off_t size, struct draft **ret_draft);

/*
 * close(2) or fsync(2) of a file: is there something to commit? If so *ret_draft is what to give to tree_commit(),
 * pinned; else NULL. A close that isn't a save (the process is being killed, or has another
 * descriptor of the same open) gives NULL.
 */
void tree_flush(struct tree *tree, const struct tree_caller *caller, struct tree_file *file,
	bool closing, struct draft **ret_draft);
/* The last close. Frees file; *ret_draft as in tree_flush(). */
void tree_release(struct tree *tree, struct tree_file *file, struct draft **ret_draft);

/* ---- changes: on the writer's thread ---- */

struct tree_request {
	struct tree_caller caller;
	char command[64]; /* of the caller; "" if unknown */
	int64_t deadline; /* CLOCK_MONOTONIC, ns: until when to wait for another writer's lock */
	int patience_ms; /* how long the answer waits at most until everybody sees a save; -1: for ever */
};

/*
 * Commits a draft and unpins it. On failure the file is as it was, and what was written stays in the draft, to be committed
 * by a later fsync or close if more is written, else dropped. *ret_change: what to wait for until everybody sees it; 0:
 * nothing.
 */
int tree_commit(struct tree *tree, const struct tree_request *request, struct draft *draft,
	int64_t *ret_change);
/*
 * The kernel has nothing cached any more that is older than this change and this version, the newest ones that are
 * published: from now on they are what is there for whoever looks (unseen.c). INT64_MAX, as at first: nobody publishes, so
 * everything is. May be called by any thread.
 */
void tree_published(struct tree *tree, int64_t change, int64_t version);
/* Of a version of our own that isn't published: may the kernel have cached the one before it? */
bool tree_is_exposed(struct tree *tree, int64_t version);
/*
 * For the publisher, who has come to a change of a file, our own or not: is there a draft's inode that its name has led to and
 * doesn't any more? It is returned once; 0: no. tree_look() counts a look-up of it; false: the kernel knows it no more.
 */
uint64_t tree_find_replaced(struct tree *tree, const struct store_change *change, bool own);
bool tree_look(struct tree *tree, uint64_t ino);
/* The name by which a pinned draft was opened. */
void tree_draft_name(
	struct tree *tree, const struct draft *draft, char ret_name[STORE_NAME_MAX + 1]);
/* Lets go of a draft that is not going to be committed. */
void tree_unpin(struct tree *tree, struct draft *draft);

int tree_make_node(struct tree *tree, const struct tree_request *request, uint64_t dir,
	const char *name, mode_t mode, const char *target, struct tree_entry *ret_entry);
int tree_unlink(
	struct tree *tree, const struct tree_request *request, uint64_t dir, const char *name);
int tree_rmdir(struct tree *tree, const struct tree_request *request, uint64_t dir,
	const char *name, int64_t *ret_dir);
/* -ESTALE: walk the paths once more (see above). */
int tree_rename(struct tree *tree, const struct tree_request *request, uint64_t dir,
	const char *name, uint64_t new_dir, const char *new_name, unsigned int flags);
int tree_set_attr(struct tree *tree, const struct tree_request *request, uint64_t ino,
	const struct store_attr *attr, int64_t *ret_change);

/*
 * When the next file that is aside becomes a deleted one, or a temporary one is put into the store (CLOCK_MONOTONIC,
 * ns); INT64_MAX: nothing is due.
 */
int64_t tree_next_expiry(struct tree *tree);
/* Does that to those whose time has come; with all, at the end of the mount, to all. */
int tree_expire(struct tree *tree, const struct tree_request *request, bool all);

#endif
