/* SPDX-License-Identifier: MIT */
/*
 * waiter.h - answers that are held back until a change is published, or until patience ends.
 */
#ifndef PYMODFS_WAITER_H
#define PYMODFS_WAITER_H

#include <stdint.h>

struct waiters;

int waiters_create(struct waiters **ret_waiters);
/* None may be left (waiters_finish). Accepts NULL. */
void waiters_destroy(struct waiters *waiters);

/*
 * Calls done(arg), which must not block, once: in waiters_finish() as soon as `change` is published, or on a thread of its
 * own after patience_ms (-1: never). When there is no memory to wait it is called at once. By any thread.
 */
void waiters_add(struct waiters *waiters, int64_t change, int patience_ms, void (*done)(void *arg),
	void *arg);
/* All changes up to `published` are; INT64_MAX: nobody is to wait any longer. By one thread. */
void waiters_finish(struct waiters *waiters, int64_t published);

#endif
