/* SPDX-License-Identifier: MIT */
/* place.h - a file or link in a directory that is open. */
#ifndef PYMODFS_CLI_PLACE_H
#define PYMODFS_CLI_PLACE_H

#include "store.h"

#define PLACE_TEMPORARY ".pymodfs-export.tmp" /* what is being written, until it is renamed */

struct place {
	bool link;
	char *data; /* or the target; the caller frees. NULL: more than any content can be */
	size_t size;
	int64_t mtime; /* ns */
};

/* -ENOENT: nothing is there, or dirfd is -1; -EISDIR: something that is neither file nor link. */
int place_read(int dirfd, const char *name, struct place *ret_place);
/* Puts it there, in the place of a file or link that may be there, with the node's mode and mtime; *ret_mtime: as it is now. */
int place_write(int dirfd, const char *name, const struct store_node *node, mode_t umask,
	const void *data, size_t size, int64_t *ret_mtime);
/* Takes away what a killed place_write() left in the directory. */
void place_tidy(int dirfd);
/* Opens the directory of a path below top, following no link; the name in it. -EINVAL: `..` in it. */
int place_open_parent(int top, const char *path, const char **ret_name);

#endif
