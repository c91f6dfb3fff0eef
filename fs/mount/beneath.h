/* SPDX-License-Identifier: MIT */
/* beneath.h - opens what is below a directory, wherever the names on the way may lead. */
#ifndef PYMODFS_BENEATH_H
#define PYMODFS_BENEATH_H

#include <stdint.h>

/*
 * A new descriptor (O_CLOEXEC), or -errno. Links aren't followed, and no path leads out of dir; resolve: what else is
 * refused (RESOLVE_*, openat2(2)).
 */
int beneath_open(int dir, const char *path, int flags, uint64_t resolve);
/* 0, or -errno: the system call isn't there, as where a service manager or a container forbids it. */
int beneath_check(void);

#endif
