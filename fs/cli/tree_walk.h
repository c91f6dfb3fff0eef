/* SPDX-License-Identifier: MIT */
/* tree_walk.h - the files below a directory, in a list. */
#ifndef PYMODFS_CLI_TREE_WALK_H
#define PYMODFS_CLI_TREE_WALK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct walk_item {
	char *path;       /* as to be opened */
	const char *name; /* its last part */
	ssize_t parent;   /* index of its directory in the list, -1 at the top */
	mode_t mode;
	int64_t mtime; /* ns */
	int64_t id;    /* for the caller */
};

struct walk {
	struct walk_item *items; /* a directory before what is in it, siblings by name */
	size_t n, room;
	char *failed; /* after an error: the path that it is about */
};

/*
 * Lists what is below dir. Unless everything, leaves out bytecode and what editors and version control keep
 * beside the files. `database`, its side files and its mounts are left out in any case. Symbolic links are not followed.
 */
int walk_init(struct walk *walk, const char *dir, bool everything, const char *database);
void walk_finish(struct walk *walk);
/* Would a walk leave out what has this path, below the top? */
bool walk_leaves_out(const char *path);

/* An item's path below the directory that was walked. */
const char *walk_below(const struct walk_item *item, const char *dir);

/* The content of a file, or the target of a link; the caller frees. */
int walk_read(const struct walk_item *item, void **ret_data, size_t *ret_size);

#endif
