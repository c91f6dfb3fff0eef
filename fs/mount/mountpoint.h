/* SPDX-License-Identifier: MIT */
#ifndef PYMODFS_MOUNTPOINT_H
#define PYMODFS_MOUNTPOINT_H

#include <limits.h>
#include <stdbool.h>
#include <sys/types.h>

/*
 * Makes sure that path can be mounted on: an existing, empty directory (with nonempty: any), no mount of ours that is
 * alive. A dead mount of ours (its daemon was killed) is unmounted. Returns the absolute path, which the caller frees, or
 * NULL after one line on stderr.
 */
char *mountpoint_prepare(const char *path, bool nonempty);
/* Is a mount there whose daemon is gone? */
bool mountpoint_is_dead(const char *path);
/* Is the file at path (or where it would be) inside the directory? */
bool mountpoint_holds(const char *mountpoint, const char *path);
/* An absolute path without asking the directory itself, which may be a dead mount; the caller frees. NULL: errno says why. */
char *mountpoint_resolve(const char *path);

/* A mount of ours, as the kernel's table has it. */
struct mountpoint {
	char path[PATH_MAX];
	dev_t device;
	uid_t owner; /* who mounted it */
	bool ours;
};

/* Is the topmost mount on exactly this directory (an absolute path) ours? */
bool mountpoint_find(const char *path, struct mountpoint *ret_row);
/* A mount of ours whose files have this st_dev. */
bool mountpoint_find_device(dev_t device, struct mountpoint *ret_row);
/*
 * Lets fusermount3 unmount, for who may not; what it says goes to the descriptor `words`. -EPERM: it refuses; -ENOENT: it is
 * missing.
 */
int mountpoint_run_fusermount(const char *path, bool lazy, int words);
/*
 * The number by which the kernel knows the connection of the mount of ours on a directory, which is the minor number of its
 * files' device; -1: there is none. Asks the kernel's table alone.
 */
int mountpoint_find_connection(const char *mountpoint);

#endif
