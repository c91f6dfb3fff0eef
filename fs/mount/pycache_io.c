/* SPDX-License-Identifier: MIT */
/*
 * pycache_io.c - open files and listings of the bytecode cache.
 *
 * The page cache of a node stays valid over an open, because the node only ever stands for one local file: that is checked
 * at each open. Reading and writing use the file's descriptor, without the cache's lock.
 */
#include "pycache.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#define READDIR_SIZE 32768

/* ---- open files ---- */

/* Takes fd over. */
static struct pyfile *file_create(struct pynode *node, int fd)
{
	struct pyfile *file = malloc(sizeof(*file));
	if (!file) {
		close(fd);
		return NULL;
	}
	*file = (struct pyfile){.fd = fd, .node = node, .next = node->files};
	node->files = file;
	node->refs++;
	return file;
}

static void file_destroy(struct pycache *cache, struct pyfile *file)
{
	struct pyfile **link = &file->node->files;
	while (*link != file)
		link = &(*link)->next;
	*link = file->next;
	pynode_unref(cache, file->node);
	close(file->fd);
	free(file);
}

static struct pyfile *file_of(const struct fuse_file_info *fi)
{
	return (struct pyfile *)(uintptr_t)fi->fh;
}

static void set_file(struct fuse_file_info *fi, struct pyfile *file)
{
	fi->fh = (uintptr_t)file;
	fi->keep_cache = 1;
	fi->noflush = 1;
}

/* Another file than the one that the kernel looked up: -ESTALE. Truncated only when it is known to be the right one. */
static int open_node(
	struct pycache *cache, struct pynode *node, int flags, struct pyfile **ret_file)
{
	struct stat attr;
	int fd, error = pynode_open(cache, node, flags & O_ACCMODE, &fd);
	if (error)
		return error;
	error = pycache_check_file(cache, fd);
	if (!error)
		error = pyattr_get(cache, fd, NULL, &attr);
	if (error)
		goto close_fd;
	if (attr.st_dev != node->dev || attr.st_ino != node->ino)
		error = -ESTALE;
	else if (flags & O_TRUNC && ftruncate(fd, 0) < 0)
		error = -errno;
	if (error)
		goto close_fd;
	*ret_file = file_create(node, fd);
	return *ret_file ? 0 : -ENOMEM;
close_fd:
	close(fd);
	return error;
}

/* The call was interrupted: the kernel took neither the open file nor, where it was to, the look-up. */
static void take_back(struct pycache *cache, struct pyfile *file, uint64_t lookups)
{
	pthread_mutex_lock(&cache->lock);
	struct pynode *node = file->node;
	node->refs++;
	file_destroy(cache, file);
	if (lookups)
		pynode_forget(cache, node, lookups);
	pynode_unref(cache, node);
	pycache_unlock(cache);
}

void pycache_open(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	struct pyfile *file = NULL;
	struct pycache *cache = pycache_lock(req);
	struct pynode *node = pynode_find(cache, ino);
	int error = node ? open_node(cache, node, fi->flags, &file) : -ESTALE;
	if (error == -ESTALE && node)
		pynode_detach(cache, node);
	int64_t moved = node ? node->moved : 0;
	pycache_unlock(cache);
	if (error && moved)
		pycache_open_moved(req, moved, fi->flags);
	if (error) {
		reply_error(req, error);
		return;
	}
	set_file(fi, file);
	if (fuse_reply_open(req, fi) == -ENOENT)
		take_back(cache, file, 0);
}

/* Makes and looks up; a file that is there already (another mount made it) is opened. */
static int create(struct pycache *cache, fuse_req_t req, const struct pyplace *at, mode_t mode,
	int flags, struct tree_entry *ret_entry, struct pyfile **ret_file)
{
	int fd = -1, error = pycache_make_file(cache, req, at->fd, at->name, mode, flags, &fd);
	if (error == -EEXIST && !(flags & O_EXCL)) {
		error = pycache_look_up(cache, at->dir, at->fd, at->name, ret_entry);
		if (error)
			return error;
		struct pynode *node = pynode_find(cache, ret_entry->ino);
		error = open_node(cache, node, flags, ret_file);
		if (error)
			pynode_forget(cache, node, 1);
		return error;
	}
	if (error)
		return error;
	error = pycache_look_up(cache, at->dir, at->fd, at->name, ret_entry);
	if (error) {
		close(fd);
		return error;
	}
	struct pynode *node = pynode_find(cache, ret_entry->ino);
	*ret_file = file_create(node, fd);
	if (!*ret_file)
		pynode_forget(cache, node, 1);
	return *ret_file ? 0 : -ENOMEM;
}

void pycache_create_file(
	fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode, struct fuse_file_info *fi)
{
	struct mount *mount = fuse_req_userdata(req);
	struct tree_entry entry;
	struct pyfile *file = NULL;
	struct pyplace at;
	struct pycache *cache = pycache_lock(req);
	int error = pyplace_init(cache, parent, name, &at);
	if (!error)
		error = create(cache, req, &at, mode, fi->flags, &entry, &file);
	if (!error) {
		pylink_note_write(cache, at.dir);
		pycache_learn(cache, name);
	}
	pyplace_finish(&at);
	pycache_unlock(cache);
	if (error) {
		reply_error(req, error);
		return;
	}
	const struct fuse_entry_param e = {
		.ino = entry.ino,
		.attr = entry.attr,
		.attr_timeout = mount->timeout,
		.entry_timeout = mount->timeout,
	};
	set_file(fi, file);
	if (fuse_reply_create(req, &e, fi) == -ENOENT)
		take_back(cache, file, 1);
}

void pycache_release(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	struct pycache *cache = pycache_lock(req);
	file_destroy(cache, file_of(fi));
	pycache_unlock(cache);
	reply_error(req, 0);
}

void pycache_read(
	fuse_req_t req, fuse_ino_t ino, size_t size, off_t offset, struct fuse_file_info *fi)
{
	struct fuse_bufvec data = FUSE_BUFVEC_INIT(size);
	data.buf[0].flags = FUSE_BUF_IS_FD | FUSE_BUF_FD_SEEK;
	data.buf[0].fd = file_of(fi)->fd;
	data.buf[0].pos = offset;
	fuse_reply_data(req, &data, 0);
}

void pycache_write(fuse_req_t req, fuse_ino_t ino, const char *data, size_t size, off_t offset,
	struct fuse_file_info *fi)
{
	ssize_t done = pwrite(file_of(fi)->fd, data, size, offset);
	if (done < 0)
		reply_error(req, -errno);
	else
		fuse_reply_write(req, (size_t)done);
}

void pycache_flush(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	reply_error(req, 0);
}

void pycache_fsync(fuse_req_t req, fuse_ino_t ino, int datasync, struct fuse_file_info *fi)
{
	/* Bytecode is made anew where it is lost: not worth keeping the session's thread from its work. */
	reply_error(req, 0);
}

/* ---- listing ---- */

struct listing {
	fuse_req_t req;
	bool plus;
	char *data;
	size_t size, room;
};

/* False: it doesn't fit any more. Entries go without their attributes: the kernel asks for those it wants. */
static bool list_entry(struct listing *listing, const struct dirent64 *entry)
{
	struct fuse_entry_param e = {
		.attr.st_ino = ino_synthetic(ino_make(INO_PYCACHE, (int64_t)entry->d_ino)),
		.attr.st_mode = DTTOIF(entry->d_type),
	};
	char *to = listing->data + listing->size;
	size_t left = listing->room - listing->size, size;
	if (listing->plus)
		size = fuse_add_direntry_plus(
			listing->req, to, left, entry->d_name, &e, entry->d_off);
	else
		size = fuse_add_direntry(
			listing->req, to, left, entry->d_name, &e.attr, entry->d_off);
	if (size > left)
		return false;
	listing->size += size;
	return true;
}

static int list(struct listing *listing, int fd, off_t offset)
{
	char data[4096] __attribute__((aligned(__alignof__(struct dirent64))));
	if (lseek(fd, offset, SEEK_SET) < 0)
		return -errno;
	for (;;) {
		ssize_t size = getdents64(fd, data, sizeof(data));
		if (size <= 0)
			return size < 0 ? -errno : 0;
		for (ssize_t at = 0; at < size;) {
			const struct dirent64 *entry = (const struct dirent64 *)(data + at);
			if (!list_entry(listing, entry))
				return 0;
			at += entry->d_reclen;
		}
	}
}

static void reply_list(fuse_req_t req, fuse_ino_t ino, size_t size, off_t offset, bool plus)
{
	struct listing listing = {.req = req, .plus = plus};
	struct pycache *cache = pycache_lock(req);
	struct pynode *node = pynode_find(cache, ino);
	int fd, error = node ? pynode_open_dir(cache, node, O_RDONLY, &fd) : -ESTALE;
	pycache_unlock(cache);
	if (error) {
		reply_error(req, error);
		return;
	}
	listing.room = size < READDIR_SIZE ? size : READDIR_SIZE;
	listing.data = malloc(listing.room);
	error = listing.data ? list(&listing, fd, offset) : -ENOMEM;
	close(fd);
	if (error && listing.size == 0)
		reply_error(req, error);
	else
		fuse_reply_buf(req, listing.data, listing.size);
	free(listing.data);
}

void pycache_readdir(
	fuse_req_t req, fuse_ino_t ino, size_t size, off_t offset, struct fuse_file_info *fi)
{
	reply_list(req, ino, size, offset, false);
}

void pycache_readdirplus(
	fuse_req_t req, fuse_ino_t ino, size_t size, off_t offset, struct fuse_file_info *fi)
{
	reply_list(req, ino, size, offset, true);
}
