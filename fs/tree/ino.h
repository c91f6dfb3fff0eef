/* SPDX-License-Identifier: MIT */
/*
 * ino.h - how the numbers that the kernel knows our inodes by (FUSE node ids) are made.
 *
 * The low three bits are the class, the rest is the id within it. A version of a file and a directory
 * derive theirs from the store, so they need no memory here and are the same after a restart. The root is 1, as
 * FUSE demands (FUSE_ROOT_ID).
 */
#ifndef PYMODFS_INO_H
#define PYMODFS_INO_H

#include <stdint.h>

#define INO_ROOT 1u

enum ino_class {
	INO_VERSION = 2, /* an immutable version of a file; id: the version's */
	INO_DIR = 3,     /* a directory; id: the store node's */
	INO_DRAFT = 4,   /* content that is not committed, in memory */
	INO_CONTROL = 5, /* .pymodfs and what is below it */
	INO_PYCACHE = 6, /* __pycache__ and what is in it */
	INO_ECHO = 7,    /* a directory for the echo's process (fs/mount/echo.h) */
};

static inline uint64_t ino_make(enum ino_class cls, int64_t id)
{
	return cls == INO_DIR && id == 1 ? INO_ROOT : (uint64_t)id << 3 | cls;
}

static inline enum ino_class ino_get_class(uint64_t ino)
{
	return ino == INO_ROOT ? INO_DIR : (enum ino_class)(ino & 7);
}

static inline int64_t ino_get_id(uint64_t ino)
{
	return ino == INO_ROOT ? 1 : (int64_t)(ino >> 3);
}

/* st_ino of what is not in the store, apart from all ids that the store will ever give. */
static inline uint64_t ino_synthetic(uint64_t ino)
{
	return ino | (uint64_t)1 << 62;
}

#endif
