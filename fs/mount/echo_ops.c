// SPDX-License-Identifier: MIT
/*
 * Answers the echo's process (echo.h): it is told of names as they were, and its system calls succeed where they are the
 * change that it was sent for, and do nothing. On the session threads; nothing here changes the store.
 *
 * Before a name is removed or moved, the process must have been told what it was, under the lock of its directory: -ESTALE
 * makes the kernel walk the path once more with LOOKUP_REVAL (fs/namei.c), asking for names it has cached too. What follows
 * from the kernel's believing that an inode is removed (nlink 0, and a directory that takes no entries any more) must only
 * ever befall those that are.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "echo.h"
#include "ops_file.h"

bool echo_is_caller(fuse_req_t req)
{
	const struct mount *mount = fuse_req_userdata(req);
	return mount->echo && fuse_req_ctx(req)->pid == mount->echo->pid;
}

static bool is_echo_dir(fuse_ino_t ino)
{
	return ino_get_class(ino) == INO_ECHO;
}

static void echo_dir_attr(const struct mount *mount, struct stat *ret_attr)
{
	*ret_attr = (struct stat){
		.st_ino = mount->echo->shared->key,
		.st_mode = S_IFDIR | 0700,
		.st_nlink = 2,
		.st_uid = geteuid(),
		.st_gid = getegid(),
	};
}

/* What may not be cached: the kernel asks again whoever looks next. */
static void reply_past(fuse_req_t req, fuse_ino_t ino, const struct stat *attr)
{
	struct fuse_entry_param param = {.ino = ino, .attr = *attr};
	fuse_reply_entry(req, &param);
}

/* ---- what was ---- */

static mode_t type_of(enum store_kind kind)
{
	return kind == STORE_DIR ? S_IFDIR : kind == STORE_LINK ? S_IFLNK : S_IFREG;
}

/* Of something that may be gone; returns whether it is. */
static bool past_attr(const struct mount *mount, fuse_ino_t ino, mode_t type, struct stat *ret_attr)
{
	bool lasting;
	bool gone = tree_getattr(mount->tree, mount->reader, NULL, ino, ret_attr, &lasting) < 0 ||
		    (type == S_IFDIR && !ret_attr->st_nlink);
	if (gone)
		*ret_attr = (struct stat){
			.st_ino = ino_synthetic(ino),
			.st_mode = type | 0700,
			.st_uid = geteuid(),
			.st_gid = getegid(),
		};
	ret_attr->st_nlink = 1;
	return gone;
}

static void reply_past_node(fuse_req_t req, fuse_ino_t ino, mode_t type)
{
	struct stat attr;
	past_attr(fuse_req_userdata(req), ino, type, &attr);
	reply_past(req, ino, &attr);
}

static void lookup_replaced(fuse_req_t req, const char *name)
{
	struct mount *mount = fuse_req_userdata(req);
	struct echo_job *job = echo_current(mount->echo);
	if (!job || job->op != ECHO_REPLACED || strcmp(job->from.name, name) != 0) {
		fuse_reply_err(req, ENOENT);
		return;
	}
	if (ino_get_class(job->old) == INO_DRAFT && !tree_look(mount->tree, job->old)) {
		fuse_reply_err(req, ENOENT);
		return;
	}
	job->looked = true;
	reply_past_node(req, job->old, type_of(job->kind));
}

static bool lives(fuse_req_t req, const struct echo_job *job)
{
	struct mount *mount = fuse_req_userdata(req);
	struct store_node node;
	bool current = true;
	int r = job->kind == STORE_DIR
			? store_get_node(mount->reader, job->node, &node)
			: store_get_version(mount->reader, job->old_version, &node, &current);
	return r == 0 && current;
}

/*
 * A name that goes leads to the inode that goes with it. Where that lives on under another name, one of
 * ours stands for it.
 */
static void reply_leaving(fuse_req_t req, const struct echo_job *job)
{
	bool moves = job->op == ECHO_MOVE && !job->split;
	if (!moves && lives(req, job))
		reply_past_node(req, ino_make(INO_ECHO, (int64_t)job->seq + 1), type_of(job->kind));
	else if (job->kind == STORE_DIR)
		reply_past_node(req, ino_make(INO_DIR, job->node), S_IFDIR);
	else
		reply_past_node(req, ino_make(INO_VERSION, job->old_version), type_of(job->kind));
}

static bool lookup_past(fuse_req_t req, int64_t parent, const char *name)
{
	struct mount *mount = fuse_req_userdata(req);
	bool to = false;
	struct echo_job *job = echo_find(mount->echo, parent, name, &to);
	if (!job || job->op == ECHO_UPDATE || job->op == ECHO_ATTR)
		return false;
	if (job->made && (to || job->op == ECHO_INSERT))
		return false;
	*(to ? &job->looked_to : &job->looked) = true;
	if (to || job->op == ECHO_INSERT)
		fuse_reply_err(req, ENOENT);
	else
		reply_leaving(req, job);
	return true;
}

bool echo_lookup(fuse_req_t req, fuse_ino_t parent, const char *name)
{
	struct stat attr;
	switch (ino_get_class(parent)) {
	case INO_CONTROL:
		if (strcmp(name, ECHO_DIR) != 0)
			return false;
		echo_dir_attr(fuse_req_userdata(req), &attr);
		reply_past(req, ino_make(INO_ECHO, 1), &attr);
		return true;
	case INO_ECHO:
		lookup_replaced(req, name);
		return true;
	case INO_DIR:
		return lookup_past(req, ino_get_id(parent), name);
	default:
		return false;
	}
}

/* ---- what is ---- */

/* As an ordinary process sees it. */
static bool find_present(
	fuse_req_t req, int64_t parent, const char *name, struct tree_entry *ret_entry)
{
	struct mount *mount = fuse_req_userdata(req);
	struct tree_caller caller = caller_of(req);
	return tree_lookup(mount->tree, mount->reader, &caller, ino_make(INO_DIR, parent), name,
		       ret_entry) == 0 &&
	       ret_entry->ino;
}

static bool is_present(fuse_req_t req, const struct echo_name *name)
{
	struct mount *mount = fuse_req_userdata(req);
	struct tree_entry entry;
	if (!find_present(req, name->parent, name->name, &entry))
		return false;
	tree_forget(mount->tree, entry.ino, 1);
	return true;
}

static bool is_job(const struct echo_job *job, enum echo_op op, const struct echo_name *name,
	fuse_ino_t parent, const char *text)
{
	return job && job->op == op && ino_get_class(parent) == INO_DIR &&
	       name->parent == ino_get_id(parent) && strcmp(name->name, text) == 0;
}

/* ---- requests ---- */

static void echo_make(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t type)
{
	struct mount *mount = fuse_req_userdata(req);
	struct echo_job *job = echo_current(mount->echo);
	struct tree_entry entry;
	if (!job || (!is_job(job, ECHO_INSERT, &job->from, parent, name) &&
			    !is_job(job, ECHO_MOVE, &job->to, parent, name))) {
		fuse_reply_err(req, EPERM);
		return;
	}
	if (!find_present(req, ino_get_id(parent), name, &entry)) {
		fuse_reply_err(req, ENOENT); /* and has gone again */
		return;
	}
	if ((entry.attr.st_mode & S_IFMT) == type) {
		job->made = true;
		reply_entry(mount, req, &entry);
		return;
	}
	tree_forget(mount->tree, entry.ino, 1);
	fuse_reply_err(req, ENOENT);
}

static void echo_mknod(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode, dev_t dev)
{
	(void)dev;
	echo_make(req, parent, name, mode & S_IFMT);
}

static void echo_mkdir(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode)
{
	(void)mode;
	echo_make(req, parent, name, S_IFDIR);
}

static void echo_symlink(fuse_req_t req, const char *target, fuse_ino_t parent, const char *name)
{
	(void)target;
	echo_make(req, parent, name, S_IFLNK);
}

/* As far as the changes that are queued tell, the name was not touched since. */
static bool is_last(fuse_req_t req, const struct echo_job *job, const struct echo_name *name)
{
	const struct mount *mount = fuse_req_userdata(req);
	return !echo_has_later(mount->echo, job, name);
}

/*
 * Is what the kernel is about to remove or move what the process was told of? Only if it was told on the second walk,
 * within this very system call: then the kernel has held the directory's lock since, so that no look-up and no listing of
 * another process can have put in its place what is there now.
 */
static bool is_confirmed(struct echo_job *job, bool looked)
{
	bool confirmed = job->sent_back && looked;
	job->sent_back = !confirmed;
	job->looked = job->looked_to = false;
	return confirmed;
}

/* EBUSY: it was made again through this mount, which who watches it has seen. */
static int check_remove(fuse_req_t req, struct echo_job *job)
{
	bool alone = job->op != ECHO_MOVE || job->split;
	job->split = true;
	if (!is_confirmed(job, job->looked && alone))
		return -ESTALE;
	return is_present(req, &job->from) && is_last(req, job, &job->from) ? -EBUSY : 0;
}

static void echo_remove(fuse_req_t req, fuse_ino_t parent, const char *name)
{
	const struct mount *mount = fuse_req_userdata(req);
	struct echo_job *job = echo_current(mount->echo);
	if (job && (is_job(job, ECHO_DELETE, &job->from, parent, name) ||
			   is_job(job, ECHO_MOVE, &job->from, parent, name)))
		reply_error(req, check_remove(req, job));
	else if (job && is_echo_dir(parent) && job->op == ECHO_REPLACED && job->looked &&
		 !strcmp(job->from.name, name))
		reply_error(req, lives(req, job) ? -EBUSY : 0);
	else
		reply_error(req, -EPERM);
}

static int check_move(fuse_req_t req, struct echo_job *job)
{
	if (!is_confirmed(job, job->looked && job->looked_to))
		return -ESTALE;
	job->split = (is_present(req, &job->from) && is_last(req, job, &job->from)) ||
		     (!is_present(req, &job->to) && is_last(req, job, &job->to));
	return job->split ? -EBUSY : 0;
}

static void echo_rename(fuse_req_t req, fuse_ino_t parent, const char *name, fuse_ino_t new_parent,
	const char *new_name, unsigned int flags)
{
	const struct mount *mount = fuse_req_userdata(req);
	struct echo_job *job = echo_current(mount->echo);
	bool right = job && is_job(job, ECHO_MOVE, &job->from, parent, name) &&
		     is_job(job, ECHO_MOVE, &job->to, new_parent, new_name) &&
		     !(flags & RENAME_EXCHANGE);
	reply_error(req, right ? check_move(req, job) : -EPERM);
}

static void echo_setattr(
	fuse_req_t req, fuse_ino_t ino, struct stat *attr, int set, struct fuse_file_info *fi)
{
	(void)attr;
	(void)set;
	file_getattr(req, ino, fi);
}

static void echo_open(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	if ((fi->flags & O_ACCMODE) != O_WRONLY) {
		fuse_reply_err(req, EPERM);
		return;
	}
	fi->fh = 0;
	fi->keep_cache = ino_get_class(ino) == INO_VERSION;
	fi->noflush = 1;
	fuse_reply_open(req, fi);
}

bool echo_getattr(fuse_req_t req, fuse_ino_t ino)
{
	struct stat attr;
	if (is_echo_dir(ino))
		echo_dir_attr(fuse_req_userdata(req), &attr);
	else if (ino_get_class(ino) != INO_DIR ||
		 !past_attr(fuse_req_userdata(req), ino, S_IFDIR, &attr))
		return false;
	fuse_reply_attr(req, &attr, 0);
	return true;
}

const struct fuse_lowlevel_ops echo_ops = {
	.setattr = echo_setattr,
	.mknod = echo_mknod,
	.mkdir = echo_mkdir,
	.symlink = echo_symlink,
	.unlink = echo_remove,
	.rmdir = echo_remove,
	.rename = echo_rename,
	.open = echo_open,
};
