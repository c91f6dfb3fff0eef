/* SPDX-License-Identifier: MIT */
/*
 * caller.h - facts about the process that makes a request, from /proc (proc(5)). All of them are best effort: a process
 * in another pid namespace, or one that is gone, is not to be seen, and then the answer is the harmless one.
 */
#ifndef PYMODFS_CALLER_H
#define PYMODFS_CALLER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* The process of a thread; tid itself when that can't be found out. */
pid_t caller_process(pid_t tid);
/* Is the group one of those that the thread has besides its own? */
bool caller_has_group(pid_t tid, gid_t gid);
/* Is it being killed by a signal (so that its files are closed by the kernel and not by itself)? */
bool caller_is_killed(pid_t tid);
/*
 * Does the process have another descriptor, open for writing, of a file of this name with one of these inode numbers on
 * this device (0: it isn't known)? A shell's `> x.py` opens, duplicates and closes: that close is no save. (At FLUSH the
 * descriptor that is being closed is gone from /proc/PID/fd already.)
 */
bool caller_has_duplicate(
	pid_t tid, const char *name, dev_t device, const uint64_t *inos, size_t n_inos);
/* The name of its program, at most size - 1 bytes; "" when unknown. */
void caller_command(pid_t tid, char *buffer, size_t size);

#endif
