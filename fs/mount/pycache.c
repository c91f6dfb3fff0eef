/* SPDX-License-Identifier: MIT */
/*
 * pycache.c - requests for __pycache__ and for what is in it: forwarded to the local disk.
 *
 * The kernel may cache all of it, because it changes only by the kernel's own requests or by pycache_drop_module(), which tells
 * the kernel. Another mount of the same database that shares the directory is the exception: a file that has
 * been replaced is noticed when it is opened, and the name looked up anew (-ESTALE makes the kernel do that).
 */
#include "pycache.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static struct mount *mount_of(fuse_req_t req)
{
	return fuse_req_userdata(req);
}

struct pycache *pycache_lock(fuse_req_t req)
{
	struct pycache *cache = mount_of(req)->pycache;
	pthread_mutex_lock(&cache->lock);
	return cache;
}

void pycache_unlock(struct pycache *cache)
{
	pthread_mutex_unlock(&cache->lock);
}

/* ---- names ---- */

/* What is at a name of directory fd; a node that stood for another file there is detached. */
int pycache_look_up(struct pycache *cache, struct pynode *parent, int fd, const char *name,
	struct tree_entry *ret_entry)
{
	struct stat attr;
	struct pynode *node = pynode_find_name(cache, parent, name);
	int error = pyattr_get(cache, fd, name, &attr);
	bool other = node && (node->dev != attr.st_dev || node->ino != attr.st_ino);
	if (node && (error || other))
		pynode_detach(cache, node);
	if (error)
		return error;
	node = pynode_look_up(cache, parent, name);
	if (!node)
		return -ENOMEM;
	node->dev = attr.st_dev;
	node->ino = attr.st_ino;
	*ret_entry = (struct tree_entry){.ino = pynode_ino(node), .attr = attr, .lasting = true};
	return 0;
}

/* The same for a request that has the parent's number. */
static int look_up_in(
	struct pycache *cache, uint64_t parent_ino, const char *name, struct tree_entry *ret_entry)
{
	struct pynode *parent = pynode_find(cache, parent_ino);
	int fd, error = parent ? pynode_open_dir(cache, parent, O_PATH, &fd) : -ESTALE;
	if (error)
		return error;
	error = pycache_look_up(cache, parent, fd, name, ret_entry);
	close(fd);
	return error;
}

static void reply_looked_up(fuse_req_t req, int error, const struct tree_entry *entry)
{
	const struct tree_entry none = {.lasting = true};
	if (error == -ENOENT)
		reply_entry(mount_of(req), req, &none);
	else if (error)
		reply_error(req, error);
	else
		reply_entry(mount_of(req), req, entry);
}

static void op_lookup(fuse_req_t req, fuse_ino_t parent, const char *name)
{
	struct tree_entry entry;
	struct pycache *cache = pycache_lock(req);
	int error = look_up_in(cache, parent, name, &entry);
	pycache_unlock(cache);
	reply_looked_up(req, error, &entry);
}

/* Doesn't answer: that is done for all forgotten inodes together. */
static void op_forget_multi(fuse_req_t req, size_t count, struct fuse_forget_data *forgets)
{
	struct pycache *cache = pycache_lock(req);
	for (size_t i = 0; i < count; i++) {
		struct pynode *node = pynode_find(cache, forgets[i].ino);
		if (node)
			pynode_forget(cache, node, forgets[i].nlookup);
	}
	pycache_unlock(cache);
}

/* ---- attributes ---- */

/* By an open file, or what is held, where the name has gone. */
static int get_attr(struct pycache *cache, struct pynode *node, struct stat *ret_attr)
{
	int fd = node->files ? node->files->fd : node->held;
	if (pylink_is_link(node)) {
		pylink_get_attr(cache, node, ret_attr);
		return 0;
	}
	if (fd >= 0)
		return pyattr_get(cache, fd, NULL, ret_attr);
	int error = pynode_open_parent(cache, node, &fd);
	if (error)
		return error;
	error = pyattr_get(cache, fd, node->name, ret_attr);
	close(fd);
	return error == -ENOENT ? -ESTALE : error;
}

static int set_attr(struct pycache *cache, struct pynode *node, const struct pyfile *file,
	const struct stat *attr, int to_set)
{
	int fd, error;
	if (pylink_is_link(node))
		return -EPERM;
	if (file)
		return pyattr_set(cache, file->fd, NULL, attr, to_set);
	if (node->gone)
		error = pynode_open(
			cache, node, to_set & FUSE_SET_ATTR_SIZE ? O_WRONLY : O_RDONLY, &fd);
	else
		error = pynode_open_parent(cache, node, &fd);
	if (error)
		return error;
	error = pyattr_set(cache, fd, node->gone ? NULL : node->name, attr, to_set);
	close(fd);
	return error == -ENOENT ? -ESTALE : error;
}

static void op_getattr(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	struct stat attr;
	struct pycache *cache = pycache_lock(req);
	struct pynode *node = pynode_find(cache, ino);
	int error = node ? get_attr(cache, node, &attr) : -ESTALE;
	pycache_unlock(cache);
	if (error)
		reply_error(req, error);
	else
		reply_attr(mount_of(req), req, &attr, true);
}

/* An open file of the node that the change can be made by: of an unlinked file there is no other way. */
static const struct pyfile *file_to_set(const struct pynode *node, const struct fuse_file_info *fi)
{
	if (fi)
		return (const struct pyfile *)(uintptr_t)fi->fh;
	return node->gone ? node->files : NULL;
}

static void op_setattr(
	fuse_req_t req, fuse_ino_t ino, struct stat *attr, int to_set, struct fuse_file_info *fi)
{
	struct stat now;
	struct pycache *cache = pycache_lock(req);
	struct pynode *node = pynode_find(cache, ino);
	int error = node ? set_attr(cache, node, file_to_set(node, fi), attr, to_set) : -ESTALE;
	if (!error)
		error = get_attr(cache, node, &now);
	pycache_unlock(cache);
	if (error)
		reply_error(req, error);
	else
		reply_attr(mount_of(req), req, &now, true);
}

/* ---- making and removing ---- */

/* Gives a new file, open as file, to the caller; on failure takes it away again. */
static int adopt(
	struct pycache *cache, fuse_req_t req, int fd, const char *name, int file, mode_t mode)
{
	const struct fuse_ctx *ctx = fuse_req_ctx(req);
	int error = pyattr_init(cache, file, ctx->uid, ctx->gid, mode);
	if (error)
		unlinkat(fd, name, S_ISDIR(mode) ? AT_REMOVEDIR : 0);
	return error;
}

static int make_dir(struct pycache *cache, fuse_req_t req, int fd, const char *name, mode_t mode)
{
	if (mkdirat(fd, name, 0700) < 0)
		return -errno;
	int dir = openat(fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (dir < 0)
		return -errno;
	int error = adopt(cache, req, fd, name, dir, S_IFDIR | (mode & 0777));
	close(dir);
	return error;
}

int pycache_make_file(struct pycache *cache, fuse_req_t req, int fd, const char *name, mode_t mode,
	int flags, int *ret_file)
{
	flags = (flags & O_ACCMODE) | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC;
	int file = openat(fd, name, flags, 0600);
	if (file < 0)
		return -errno;
	int error = pycache_check_file(cache, file);
	if (error)
		unlinkat(fd, name, 0);
	else
		error = adopt(cache, req, fd, name, file, mode & 0777);
	if (error) {
		close(file);
		return error;
	}
	*ret_file = file;
	return 0;
}

/* The last thing that a request does which makes a name. */
static void answer_made(
	fuse_req_t req, struct pycache *cache, int error, const struct tree_entry *entry)
{
	pycache_unlock(cache);
	if (error)
		reply_error(req, error);
	else
		reply_entry(mount_of(req), req, entry);
}

/* Makes something called name in the directory fd. */
typedef int make_fn(struct pycache *cache, fuse_req_t req, int fd, const char *name, mode_t mode);

static void make(
	fuse_req_t req, fuse_ino_t parent_ino, const char *name, mode_t mode, make_fn *make_it)
{
	struct tree_entry entry;
	struct pycache *cache = pycache_lock(req);
	struct pynode *parent = pynode_find(cache, parent_ino);
	int fd, error = parent ? pynode_open_dir(cache, parent, O_PATH, &fd) : -ESTALE;
	if (!error) {
		error = make_it(cache, req, fd, name, mode);
		if (!error)
			error = pycache_look_up(cache, parent, fd, name, &entry);
		close(fd);
	}
	answer_made(req, cache, error, &entry);
}

static int make_empty(struct pycache *cache, fuse_req_t req, int fd, const char *name, mode_t mode)
{
	int file = -1, error = pycache_make_file(cache, req, fd, name, mode, O_WRONLY, &file);
	if (!error)
		close(file);
	return error;
}

static void op_mkdir(fuse_req_t req, fuse_ino_t parent_ino, const char *name, mode_t mode)
{
	make(req, parent_ino, name, mode, make_dir);
}

static void op_mknod(
	fuse_req_t req, fuse_ino_t parent_ino, const char *name, mode_t mode, dev_t dev)
{
	if (S_ISREG(mode))
		make(req, parent_ino, name, mode, make_empty);
	else
		reply_error(req, -EPERM);
}

static int remove_name(struct pycache *cache, struct pynode *parent, const char *name, int flags)
{
	int fd, error = pynode_open_dir(cache, parent, O_PATH, &fd);
	if (error)
		return error;
	struct pynode *node = pynode_find_name(cache, parent, name);
	if (node)
		pynode_hold(cache, node, fd);
	error = unlinkat(fd, name, flags) < 0 ? -errno : 0;
	close(fd);
	if (node && (!error || error == -ENOENT))
		pynode_detach(cache, node);
	if (parent)
		pylink_note_write(cache, parent);
	return error;
}

static void reply_removed(fuse_req_t req, fuse_ino_t ino, const char *name, int flags)
{
	struct pycache *cache = pycache_lock(req);
	struct pynode *parent = pynode_find(cache, ino);
	int error = parent ? remove_name(cache, parent, name, flags) : -ESTALE;
	pycache_unlock(cache);
	reply_error(req, error);
}

static void op_unlink(fuse_req_t req, fuse_ino_t parent, const char *name)
{
	reply_removed(req, parent, name, 0);
}

static void op_rmdir(fuse_req_t req, fuse_ino_t parent, const char *name)
{
	reply_removed(req, parent, name, AT_REMOVEDIR);
}

/* ---- renaming ---- */

int pyplace_init(struct pycache *cache, uint64_t ino, const char *name, struct pyplace *place)
{
	*place = (struct pyplace){.dir = pynode_find(cache, ino), .name = name, .fd = -1};
	return place->dir ? pynode_open_dir(cache, place->dir, O_PATH, &place->fd) : -ESTALE;
}

void pyplace_finish(const struct pyplace *place)
{
	if (place->fd >= 0)
		close(place->fd);
}

/* What the kernel knows of the names follows the files. */
static void follow_rename(
	struct pycache *cache, const struct pyplace *from, const struct pyplace *to, unsigned flags)
{
	struct pynode *node = pynode_find_name(cache, from->dir, from->name);
	struct pynode *target = pynode_find_name(cache, to->dir, to->name);
	if (flags & RENAME_EXCHANGE && node && target) {
		pynode_exchange(cache, node, target);
		return;
	}
	if (target && target != node)
		pynode_detach(cache, target);
	if (node && flags & RENAME_EXCHANGE)
		pynode_detach(cache, node);
	else if (node)
		pynode_move(cache, node, to->dir, to->name);
}

static void hold_target(struct pycache *cache, const struct pyplace *to)
{
	struct pynode *target = pynode_find_name(cache, to->dir, to->name);
	if (target)
		pynode_hold(cache, target, to->fd);
}

static void op_rename(fuse_req_t req, fuse_ino_t parent, const char *name, fuse_ino_t new_parent,
	const char *new_name, unsigned flags)
{
	struct pyplace from, to = {.fd = -1};
	struct pycache *cache = pycache_lock(req);
	int error = pyplace_init(cache, parent, name, &from);
	if (!error)
		error = pyplace_init(cache, new_parent, new_name, &to);
	if (!error && flags & ~(unsigned)(RENAME_NOREPLACE | RENAME_EXCHANGE))
		error = -EINVAL;
	if (!error)
		hold_target(cache, &to);
	if (!error && renameat2(from.fd, name, to.fd, new_name, flags) < 0)
		error = -errno;
	if (!error) {
		pylink_note_write(cache, from.dir);
		pylink_note_write(cache, to.dir);
		follow_rename(cache, &from, &to, flags);
		pycache_learn(cache, new_name);
	}
	pyplace_finish(&to);
	pyplace_finish(&from);
	pycache_unlock(cache);
	reply_error(req, error);
}

/* ---- links ---- */

/*
 * Both names are inodes of their own to the kernel, with pages of their own: compileall links files that are
 * equal, and replaces them when they no longer are, but writes in neither.
 */
static void op_link(fuse_req_t req, fuse_ino_t ino, fuse_ino_t new_parent, const char *new_name)
{
	struct tree_entry entry;
	struct pyplace to = {.fd = -1};
	struct pycache *cache = pycache_lock(req);
	struct pynode *node = pynode_find(cache, ino);
	int fd = -1, error = node ? pynode_open_parent(cache, node, &fd) : -ESTALE;
	if (!error)
		error = pyplace_init(cache, new_parent, new_name, &to);
	if (!error && linkat(fd, node->name, to.fd, new_name, 0) < 0)
		error = -errno;
	if (!error)
		error = pycache_look_up(cache, to.dir, to.fd, new_name, &entry);
	if (!error)
		pycache_learn(cache, new_name);
	pyplace_finish(&to);
	if (fd >= 0)
		close(fd);
	answer_made(req, cache, error, &entry);
}

static void op_symlink(fuse_req_t req, const char *target, fuse_ino_t parent, const char *name)
{
	struct tree_entry entry;
	struct pyplace at;
	struct pycache *cache = pycache_lock(req);
	const struct fuse_ctx *ctx = fuse_req_ctx(req);
	int error = pyplace_init(cache, parent, name, &at);
	if (!error && symlinkat(target, at.fd, name) < 0)
		error = -errno;
	if (!error) {
		if (!cache->keep_owners)
			fchownat(at.fd, name, ctx->uid, ctx->gid, AT_SYMLINK_NOFOLLOW);
		error = pycache_look_up(cache, at.dir, at.fd, name, &entry);
	}
	pyplace_finish(&at);
	answer_made(req, cache, error, &entry);
}

static int read_link(struct pycache *cache, struct pynode *node, char *target, size_t room)
{
	if (pylink_is_link(node))
		return pylink_read(cache, node, target, room);
	int fd, error = pynode_open_parent(cache, node, &fd);
	if (error)
		return error;
	ssize_t size = readlinkat(fd, node->name, target, room - 1);
	error = size < 0 ? -errno : 0;
	close(fd);
	if (!error)
		target[size] = '\0';
	return error;
}

static void op_readlink(fuse_req_t req, fuse_ino_t ino)
{
	char target[PATH_MAX];
	struct pycache *cache = pycache_lock(req);
	struct pynode *node = pynode_find(cache, ino);
	int error = node ? read_link(cache, node, target, sizeof(target)) : -ESTALE;
	pycache_unlock(cache);
	if (error)
		reply_error(req, error);
	else
		fuse_reply_readlink(req, target);
}

const struct fuse_lowlevel_ops pycache_ops = {
	.lookup = op_lookup,
	.forget_multi = op_forget_multi,
	.getattr = op_getattr,
	.setattr = op_setattr,
	.readlink = op_readlink,
	.mknod = op_mknod,
	.mkdir = op_mkdir,
	.unlink = op_unlink,
	.rmdir = op_rmdir,
	.symlink = op_symlink,
	.rename = op_rename,
	.link = op_link,
	.open = pycache_open,
	.read = pycache_read,
	.write = pycache_write,
	.flush = pycache_flush,
	.release = pycache_release,
	.fsync = pycache_fsync,
	.fsyncdir = pycache_fsync,
	.readdir = pycache_readdir,
	.readdirplus = pycache_readdirplus,
	.create = pycache_create_file,
};

/* ---- __pycache__ itself ---- */

static void root_name(char name[24], int64_t dir)
{
	snprintf(name, 24, "%lld", (long long)dir);
}

static int look_up_root(struct pycache *cache, int64_t dir, struct tree_entry *ret_entry)
{
	char name[24];
	root_name(name, dir);
	if (cache->base < 0)
		return -ENOENT;
	if (!pylink_is_due(cache, dir))
		return pycache_look_up(cache, NULL, cache->base, name, ret_entry);
	if (faccessat(cache->base, name, F_OK, AT_SYMLINK_NOFOLLOW) < 0)
		return -errno;
	return pylink_look_up(cache, dir, ret_entry);
}

void pycache_lookup_root(struct mount *mount, fuse_req_t req, int64_t dir)
{
	struct tree_entry entry;
	struct pycache *cache = pycache_lock(req);
	int error = look_up_root(cache, dir, &entry);
	pycache_unlock(cache);
	reply_looked_up(req, error, &entry);
}

static int make_root(struct pycache *cache, fuse_req_t req, int64_t dir, mode_t mode,
	struct tree_entry *ret_entry)
{
	char name[24];
	root_name(name, dir);
	int error = cache->base < 0 ? -EROFS : make_dir(cache, req, cache->base, name, mode);
	/* The kernel asks only when it knows of none: another mount of the same database has made it since. */
	if (error && error != -EEXIST)
		return error;
	pylink_begin(cache, dir);
	return pycache_look_up(cache, NULL, cache->base, name, ret_entry);
}

void pycache_mkdir_root(struct mount *mount, fuse_req_t req, int64_t dir, mode_t mode)
{
	struct tree_entry entry;
	struct pycache *cache = pycache_lock(req);
	int error = make_root(cache, req, dir, mode, &entry);
	pycache_unlock(cache);
	if (error) {
		reply_error(req, error);
		return;
	}
	reply_entry(mount, req, &entry);
	publisher_wake(mount);
}

void pycache_rmdir_root(struct mount *mount, fuse_req_t req, int64_t dir)
{
	char name[24];
	struct pycache *cache = pycache_lock(req);
	root_name(name, dir);
	int error = remove_name(cache, NULL, name, AT_REMOVEDIR);
	if (!error)
		pylink_end(cache, dir);
	pycache_unlock(cache);
	reply_error(req, error);
}

void pycache_unlink_root(struct mount *mount, fuse_req_t req, int64_t dir)
{
	struct pycache *cache = pycache_lock(req);
	bool link = pylink_is_due(cache, dir);
	pycache_unlock(cache);
	if (link)
		pycache_drop_dir(mount, dir);
	reply_error(req, link ? 0 : -EISDIR);
}
