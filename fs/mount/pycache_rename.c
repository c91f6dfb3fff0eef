/* SPDX-License-Identifier: MIT */
/*
 * pycache_rename.c - a file is renamed from __pycache__ to a directory of the store.
 *
 * That is a new file in the store with the same bytes, made on the writer's thread, and then the end of the old one. It happens
 * to bytecode that is to stand for its source. Directories, and the way back, are left to the caller, who copies (-EXDEV).
 *
 * The kernel goes on using the old inode by the new name until the publisher has told it. An open of it is answered with
 * -ESTALE, upon which the kernel looks the name up once more and finds the file in the store. If it is to be written, that
 * file's inode would answer with -ESTALE too (tree.h, tickets), but the kernel repeats a look-up only once: so the ticket
 * is left before.
 */
#include "pycache.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

#define CHUNK 65536

struct move {
	struct mount *mount;
	fuse_req_t req;
	struct tree_request request;
	fuse_ino_t from, to;
	char *name, *new_name;
	unsigned int flags;
	int fd; /* the local file */
};

static void move_destroy(struct move *move)
{
	if (move->fd >= 0)
		close(move->fd);
	free(move->name);
	free(move->new_name);
	free(move);
}

/* The file, if it is one. */
static int open_local(struct move *move)
{
	struct stat attr;
	struct pyplace at;
	struct pycache *cache = pycache_lock(move->req);
	int error = pyplace_init(cache, move->from, move->name, &at);
	if (!error) {
		move->fd =
			openat(at.fd, move->name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
		error = move->fd < 0 ? -errno : 0;
	}
	pyplace_finish(&at);
	pycache_unlock(cache);
	if (!error && fstat(move->fd, &attr) < 0)
		error = -errno;
	if (error == -ELOOP || (!error && !S_ISREG(attr.st_mode)))
		error = -EXDEV;
	return error;
}

static void remove_local(struct move *move)
{
	struct pyplace at;
	struct store_node made;
	int r = store_lookup(
		move->mount->writer_reader, ino_get_id(move->to), move->new_name, &made);
	struct pycache *cache = pycache_lock(move->req);
	if (pyplace_init(cache, move->from, move->name, &at) == 0) {
		struct pynode *node = pynode_find_name(cache, at.dir, move->name);
		unlinkat(at.fd, move->name, 0);
		if (node)
			pynode_detach(cache, node);
		if (node && r == 0)
			node->moved = made.id;
	}
	pyplace_finish(&at);
	pycache_unlock(cache);
}

void pycache_open_moved(fuse_req_t req, int64_t moved, int flags)
{
	struct mount *mount = fuse_req_userdata(req);
	struct tree_caller caller = caller_of(req);
	struct store_node node;
	struct tree_file *file;
	struct draft *draft;
	bool lasting;
	if (store_get_node(mount->reader, moved, &node) < 0)
		return;
	if (tree_open(mount->tree, mount->reader, &caller, ino_make(INO_VERSION, node.version),
		    flags, &file, &lasting) < 0)
		return;
	tree_release(mount->tree, file, &draft);
	if (draft)
		tree_unpin(mount->tree, draft);
}

static int copy(struct move *move, struct tree_file *file)
{
	char data[CHUNK];
	off_t offset = 0;
	for (;;) {
		ssize_t size = pread(move->fd, data, sizeof(data), offset);
		if (size <= 0)
			return size < 0 ? -errno : 0;
		int r = tree_write(move->mount->tree, file, data, (size_t)size, offset);
		if (r < 0)
			return r;
		offset += size;
	}
}

/* Makes the file in the store. */
static int make(struct move *move)
{
	struct tree *tree = move->mount->tree;
	struct tree_entry entry;
	struct tree_file *file;
	struct draft *draft;
	struct stat attr;
	int64_t change;
	int flags = O_WRONLY | O_CREAT | O_TRUNC | (move->flags & RENAME_NOREPLACE ? O_EXCL : 0);
	if (pyattr_get(move->mount->pycache, move->fd, NULL, &attr) < 0)
		return -EIO;
	int r = tree_create_file(tree, move->mount->writer_reader, &move->request.caller, move->to,
		move->new_name, attr.st_mode & 0777, flags, &entry, &file);
	if (r < 0)
		return r;
	int copied = copy(move, file);
	tree_release(tree, file, &draft);
	if (copied < 0 && draft)
		tree_unpin(tree, draft);
	else if (draft)
		r = tree_commit(tree, &move->request, draft, &change);
	tree_forget(tree, entry.ino, 1);
	return copied < 0 ? copied : r;
}

static void run_move(void *arg)
{
	struct move *move = arg;
	struct mount *mount = move->mount;
	int r = make(move);
	if (r == 0)
		remove_local(move);
	else
		mount_log(LOG_ERR, "moving %s out of __pycache__ failed: %s", move->name,
			store_error());
	reply_error(move->req, r);
	if (r == 0)
		publisher_wake(mount);
	move_destroy(move);
}

void pycache_rename_out(fuse_req_t req, fuse_ino_t parent, const char *name, fuse_ino_t new_parent,
	const char *new_name, unsigned int flags)
{
	int error = flags & ~(unsigned)RENAME_NOREPLACE ? -EXDEV : 0;
	struct move *move = error ? NULL : calloc(1, sizeof(*move));
	if (!move) {
		reply_error(req, error ? error : -ENOMEM);
		return;
	}
	*move = (struct move){
		.mount = fuse_req_userdata(req), .req = req, .from = parent, .fd = -1};
	move->to = new_parent;
	move->flags = flags;
	move->name = strdup(name);
	move->new_name = strdup(new_name);
	struct tree_caller caller = caller_of(req);
	mount_request_init(move->mount, &caller, &move->request);
	error = move->name && move->new_name ? open_local(move) : -ENOMEM;
	if (!error)
		error = mount_submit(move->mount, run_move, move);
	if (error) {
		reply_error(req, error);
		move_destroy(move);
	}
}
