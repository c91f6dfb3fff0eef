/* SPDX-License-Identifier: MIT */
#ifndef PYMODFS_MOUNTPOINT_H
#define PYMODFS_MOUNTPOINT_H

#include <stdbool.h>

/*
 * Makes sure that path can be mounted on: an existing, empty directory (with nonempty: any), no mount of ours that is
 * alive. A dead mount of ours (its daemon was killed) is unmounted. Returns the absolute path, which the caller frees, or
 * NULL after one line on stderr.
 */
char *mountpoint_prepare(const char *path, bool nonempty);
/* Is the file at path (or where it would be) inside the directory? */
bool mountpoint_holds(const char *mountpoint, const char *path);
/*
 * The number by which the kernel knows the connection of the mount of ours on a directory, which is the minor number of its
 * files' device; -1: there is none. Asks the kernel's table alone.
 */
int mountpoint_find_connection(const char *mountpoint);

#endif
