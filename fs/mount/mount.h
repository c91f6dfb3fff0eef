/* SPDX-License-Identifier: MIT */
/*
 * mount.h - one mount: the FUSE session and its threads. The first two are roles of a pair of threads (crew.c).
 *
 *   session    reads requests and answers at once whatever needs only reads and memory
 *   writer     runs, one after the other, all that changes the database (mount_submit)
 *   publisher  sees commits (ours and others'), tells the kernel, then publishes the generation and answers
 *              the saves that waited for it; a save that needs none of the calls below is published by the writer
 *
 * No session thread ever waits for the writer or the publisher; only the publisher calls those fuse_lowlevel_notify_* that may
 * block on a directory's lock, which the kernel holds while it waits for an answer of a session thread.
 */
#ifndef PYMODFS_MOUNT_H
#define PYMODFS_MOUNT_H

#define FUSE_USE_VERSION 312
#include <fuse_lowlevel.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "../tree/feed.h"
#include "../tree/tree.h"
#include "log.h"

struct pycache;
struct control;
struct crew;
struct giver;
struct publisher;
struct echo;

/* What the kernel can ask for, as it is counted (ops.c) and told in the status; FORGET: messages, not inodes. */
enum mount_request {
	REQUEST_LOOKUP,
	REQUEST_FORGET,
	REQUEST_GETATTR,
	REQUEST_SETATTR,
	REQUEST_READLINK,
	REQUEST_MKNOD,
	REQUEST_MKDIR,
	REQUEST_UNLINK,
	REQUEST_RMDIR,
	REQUEST_SYMLINK,
	REQUEST_RENAME,
	REQUEST_LINK,
	REQUEST_OPEN,
	REQUEST_READ,
	REQUEST_WRITE,
	REQUEST_FLUSH,
	REQUEST_RELEASE,
	REQUEST_FSYNC,
	REQUEST_FSYNCDIR,
	REQUEST_OPENDIR,
	REQUEST_READDIR,
	REQUEST_READDIRPLUS,
	REQUEST_STATFS,
	REQUEST_CREATE,
	REQUEST_POLL,
	REQUEST_IOCTL,
	REQUEST_COUNT,
};

/* A run of opens in the order of a listing (ahead.c). */
struct ahead {
	int64_t opened;          /* the version that was opened last */
	int64_t last;            /* the last one after it that was looked at */
	unsigned int lead, most; /* how many lie between the two, and may */
	uint64_t given;          /* how many contents, since the mount began */
};

struct mount {
	struct fuse_session *session;
	struct store *store;
	struct store_reader *reader;        /* the session thread's */
	struct store_reader *writer_reader; /* the writer's thread's */
	struct tree *tree;
	struct feed *feed;
	struct control *control;
	struct pycache *pycache;
	struct crew *crew;
	struct giver *giver;
	struct ahead ahead;
	struct publisher *publisher;
	struct echo *echo; /* NULL: off */
	pid_t guard;       /* 0: none */
	/* When a listing with attributes was answered last (CLOCK_MONOTONIC, ns). */
	_Atomic int64_t listed;
	_Atomic uint64_t requests[REQUEST_COUNT]; /* since the mount began */
	const char *mountpoint;
	const char *name; /* the database's, as others may see it */
	uid_t uid;        /* owner of what has no owner of its own */
	gid_t gid;
	bool read_only;
	bool allow_other;
	int64_t spin_ns;     /* how long to stay awake for the next request of a burst */
	int busy_timeout_ms; /* how long a change waits for another writer's lock */
	void (*ready)(
		void *arg); /* called once when the kernel has been answered for the first time */
	void *ready_arg;
	double timeout; /* seconds that the kernel may cache what is invalidated when it changes */
};

/*
 * Each class of inodes (tree/ino.h) has its own request handlers, in libfuse's own form; ops.c hands each
 * request to those of its inode's (its parent's) class. A handler that is NULL is answered with ENOSYS, or EPERM for
 * what would change something. fuse_req_userdata(req) is the struct mount.
 */
extern const struct fuse_lowlevel_ops dir_ops;     /* directories of the store */
extern const struct fuse_lowlevel_ops version_ops; /* committed versions */
extern const struct fuse_lowlevel_ops draft_ops;   /* uncommitted content */
extern const struct fuse_lowlevel_ops control_ops; /* .pymodfs */
extern const struct fuse_lowlevel_ops pycache_ops; /* __pycache__ */
extern const struct fuse_lowlevel_ops echo_ops;    /* anything, for the echo's process */

/* Is the name ours? Then what it leads to isn't the store's, and it can't be made, removed or replaced as a file. */
bool mount_is_reserved(fuse_ino_t parent, const char *name);

/* What libfuse is given: dispatches on the class. */
extern const struct fuse_lowlevel_ops mount_ops;

/* ---- .pymodfs (control.c) ---- */
int control_create(struct mount *mount, struct control **ret_control);
void control_destroy(struct control *control);
/* The entry `.pymodfs` of the root. */
void control_reply_root(struct mount *mount, fuse_req_t req);

/* ---- __pycache__ (pycache.c) ---- */
int pycache_create(struct mount *mount, struct pycache **ret_pycache);
void pycache_destroy(struct pycache *pycache);
/* LOOKUP, MKDIR, RMDIR of the name `__pycache__` in the store's directory dir (a node id). */
void pycache_lookup_root(struct mount *mount, fuse_req_t req, int64_t dir);
void pycache_mkdir_root(struct mount *mount, fuse_req_t req, int64_t dir, mode_t mode);
void pycache_rmdir_root(struct mount *mount, fuse_req_t req, int64_t dir);
/* UNLINK of that name, where it is a link. */
void pycache_unlink_root(struct mount *mount, fuse_req_t req, int64_t dir);
/* When the next __pycache__ is to become a link (CLOCK_MONOTONIC, ns); INT64_MAX: none. On the publisher's thread, as the following. */
int64_t pycache_next_settle(struct mount *mount);
/* Makes links of those whose time has come. */
void pycache_settle(struct mount *mount);
/* RENAME from there to a directory of the store. */
void pycache_rename_out(fuse_req_t req, fuse_ino_t parent, const char *name, fuse_ino_t new_parent,
	const char *new_name, unsigned int flags);
/* Is there one? (listings, and rmdir of the directory itself) */
bool pycache_exists(struct mount *mount, int64_t dir);
/* rmdir of the store's directory dir: its bytecode goes with it. */
void pycache_drop_dir(struct mount *mount, int64_t dir);
/*
 * A module appeared or changed: removes the .pyc files of its name, but for those of the version that the reader sees. On the
 * publisher's thread.
 */
void pycache_drop_stale(
	struct mount *mount, struct store_reader *reader, const struct store_change *change);
/* Would that find any? On any thread. */
bool pycache_has_stale(
	struct mount *mount, struct store_reader *reader, const struct store_change *change);

/* ---- who serves and who writes (crew.c) ---- */
int crew_create(struct mount *mount, struct crew **ret_crew);
/*
 * For the main thread: until the session is closed, here or by the kernel. Calls signalled(arg), which must not block, when a
 * signal comes for the first time, on the thread that serves; it goes on serving. -errno of the session.
 */
int crew_serve(struct crew *crew, void (*signalled)(void *arg), void *arg);
/* Takes no more work, and returns when all that was taken is done. */
void crew_drain(struct crew *crew);
/* Ends crew_serve(). */
void crew_close(struct crew *crew);
/* Ends the other thread. Accepts NULL, as the two above. */
void crew_destroy(struct crew *crew);
/* Queues fn(arg) for the writer; it runs after all that was queued before. -ENOMEM; -ENOTCONN: the mount ends. */
int mount_submit(struct mount *mount, void (*fn)(void *arg), void *arg);

/* ---- contents that the kernel gets before it asks (give.c); all for who serves ---- */
int giver_create(struct giver **ret_giver);
void giver_destroy(struct giver *giver);
/* To be asked before it is opened: is it to be given when it is open? */
bool giver_wants(struct mount *mount, fuse_ino_t ino, int flags);
/* file: open for reading, and the kernel hasn't been told yet. */
void giver_give(struct mount *mount, fuse_ino_t ino, struct tree_file *file);
/* The whole content of an inode that nobody has had open. */
void giver_put(struct mount *mount, fuse_ino_t ino, const void *data, size_t size);
/* The same for a version that nobody is about to open: is it to be given? size: its own. */
bool giver_wants_closed(struct mount *mount, int64_t version, int64_t size);
/* Does so. -ESTALE: it is gone; -ENOENT: the kernel doesn't know it. */
int giver_give_closed(struct mount *mount, int64_t version);
/* The kernel has forgotten the version. */
void giver_forget(struct mount *mount, fuse_ino_t ino);

/* ---- reading ahead (ahead.c); all for who serves ---- */
/* A committed version is opened for reading. */
void ahead_note_open(struct mount *mount, fuse_ino_t ino);
/* Gives the kernel a content that is likely to be asked for next. False: there is none to be given. */
bool ahead_step(struct mount *mount);
/* All of them, in one snapshot, if there are enough. */
void ahead_run(struct mount *mount);

/* ---- the publisher's thread (publisher.c) ---- */
int publisher_create(struct mount *mount, struct publisher **ret_publisher);
/* Ends the thread, once the writer's has ended; lets those return who wait. Accepts NULL. */
void publisher_stop(struct publisher *publisher);
void publisher_destroy(struct publisher *publisher);
/*
 * For the writer: publishes `change`, which it has just committed, or leaves that to the publisher.
 * Calls done(arg), which must not block, as soon as all changes up to `change` are published, at the latest after patience_ms
 * (-1: never). When there is no memory to wait it is called at once.
 */
void publisher_wait(
	struct mount *mount, int64_t change, int patience_ms, void (*done)(void *arg), void *arg);
/* Something has a time now that the publisher has to look at (tree_next_expiry). */
void publisher_wake(struct mount *mount);

/* ---- the guard (guard.c): breaks the connection of a daemon that is killed and can't end ---- */
/* Forks it, before there is a thread; mountpoint must stay valid. It is for the main thread, with which it is tied. */
int guard_create(const char *mountpoint, pid_t *ret_pid);
/* To be called when there is a mount. */
void guard_mounted(pid_t pid);
/* Once the session is unmounted. */
void guard_destroy(pid_t pid);

/* ---- the echo (echo.c): changes made behind the mount, repeated for those who watch it ---- */
/*
 * Forks the echo's process: before there is a thread, a database and a session. It will look for the mount
 * at mountpoint, which must stay valid.
 */
int echo_create(const char *mountpoint, struct echo **ret_echo);
/* Starts its thread. */
int echo_start(struct echo *echo);
void echo_destroy(struct echo *echo);
/*
 * For the publisher's thread, while it publishes a batch: somebody else's change is to be repeated once the batch is
 * published. known: the kernel knows the directory. And: the old version of the change's file is in use, so it may be
 * watched itself.
 */
void echo_add(struct mount *mount, const struct store_change *change, bool known);
void echo_add_replaced(struct mount *mount, const struct store_change *change, fuse_ino_t old);
/* The batch is published. */
void echo_publish(struct mount *mount);
/* False: there is none (any more). waiting: how many changes are still to be repeated. */
bool echo_get_status(struct echo *echo, pid_t *ret_pid, size_t *ret_waiting);
/*
 * In a process that was just forked: closes all that is the daemon's but *fd (moved), leaves its directory, and ignores the
 * terminal's signals.
 */
void process_let_go(int *fd);
/* Is a change of the name still to be repeated? Then nobody's look-up that finds nothing may be cached. NULL: no. */
bool echo_is_due(struct echo *echo, int64_t parent, const char *name);
/* Is it the echo's process that asks? */
bool echo_is_caller(fuse_req_t req);
/* Its LOOKUP and GETATTR; false: it is to be told what everybody is. */
bool echo_lookup(fuse_req_t req, fuse_ino_t parent, const char *name);
bool echo_getattr(fuse_req_t req, fuse_ino_t ino);

/* ---- small helpers (reply.c) ---- */
/* A change in the caller's name, which waits for another writer's lock as long as the mount's option says. */
void mount_request_init(const struct mount *mount, const struct tree_caller *caller,
	struct tree_request *ret_request);
/* A listing with attributes is answered now; was one within the last seconds? */
void mount_note_listing(struct mount *mount);
bool mount_listed_lately(struct mount *mount);
/* For readdirplus. */
void entry_to_fuse(const struct mount *mount, const struct tree_entry *entry,
	struct fuse_entry_param *ret_param);
void reply_entry(struct mount *mount, fuse_req_t req, const struct tree_entry *entry);
void reply_attr(struct mount *mount, fuse_req_t req, const struct stat *attr, bool lasting);
void reply_error(fuse_req_t req, int error); /* a negative errno, or 0 */
/* Likewise, of what only reads the tree; where the store failed the log says why. */
void reply_tree_error(fuse_req_t req, int error);
struct tree_caller caller_of(fuse_req_t req);

#endif
