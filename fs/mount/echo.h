/* SPDX-License-Identifier: MIT */
/*
 * echo.h - private to the echo: changes made behind the mount are repeated on it, for those who watch it with inotify.
 *
 *   echo.c          the queue of what is to be repeated, filled by the publisher
 *   echo_process.c  a process of its own that repeats each change as a system call on the mount
 *   echo_ops.c      answers that process's requests, without touching the store
 *
 * The echo's process sees each name as it was before the first change of it that is still to be repeated: so what was
 * deleted can be unlinked and what was made can be made. Whatever it is told that isn't so any more may not be cached, and
 * everybody else is told the truth; so whatever it does, the next look-up by another process puts the kernel's entry right.
 * That a name isn't there may not be cached by others either as long as there is a job of it: the kernel would take the
 * process's call for one on nothing, without asking.
 */
#ifndef PYMODFS_ECHO_H
#define PYMODFS_ECHO_H

#include <pthread.h>
#include <stdatomic.h>

#include "../store/table.h"
#include "mount.h"

#define ECHO_DIR ".echo" /* in .pymodfs; there for the echo's process only */

enum echo_op {
	ECHO_INSERT = 'i',
	ECHO_UPDATE = 'u',
	ECHO_DELETE = 'd',
	ECHO_MOVE = 'm',
	ECHO_ATTR = 'a', /* also: so much changed in this directory that it isn't repeated singly */
	ECHO_REPLACED = 'r', /* a version that is open or watched isn't the current one any more */
};

/* Memory that both processes share. */
struct echo_shared {
	_Atomic uint64_t done; /* the last order that was carried out */
	uint64_t key;          /* st_ino of ECHO_DIR: how the process knows our mount from others */
};

/* What is sent to the process; the path and the new path (both NUL-terminated) follow. */
struct echo_order {
	uint64_t seq;
	char op;   /* enum echo_op */
	char kind; /* enum store_kind */
};
#define ECHO_ORDER_MAX (sizeof(struct echo_order) + 2 * 4096)

struct echo_name {
	int64_t parent;
	uint64_t hash;
	char *path;       /* below the mount's root */
	const char *name; /* its last part */
};

/* One change to be repeated. What stands before `looked` is constant once it is queued. */
struct echo_job {
	uint64_t seq; /* ascending from 1 */
	enum echo_op op;
	enum store_kind kind;
	int64_t node, version, old_version;
	fuse_ino_t old;            /* of a file that is replaced: what it had */
	struct echo_name from, to; /* to: only of a move */
	bool looked; /* the process was told of `from` as it was; of a move: of both */
	bool looked_to;
	bool sent_back; /* its system call was: it walks the path once more */
	bool split;     /* the move can't be repeated as one any more: a delete and an insert */
	bool made;      /* what it makes is; the process is told of that as it is now */
	bool known;     /* the kernel knows a directory that it is in */
	bool sent;
	struct echo_job *next;
	UT_hash_handle hh; /* by from.hash: the newest job of a name */
};

struct echo {
	pid_t pid;  /* not waited for before the end, so that the id is nobody else's */
	int socket; /* to it */
	struct echo_shared *shared;
	pthread_t thread;                    /* sends what the socket had no room for */
	bool started;                        /* it is */
	struct echo_job *batch, **batch_end; /* the publisher's own: not queued yet */
	int64_t first_new_dir;               /* likewise: directories from this id on are new */

	pthread_mutex_t lock; /* guards all below */
	pthread_cond_t changed;
	struct echo_job *jobs, **end; /* in the order in which they are carried out */
	struct echo_job *unsent;      /* the first of them that isn't sent */
	struct echo_job *newest;      /* hash of those that no later one of the same name follows */
	size_t n_jobs;
	_Atomic uint64_t last_seq; /* changes under the lock only */
	bool dead; /* the process is gone: jobs are neither queued nor freed any more */
	bool stopping;
};

/* ---- echo.c: for the session threads, while the process waits for their answer ---- */

/* The job that the process is at; NULL: none. It stays while the process waits. */
struct echo_job *echo_current(struct echo *echo);
/* The first job of that name that isn't done; NULL: none. *ret_to: it moves something there. */
struct echo_job *echo_find(struct echo *echo, int64_t parent, const char *name, bool *ret_to);
/* Is there a job after this one that concerns the name? */
bool echo_has_later(struct echo *echo, const struct echo_job *job, const struct echo_name *name);

/* ---- echo_process.c ---- */

_Noreturn void echo_process_run(int socket, const char *mountpoint, struct echo_shared *shared);

#endif
