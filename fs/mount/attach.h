/* SPDX-License-Identifier: MIT */
/*
 * attach.h - mounting, and saying why it can't be done. Private to fs/mount.
 */
#ifndef PYMODFS_ATTACH_H
#define PYMODFS_ATTACH_H

#include <stdbool.h>

#include "mount.h"

/* May this process mount by itself? Else fusermount3 does it. */
bool attach_is_privileged(void);
/*
 * Mounts the session on mount->mountpoint, before there are threads. -ECANCELED: it couldn't be, and one line of the log has
 * said why, and what to do.
 */
int attach_session(struct mount *mount);

#endif
