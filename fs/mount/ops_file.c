// SPDX-License-Identifier: MIT
/*
 * Requests on files of the store: committed versions, which are read, and drafts, which are written.
 */
#include "../store/clock.h"
#include "ops_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <time.h>

#include "job.h"

static struct tree_file *file_of(const struct fuse_file_info *fi)
{
	return fi ? (struct tree_file *)(uintptr_t)fi->fh : NULL;
}

void file_getattr(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	struct mount *mount = fuse_req_userdata(req);
	struct tree_caller caller = caller_of(req);
	struct stat attr;
	bool lasting;
	int r = tree_getattr(mount->tree, mount->reader, &caller, ino, &attr, &lasting);
	if (r < 0)
		reply_tree_error(req, r);
	else
		reply_attr(mount, req, &attr, lasting);
}

void setattr_to_store(const struct stat *attr, int set, struct store_attr *ret_attr)
{
	struct timespec now;
	clock_gettime(CLOCK_REALTIME, &now);
	struct store_attr result = {
		.mode = (int32_t)(attr->st_mode & 07777),
		.uid = attr->st_uid,
		.gid = attr->st_gid,
		.atime = clock_join(set & FUSE_SET_ATTR_ATIME_NOW ? &now : &attr->st_atim),
		.mtime = clock_join(set & FUSE_SET_ATTR_MTIME_NOW ? &now : &attr->st_mtim),
	};
	if (set & FUSE_SET_ATTR_MODE)
		result.set |= STORE_SET_MODE;
	if (set & FUSE_SET_ATTR_UID)
		result.set |= STORE_SET_UID;
	if (set & FUSE_SET_ATTR_GID)
		result.set |= STORE_SET_GID;
	if (set & (FUSE_SET_ATTR_ATIME | FUSE_SET_ATTR_ATIME_NOW))
		result.set |= STORE_SET_ATIME;
	if (set & (FUSE_SET_ATTR_MTIME | FUSE_SET_ATTR_MTIME_NOW))
		result.set |= STORE_SET_MTIME;
	*ret_attr = result;
}

/* A change of size comes alone, but for the times that a local file system would set by itself. */
static void set_size(fuse_req_t req, fuse_ino_t ino, off_t size, struct fuse_file_info *fi)
{
	struct mount *mount = fuse_req_userdata(req);
	struct tree_caller caller = caller_of(req);
	struct draft *draft;
	int r = tree_truncate(mount->tree, mount->reader, &caller, ino, file_of(fi), size, &draft);
	if (r < 0)
		reply_tree_error(req, r);
	else if (draft)
		job_commit(req, draft, ino, false);
	else
		file_getattr(req, ino, fi);
}

static void file_setattr(
	fuse_req_t req, fuse_ino_t ino, struct stat *attr, int set, struct fuse_file_info *fi)
{
	struct store_attr store_attr;
	if (set & FUSE_SET_ATTR_SIZE) {
		set_size(req, ino, attr->st_size, fi);
		return;
	}
	setattr_to_store(attr, set, &store_attr);
	if (store_attr.set)
		job_set_attr(req, ino, &store_attr);
	else
		file_getattr(req, ino, fi);
}

static void file_readlink(fuse_req_t req, fuse_ino_t ino)
{
	struct mount *mount = fuse_req_userdata(req);
	struct tree_caller caller = caller_of(req);
	char *target;
	int r = tree_readlink(mount->tree, mount->reader, &caller, ino, &target);
	if (r < 0) {
		reply_tree_error(req, r);
		return;
	}
	fuse_reply_readlink(req, target);
	free(target);
}

static void release(struct mount *mount, const struct tree_caller *caller, struct tree_file *file)
{
	struct draft *draft;
	tree_release(mount->tree, file, &draft);
	if (draft)
		job_commit_quietly(mount, caller, draft);
}

static void file_open(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	struct mount *mount = fuse_req_userdata(req);
	struct tree_caller caller = caller_of(req);
	struct tree_file *file;
	bool lasting, wanted = giver_wants(mount, ino, fi->flags);
	int r = tree_open(mount->tree, mount->reader, &caller, ino, fi->flags, &file, &lasting);
	if (r < 0) {
		reply_tree_error(req, r);
		return;
	}
	if (wanted)
		giver_give(mount, ino, file);
	if (lasting)
		ahead_note_open(mount, ino);
	if (wanted) /* who opens them is ahead of us */
		ahead_run(mount);
	fi->fh = (uintptr_t)file;
	fi->keep_cache = lasting;
	fi->noflush = lasting; /* nothing is ever saved through it */
	if (fuse_reply_open(req, fi) == -ENOENT)
		release(mount, &caller, file);
}

static void emit(void *arg, const void *data, size_t size)
{
	fuse_reply_buf(arg, data, size);
}

static void file_read(
	fuse_req_t req, fuse_ino_t ino, size_t size, off_t offset, struct fuse_file_info *fi)
{
	struct mount *mount = fuse_req_userdata(req);
	int r = tree_read(mount->tree, mount->reader, file_of(fi), offset, size, emit, req);
	if (r < 0)
		reply_tree_error(req, r);
}

static void draft_do_write(fuse_req_t req, fuse_ino_t ino, const char *data, size_t size,
	off_t offset, struct fuse_file_info *fi)
{
	struct mount *mount = fuse_req_userdata(req);
	int r = tree_write(mount->tree, file_of(fi), data, size, offset);
	if (r < 0)
		reply_tree_error(req, r);
	else
		fuse_reply_write(req, size);
}

static void save(fuse_req_t req, struct fuse_file_info *fi, bool closing)
{
	struct mount *mount = fuse_req_userdata(req);
	struct tree_caller caller = caller_of(req);
	struct draft *draft;
	tree_flush(mount->tree, &caller, file_of(fi), closing, &draft);
	if (draft)
		job_commit(req, draft, 0, closing);
	else
		reply_error(req, 0);
}

static void draft_flush(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	save(req, fi, true);
}

static void draft_fsync(fuse_req_t req, fuse_ino_t ino, int datasync, struct fuse_file_info *fi)
{
	save(req, fi, false);
}

static void file_release(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	struct tree_caller caller = caller_of(req);
	struct mount *mount = fuse_req_userdata(req);
	if (file_of(fi)) /* the echo's process has none */
		release(mount, &caller, file_of(fi));
	if (ino_get_class(ino) == INO_DRAFT && tree_next_expiry(mount->tree) != INT64_MAX)
		publisher_wake(mount);
	reply_error(req, 0);
}

static void draft_forget(fuse_req_t req, size_t count, struct fuse_forget_data *forgets)
{
	struct mount *mount = fuse_req_userdata(req);
	for (size_t i = 0; i < count; i++)
		tree_forget(mount->tree, forgets[i].ino, forgets[i].nlookup);
}

static void version_forget(fuse_req_t req, size_t count, struct fuse_forget_data *forgets)
{
	for (size_t i = 0; i < count; i++)
		giver_forget(fuse_req_userdata(req), forgets[i].ino);
}

const struct fuse_lowlevel_ops version_ops = {
	.forget_multi = version_forget,
	.getattr = file_getattr,
	.setattr = file_setattr,
	.readlink = file_readlink,
	.open = file_open,
	.read = file_read,
	.release = file_release,
};

const struct fuse_lowlevel_ops draft_ops = {
	.forget_multi = draft_forget,
	.getattr = file_getattr,
	.setattr = file_setattr,
	.readlink = file_readlink,
	.open = file_open,
	.read = file_read,
	.write = draft_do_write,
	.flush = draft_flush,
	.release = file_release,
	.fsync = draft_fsync,
};
