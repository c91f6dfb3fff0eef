/* SPDX-License-Identifier: MIT */
/* filelist.h - all files of a database, now or then, or of a directory, as a list that can be compared with another. */
#ifndef PYMODFS_CLI_FILELIST_H
#define PYMODFS_CLI_FILELIST_H

#include "store.h"
#include "tree_walk.h"

struct filelist_file {
	char *path; /* below the top */
	enum store_kind kind;
	int64_t id, version; /* of a database */
	int64_t size;
	size_t item; /* of a directory: the index in the walk */
};

struct filelist {
	const char *name;            /* as the user called it */
	struct filelist_file *files; /* by path */
	size_t n, room;
	struct store_reader *reader; /* NULL: a directory */
	struct walk walk;
};

/* The following return the exit status; what is wrong has been said. */

/* The tree after a change; INT64_MAX: now. The reader is the caller's and stays in one snapshot. */
int filelist_init(
	struct filelist *tree, const char *name, struct store_reader *reader, int64_t change);
/* A directory's files, those left out that an import leaves out; database: its files are left out too. */
int filelist_init_dir(struct filelist *tree, const char *dir, const char *database);
void filelist_finish(struct filelist *tree);

/* A file's content; the caller frees. */
int filelist_read(const struct filelist *tree, const struct filelist_file *file, void **ret_data,
	size_t *ret_size);

const struct filelist_file *filelist_find(const struct filelist *tree, const char *path);

/*
 * Calls fn for each path of either tree, in order; the one of them that isn't there is NULL. A status other than 0 ends it and
 * is returned.
 */
typedef int filelist_pair_fn(
	void *arg, const struct filelist_file *old, const struct filelist_file *new);
int filelist_join(
	const struct filelist *old, const struct filelist *new, filelist_pair_fn *fn, void *arg);
/* Have they the same content? Equal versions of one database have. */
int filelist_is_same(const struct filelist *old, const struct filelist_file *a,
	const struct filelist *new, const struct filelist_file *b, bool *ret_same);

#endif
