/* SPDX-License-Identifier: MIT */
/* mounts.h - mounts of pymodfs as commands meet them. */
#ifndef PYMODFS_CLI_MOUNTS_H
#define PYMODFS_CLI_MOUNTS_H

#include <jansson.h>
#include <stdbool.h>

/* What the mount says of itself; the caller has to json_decref() it. NULL: it doesn't answer, or is none. */
json_t *mounts_read_status(const char *mountpoint);

/* Is a mount of the database, as store_url() names it, there? */
bool mounts_is_of(const char *mountpoint, const char *database);

/*
 * Says no, and returns CLI_FAILURE, where the file at path (or where it would be) is in a mount of the database, as
 * store_url() names it; NULL: of any. Else 0.
 */
int mounts_refuse_inside(const char *path, const char *database);

#endif
