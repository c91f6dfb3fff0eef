// SPDX-License-Identifier: MIT
#include "job.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <syslog.h>
#include <time.h>

#include "../tree/caller.h"

struct job {
	struct mount *mount;
	fuse_req_t req; /* NULL: nobody waits */
	struct tree_request request;
	fuse_ino_t ino, new_ino;
	char *name, *new_name; /* new_name: also a link's target */
	mode_t mode;
	unsigned int flags;
	struct store_attr attr;
	struct draft *draft;
	struct stat stat; /* the answer, where it has attributes (ino is not 0) */
};

static void job_free(struct job *job)
{
	free(job->name);
	free(job->new_name);
	free(job);
}

/* NULL: there is no memory, and req is answered. */
static struct job *job_create(
	fuse_req_t req, fuse_ino_t ino, const char *name, const char *new_name)
{
	struct job *job = calloc(1, sizeof(*job));
	if (!job)
		goto no_memory;
	job->mount = fuse_req_userdata(req);
	job->req = req;
	job->ino = ino;
	job->name = name ? strdup(name) : NULL;
	job->new_name = new_name ? strdup(new_name) : NULL;
	if ((name && !job->name) || (new_name && !job->new_name))
		goto no_memory;
	struct tree_caller caller = caller_of(req);
	mount_request_init(job->mount, &caller, &job->request);
	return job;
no_memory:
	if (job)
		job_free(job);
	reply_error(req, -ENOMEM);
	return NULL;
}

/* The store's words say more than an errno can; callers' own mistakes aren't worth a line. */
static void log_failure(const struct job *job, const char *what, int error)
{
	switch (error) {
	case -EACCES: /* the database's: the kernel has asked already whether the caller may */
	case -EBUSY:
	case -EROFS:
	case -ENOSPC:
	case -EINVAL:
	case -EUCLEAN:
	case -EIO:
		mount_log(LOG_ERR, "%s%s%s failed: %s", what, job->name ? " " : "",
			job->name ? job->name : "", store_error());
		break;
	default:
		break;
	}
}

static void job_end(struct job *job, const char *what, int r)
{
	if (r < 0)
		log_failure(job, what, r);
	reply_error(job->req, r == -EUCLEAN ? -EIO : r);
	job_free(job);
}

/* Queues the job; when that fails it is ended with an error. */
static void job_start(struct job *job, void (*run)(void *arg))
{
	int r = mount_submit(job->mount, run, job);
	if (r == 0)
		return;
	if (job->draft)
		tree_unpin(job->mount->tree, job->draft);
	job_end(job, job->draft ? "saving" : "a change", r);
}

/* ---- names ---- */

static void run_make_node(void *arg)
{
	struct job *job = arg;
	struct tree_entry entry;
	int r = tree_make_node(job->mount->tree, &job->request, job->ino, job->name, job->mode,
		job->new_name, &entry);
	if (r < 0) {
		job_end(job, "making", r);
		return;
	}
	reply_entry(job->mount, job->req, &entry);
	publisher_wake(job->mount);
	job_free(job);
}

void job_make_node(
	fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode, const char *target)
{
	struct job *job = job_create(req, parent, name, target);
	if (!job)
		return;
	job->mode = mode;
	job_start(job, run_make_node);
}

/* What was a change of names is published without anybody waiting for it. */
static void job_end_names(struct job *job, const char *what, int r)
{
	struct mount *mount = job->mount;
	job_end(job, what, r);
	if (r == 0)
		publisher_wake(mount);
}

static void run_unlink(void *arg)
{
	struct job *job = arg;
	job_end_names(
		job, "removing", tree_unlink(job->mount->tree, &job->request, job->ino, job->name));
}

void job_unlink(fuse_req_t req, fuse_ino_t parent, const char *name)
{
	struct job *job = job_create(req, parent, name, NULL);
	if (job)
		job_start(job, run_unlink);
}

static void run_rmdir(void *arg)
{
	struct job *job = arg;
	int64_t dir;
	int r = tree_rmdir(job->mount->tree, &job->request, job->ino, job->name, &dir);
	if (r == 0)
		pycache_drop_dir(job->mount, dir);
	job_end_names(job, "removing", r);
}

void job_rmdir(fuse_req_t req, fuse_ino_t parent, const char *name)
{
	struct job *job = job_create(req, parent, name, NULL);
	if (job)
		job_start(job, run_rmdir);
}

static void run_rename(void *arg)
{
	struct job *job = arg;
	int r = tree_rename(job->mount->tree, &job->request, job->ino, job->name, job->new_ino,
		job->new_name, job->flags);
	job_end_names(job, "renaming", r);
}

void job_rename(fuse_req_t req, fuse_ino_t parent, const char *name, fuse_ino_t new_parent,
	const char *new_name, unsigned int flags)
{
	struct job *job = job_create(req, parent, name, new_name);
	if (!job)
		return;
	job->new_ino = new_parent;
	job->flags = flags;
	job_start(job, run_rename);
}

/* ---- content and attributes: answered when everybody sees it ---- */

static void job_answer(void *arg)
{
	struct job *job = arg;
	if (job->ino)
		reply_attr(job->mount, job->req, &job->stat, false);
	else
		reply_error(job->req, 0);
	job_free(job);
}

/*
 * The change is made: the answer waits until everybody sees it. Not so for a directory's attributes: the kernel holds the
 * directory's lock until it has them, and the publisher may be waiting for that very lock.
 *
 * The answer's attributes are not to be cached: the kernel takes them without asking whether they were invalidated meanwhile
 * (fs/fuse/dir.c, fuse_do_setattr; it does ask for those of GETATTR).
 */
static void job_publish(struct job *job, const char *what, int64_t change)
{
	struct mount *mount = job->mount;
	bool lasting;
	int r = job->ino ? tree_getattr(mount->tree, mount->writer_reader, &job->request.caller,
				   job->ino, &job->stat, &lasting)
			 : 0;
	if (r >= 0 && change && ino_get_class(job->ino) != INO_DIR) {
		publisher_wait(mount, change, job->request.patience_ms, job_answer, job);
		return;
	}
	if (r < 0)
		job_end(job, what, r);
	else
		job_answer(job);
	publisher_wake(mount);
}

static void run_set_attr(void *arg)
{
	struct job *job = arg;
	int64_t change;
	int r = tree_set_attr(job->mount->tree, &job->request, job->ino, &job->attr, &change);
	if (r < 0)
		job_end(job, "changing attributes", r);
	else
		job_publish(job, "changing attributes", change);
}

void job_set_attr(fuse_req_t req, fuse_ino_t ino, const struct store_attr *attr)
{
	struct job *job = job_create(req, ino, NULL, NULL);
	if (!job)
		return;
	job->attr = *attr;
	job_start(job, run_set_attr);
}

static void run_commit(void *arg)
{
	struct job *job = arg;
	int64_t change;
	int r = tree_commit(job->mount->tree, &job->request, job->draft, &change);
	if (r < 0)
		job_end(job, "saving", r);
	else
		job_publish(job, "saving", change);
}

void job_commit(fuse_req_t req, struct draft *draft, fuse_ino_t ino, bool closing)
{
	struct mount *mount = fuse_req_userdata(req);
	char name[STORE_NAME_MAX + 1];
	tree_draft_name(mount->tree, draft, name);
	struct job *job = job_create(req, ino, name, NULL);
	if (!job) {
		tree_unpin(mount->tree, draft);
		return;
	}
	job->draft = draft;
	if (closing)
		job->request.patience_ms = -1;
	job_start(job, run_commit);
}

static void run_commit_quietly(void *arg)
{
	struct job *job = arg;
	int64_t change;
	int r = tree_commit(job->mount->tree, &job->request, job->draft, &change);
	if (r < 0)
		mount_log(LOG_ERR, "saving %s failed after its last close: %s", job->name,
			store_error());
	publisher_wake(job->mount);
	job_free(job);
}

void job_commit_quietly(struct mount *mount, const struct tree_caller *caller, struct draft *draft)
{
	struct job *job = calloc(1, sizeof(*job));
	char name[STORE_NAME_MAX + 1];
	int r = -ENOMEM;
	tree_draft_name(mount->tree, draft, name);
	if (!job)
		goto lost;
	job->mount = mount;
	job->draft = draft;
	job->name = strdup(name);
	mount_request_init(mount, caller, &job->request);
	job->request.patience_ms = -1;
	r = job->name ? mount_submit(mount, run_commit_quietly, job) : -ENOMEM;
	if (r == 0)
		return;
	job_free(job);
lost:
	mount_log(LOG_ERR, "saving %s failed: %s", name, strerror(-r));
	tree_unpin(mount->tree, draft);
}

static void expire(struct mount *mount, bool all)
{
	struct tree_caller caller = {.tid = 0, .uid = mount->uid, .gid = mount->gid};
	struct tree_request request;
	mount_request_init(mount, &caller, &request);
	if (tree_expire(mount->tree, &request, all) < 0)
		mount_log(LOG_ERR, "what editors left behind could not be settled: %s",
			store_error());
	publisher_wake(mount);
}

static void run_expire(void *arg)
{
	expire(arg, false);
}

static void run_settle(void *arg)
{
	expire(arg, true);
}

void job_expire(struct mount *mount)
{
	if (mount_submit(mount, run_expire, mount) ==
		-ENOMEM) /* at the end all is settled anyway */
		mount_log(LOG_ERR, "out of memory");
}

void job_settle(struct mount *mount)
{
	if (mount_submit(mount, run_settle, mount) < 0)
		mount_log(LOG_ERR, "out of memory");
}
