/* SPDX-License-Identifier: MIT */
/*
 * session.h - the connection with the kernel: made, served by the calling thread, and ended. Private to fs/mount.
 */
#ifndef PYMODFS_SESSION_H
#define PYMODFS_SESSION_H

#include "mount.h"
#include "options.h"

int session_create(struct mount *mount, const struct mount_options *options);
/*
 * Mounts, starts the mount's threads, and answers the kernel until somebody unmounts or a signal comes. When it returns all
 * that was asked before is answered and committed, no thread uses the session any more, and nothing is mounted. -ECANCELED:
 * it couldn't be mounted, and the log says why.
 */
int session_run(struct mount *mount);

#endif
