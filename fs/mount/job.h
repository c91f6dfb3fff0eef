/* SPDX-License-Identifier: MIT */
/*
 * job.h - requests that change the database: taken up on a session thread, carried out on the writer's, and, where
 * their caller must not go on before everybody sees the change, answered on the publisher's.
 *
 * A request that holds its directory's lock in the kernel (all that make or remove names, and a directory's attributes) is
 * answered by the writer right after the commit; the publisher can't come first, since it may need that lock.
 *
 * One that holds its file's lock (fsync, and a file's attributes and size) waits for the publisher with bounded patience: a
 * rename or removal of that file holds the directory's lock while it waits for the file's (fs/namei.c, vfs_rename), and the
 * publisher may be waiting for the directory's. close holds neither.
 */
#ifndef PYMODFS_JOB_H
#define PYMODFS_JOB_H

#include "mount.h"

/* Each takes up the request whole: it will be answered. */
void job_make_node(
	fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode, const char *target);
void job_unlink(fuse_req_t req, fuse_ino_t parent, const char *name);
void job_rmdir(fuse_req_t req, fuse_ino_t parent, const char *name);
void job_rename(fuse_req_t req, fuse_ino_t parent, const char *name, fuse_ino_t new_parent,
	const char *new_name, unsigned int flags);
void job_set_attr(fuse_req_t req, fuse_ino_t ino, const struct store_attr *attr);
/*
 * Commits the draft, which is pinned (tree.h), then answers: with the attributes of ino if it is not 0, else with an
 * empty success. closing: the request is a close.
 */
void job_commit(fuse_req_t req, struct draft *draft, fuse_ino_t ino, bool closing);

/* The same for a draft whose last file was closed without a save; nobody waits for it. */
void job_commit_quietly(struct mount *mount, const struct tree_caller *caller, struct draft *draft);
/* Does what is due (tree_expire). */
void job_expire(struct mount *mount);
/* The same for all that would be due one day: the mount ends. */
void job_settle(struct mount *mount);

#endif
