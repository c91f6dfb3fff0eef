/* SPDX-License-Identifier: MIT */
/* A mount whose feed is followed. */
#ifndef WATCH_MOUNT_H
#define WATCH_MOUNT_H

#include "watch.h"

struct mount {
	char *dir;
	int fd;       /* of the feed; -1: the mount is gone for now */
	char *number; /* which mount it is: another one begins anew */
	uint64_t generation;
	char *rest; /* an unfinished line */
	size_t rest_size;
	struct mount *next;
};

/* The mount that a directory is below of; NULL with *ret_err = -ENOENT if there is none. */
struct mount *mount_find(const char *dir, int *ret_err);
void mount_destroy(struct mount *mount);

/* Opens the feed again after the mount was gone. -errno while it still is. */
int mount_reopen(struct mount *mount);

/* In a child of fork(): a feed of its own. -errno if the mount is gone. */
int mount_after_fork(struct mount *mount);

/* Reads what there is. *ret_sweep is set if lines were lost or it is another mount. An error means
 * that the mount is gone: the feed is closed. */
int mount_read(struct mount *mount, int (*fn)(const struct watch_change *, void *), void *data,
	bool *ret_sweep);

bool mount_holds(const struct mount *mount, const char *path);

#endif
