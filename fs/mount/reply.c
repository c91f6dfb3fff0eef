// SPDX-License-Identifier: MIT
/*
 * Answers to the kernel.
 */
#include "mount.h"

#include <errno.h>
#include <stdatomic.h>
#include <syslog.h>

#include "../tree/caller.h"
#include "../store/clock.h"

struct tree_caller caller_of(fuse_req_t req)
{
	const struct fuse_ctx *ctx = fuse_req_ctx(req);
	return (struct tree_caller){.tid = ctx->pid, .uid = ctx->uid, .gid = ctx->gid};
}

void reply_error(fuse_req_t req, int error)
{
	fuse_reply_err(req, -error);
}

void reply_tree_error(fuse_req_t req, int error)
{
	/* The store's words say more than an errno can; what callers do wrong isn't worth a line. */
	if (error == -EIO || error == -EUCLEAN)
		mount_log(LOG_ERR, "reading failed: %s", store_error());
	reply_error(req, error == -EUCLEAN ? -EIO : error);
}

#define PATIENCE_MS 50      /* far more than publishing takes unless it is blocked (job.h) */
#define BRIEF_SECONDS 0.001 /* a tick of the kernel or two, as it rounds */
#define LISTING_SECONDS 2   /* far longer than a process stays between the answer and its use */

void mount_request_init(const struct mount *mount, const struct tree_caller *caller,
	struct tree_request *ret_request)
{
	ret_request->caller = *caller;
	caller_command(caller->tid, ret_request->command, sizeof(ret_request->command));
	ret_request->deadline = clock_monotonic() + mount->busy_timeout_ms * MILLISECOND;
	ret_request->patience_ms = PATIENCE_MS;
}

void mount_note_listing(struct mount *mount)
{
	atomic_store(&mount->listed, clock_monotonic());
}

bool mount_listed_lately(struct mount *mount)
{
	int64_t listed = atomic_load(&mount->listed);
	return listed && clock_monotonic() - listed < LISTING_SECONDS * NANOSECONDS;
}

void entry_to_fuse(const struct mount *mount, const struct tree_entry *entry,
	struct fuse_entry_param *ret_param)
{
	double timeout = entry->lasting ? mount->timeout : 0;
	double attr_timeout = entry->brief ? BRIEF_SECONDS : timeout;
	*ret_param = (struct fuse_entry_param){
		.ino = entry->ino,
		.attr = entry->attr,
		.attr_timeout = attr_timeout,
		.entry_timeout = timeout,
	};
}

void reply_entry(struct mount *mount, fuse_req_t req, const struct tree_entry *entry)
{
	struct fuse_entry_param param;
	if (!entry->ino && !entry->lasting) {
		reply_error(req, -ENOENT);
		return;
	}
	entry_to_fuse(mount, entry, &param);
	if (fuse_reply_entry(req, &param) == -ENOENT) /* interrupted: the kernel didn't take it */
		tree_forget(mount->tree, entry->ino, 1);
}

void reply_attr(struct mount *mount, fuse_req_t req, const struct stat *attr, bool lasting)
{
	fuse_reply_attr(req, attr, lasting ? mount->timeout : 0);
}
