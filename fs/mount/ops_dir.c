// SPDX-License-Identifier: MIT
/*
 * Requests on directories of the store.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "job.h"
#include "mount.h"
#include "ops_file.h"

/*
 * Who is told of a name must find it in a listing from then on. The kernel uses one that it has cached only as long as the
 * directory's times are the same (fs/fuse/readdir.c), so it is to ask for these. That waits for nothing, unlike other
 * notifications.
 */
static void forget_times(struct mount *mount, fuse_ino_t dir)
{
	(void)fuse_lowlevel_notify_inval_inode(mount->session, dir, -1, 0);
}

static void dir_lookup(fuse_req_t req, fuse_ino_t parent, const char *name)
{
	struct mount *mount = fuse_req_userdata(req);
	struct tree_caller caller = caller_of(req);
	struct tree_entry entry;
	int r = tree_lookup(mount->tree, mount->reader, &caller, parent, name, &entry);
	if (r == 0 && entry.early)
		forget_times(mount, parent);
	if (r == 0 && !entry.ino && echo_is_due(mount->echo, ino_get_id(parent), name))
		entry.lasting = false;
	if (r < 0)
		reply_tree_error(req, r);
	else
		reply_entry(mount, req, &entry);
}

static void dir_setattr(
	fuse_req_t req, fuse_ino_t ino, struct stat *attr, int set, struct fuse_file_info *fi)
{
	struct store_attr store_attr;
	if (set & FUSE_SET_ATTR_SIZE) {
		fuse_reply_err(req, EISDIR);
		return;
	}
	setattr_to_store(attr, set, &store_attr);
	job_set_attr(req, ino, &store_attr);
}

static void dir_mknod(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode, dev_t dev)
{
	job_make_node(req, parent, name, mode, NULL);
}

static void dir_mkdir(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode)
{
	job_make_node(req, parent, name, mode | S_IFDIR, NULL);
}

static void dir_symlink(fuse_req_t req, const char *target, fuse_ino_t parent, const char *name)
{
	job_make_node(req, parent, name, S_IFLNK | 0777, target);
}

static void dir_create(
	fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode, struct fuse_file_info *fi)
{
	struct mount *mount = fuse_req_userdata(req);
	struct tree_caller caller = caller_of(req);
	struct fuse_entry_param param;
	struct tree_entry entry;
	struct tree_file *file;
	int r = tree_create_file(
		mount->tree, mount->reader, &caller, parent, name, mode, fi->flags, &entry, &file);
	if (r < 0) {
		reply_tree_error(req, r);
		return;
	}
	fi->fh = (uintptr_t)file;
	entry_to_fuse(mount, &entry, &param);
	if (fuse_reply_create(req, &param, fi) == -ENOENT) {
		struct draft *draft;
		tree_release(mount->tree, file, &draft);
		if (draft)
			tree_unpin(mount->tree, draft);
		tree_forget(mount->tree, entry.ino, 1);
	}
}

/* ---- listings ---- */

/* Offsets: 1 and 2 are after . and .., above that a position (tree.h) + POSITION_BASE. */
#define AFTER_DOT 1
#define AFTER_DOT_DOT 2
#define POSITION_BASE 2

struct listing {
	fuse_req_t req;
	struct mount *mount;
	fuse_ino_t dir;
	bool plus;
	char *buffer;
	size_t size, used;
};

/* Adds an entry; 1: it doesn't fit. */
static int listing_add(
	struct listing *listing, const char *name, const struct tree_entry *entry, off_t next)
{
	char *at = listing->buffer + listing->used;
	size_t rest = listing->size - listing->used, needed;
	struct fuse_entry_param param;
	entry_to_fuse(listing->mount, entry, &param);
	if (listing->plus)
		needed = fuse_add_direntry_plus(listing->req, at, rest, name, &param, next);
	else
		needed = fuse_add_direntry(listing->req, at, rest, name, &param.attr, next);
	if (needed > rest)
		return 1;
	listing->used += needed;
	return 0;
}

static int listing_add_dirent(void *arg, const struct tree_dirent *dirent)
{
	struct listing *listing = arg;
	/* A row may have such a name; with it the kernel would take the store's directory for ours. */
	if (mount_is_reserved(listing->dir, dirent->name))
		return 0;
	return listing_add(listing, dirent->name, &dirent->entry, dirent->position + POSITION_BASE);
}

/* An entry that is listed and not looked up. */
static int listing_add_dir(struct listing *listing, const char *name, uint64_t st_ino, off_t next)
{
	struct tree_entry entry = {.attr = {.st_ino = st_ino, .st_mode = S_IFDIR}};
	return listing_add(listing, name, &entry, next);
}

static int listing_fill(struct listing *listing, fuse_ino_t ino, off_t offset)
{
	int r = 0;
	int64_t dir = ino_get_id(ino);
	struct tree_caller caller = caller_of(listing->req);
	if (offset < AFTER_DOT)
		r = listing_add_dir(listing, ".", (uint64_t)dir, AFTER_DOT);
	if (r == 0 && offset < AFTER_DOT_DOT)
		r = listing_add_dir(listing, "..", (uint64_t)dir, AFTER_DOT_DOT);
	if (r == 0)
		r = tree_list(listing->mount->tree, listing->mount->reader, &caller, ino,
			offset > POSITION_BASE ? offset - POSITION_BASE : 0, listing_add_dirent,
			listing);
	return r;
}

static void list(fuse_req_t req, fuse_ino_t ino, size_t size, off_t offset, bool plus)
{
	struct listing listing = {
		.req = req,
		.mount = fuse_req_userdata(req),
		.dir = ino,
		.plus = plus,
		.buffer = malloc(size),
		.size = size,
	};
	if (!listing.buffer) {
		fuse_reply_err(req, ENOMEM);
		return;
	}
	int r = listing_fill(&listing, ino, offset);
	if (r < 0)
		reply_tree_error(
			req, r == -ESTALE ? -ENOENT : r); /* as of a directory that is removed */
	else
		fuse_reply_buf(req, listing.buffer, listing.used);
	free(listing.buffer);
	if (tree_next_expiry(listing.mount->tree) != INT64_MAX)
		publisher_wake(listing.mount);
}

static void dir_readdir(
	fuse_req_t req, fuse_ino_t ino, size_t size, off_t offset, struct fuse_file_info *fi)
{
	list(req, ino, size, offset, false);
}

static void dir_readdirplus(
	fuse_req_t req, fuse_ino_t ino, size_t size, off_t offset, struct fuse_file_info *fi)
{
	mount_note_listing(fuse_req_userdata(req));
	list(req, ino, size, offset, true);
}

const struct fuse_lowlevel_ops dir_ops = {
	.lookup = dir_lookup,
	.getattr = file_getattr,
	.setattr = dir_setattr,
	.mknod = dir_mknod,
	.mkdir = dir_mkdir,
	.unlink = job_unlink,
	.rmdir = job_rmdir,
	.symlink = dir_symlink,
	.rename = job_rename,
	.create = dir_create,
	.readdir = dir_readdir,
	.readdirplus = dir_readdirplus,
};
