// SPDX-License-Identifier: MIT
/*
 * Hands each request to the handlers of its inode's class, or of its parent directory's. The names that lead from one class to
 * another are decided here: `.pymodfs` in the root, `__pycache__` in any directory.
 */
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/statvfs.h>

#include "job.h"
#include "mount.h"

#define CONTROL_NAME ".pymodfs"
#define PYCACHE_NAME "__pycache__"

static const struct fuse_lowlevel_ops *ops_of(fuse_ino_t ino)
{
	switch (ino_get_class(ino)) {
	case INO_DIR:
		return &dir_ops;
	case INO_VERSION:
		return &version_ops;
	case INO_DRAFT:
		return &draft_ops;
	case INO_CONTROL:
		return &control_ops;
	case INO_PYCACHE:
		return &pycache_ops;
	case INO_ECHO:
		return &echo_ops;
	}
	return &dir_ops;
}

/* Those that answer the caller of what would change something. */
static const struct fuse_lowlevel_ops *ops_of_change(fuse_req_t req, fuse_ino_t ino)
{
	return echo_is_caller(req) ? &echo_ops : ops_of(ino);
}

#define DISPATCH_TO(table, handler, error, ...)              \
	do {                                                 \
		const struct fuse_lowlevel_ops *ops = table; \
		if (ops->handler)                            \
			ops->handler(__VA_ARGS__);           \
		else                                         \
			fuse_reply_err(req, error);          \
	} while (0)

#define DISPATCH(ino, handler, error, ...) DISPATCH_TO(ops_of(ino), handler, error, __VA_ARGS__)
#define DISPATCH_CHANGE(ino, handler, error, ...) \
	DISPATCH_TO(ops_of_change(req, ino), handler, error, __VA_ARGS__)

static bool is_dir(fuse_ino_t ino)
{
	return ino_get_class(ino) == INO_DIR;
}

static bool is_control(fuse_ino_t parent, const char *name)
{
	return parent == INO_ROOT && strcmp(name, CONTROL_NAME) == 0;
}

static bool is_pycache(fuse_ino_t parent, const char *name)
{
	return is_dir(parent) && strcmp(name, PYCACHE_NAME) == 0;
}

bool mount_is_reserved(fuse_ino_t parent, const char *name)
{
	return is_control(parent, name) || is_pycache(parent, name);
}

/* Only this thread adds; .pymodfs/status reads. */
static void note_request(fuse_req_t req, enum mount_request request)
{
	struct mount *mount = fuse_req_userdata(req);
	atomic_fetch_add_explicit(&mount->requests[request], 1, memory_order_relaxed);
}

static void op_init(void *userdata, struct fuse_conn_info *conn)
{
	static const unsigned int wanted = FUSE_CAP_ATOMIC_O_TRUNC | FUSE_CAP_READDIRPLUS |
					   FUSE_CAP_READDIRPLUS_AUTO | FUSE_CAP_PARALLEL_DIROPS |
					   FUSE_CAP_CACHE_SYMLINKS | FUSE_CAP_NO_OPENDIR_SUPPORT |
					   FUSE_CAP_AUTO_INVAL_DATA | FUSE_CAP_ASYNC_READ;
	struct mount *mount = userdata;
	conn->want |= conn->capable & wanted;
	conn->time_gran = 1;
	if (mount->ready)
		mount->ready(mount->ready_arg);
}

static void op_lookup(fuse_req_t req, fuse_ino_t parent, const char *name)
{
	note_request(req, REQUEST_LOOKUP);
	struct mount *mount = fuse_req_userdata(req);
	if (is_control(parent, name))
		control_reply_root(mount, req);
	else if (is_pycache(parent, name))
		pycache_lookup_root(mount, req, ino_get_id(parent));
	else if (!echo_is_caller(req) || !echo_lookup(req, parent, name))
		DISPATCH(parent, lookup, ENOTDIR, req, parent, name);
}

static void forget_one(fuse_req_t req, fuse_ino_t ino, uint64_t n)
{
	const struct fuse_lowlevel_ops *ops = ops_of(ino);
	struct fuse_forget_data data = {.ino = ino, .nlookup = n};
	(void)req;
	if (ops->forget_multi)
		ops->forget_multi(req, 1, &data);
}

static void op_forget(fuse_req_t req, fuse_ino_t ino, uint64_t n)
{
	note_request(req, REQUEST_FORGET);
	forget_one(req, ino, n);
	fuse_reply_none(req);
}

static void op_forget_multi(fuse_req_t req, size_t count, struct fuse_forget_data *forgets)
{
	note_request(req, REQUEST_FORGET);
	for (size_t i = 0; i < count; i++)
		forget_one(req, forgets[i].ino, forgets[i].nlookup);
	fuse_reply_none(req);
}

static void op_getattr(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	note_request(req, REQUEST_GETATTR);
	if (!echo_is_caller(req) || !echo_getattr(req, ino))
		DISPATCH(ino, getattr, ENOSYS, req, ino, fi);
}

static void op_setattr(
	fuse_req_t req, fuse_ino_t ino, struct stat *attr, int set, struct fuse_file_info *fi)
{
	note_request(req, REQUEST_SETATTR);
	DISPATCH_CHANGE(ino, setattr, EROFS, req, ino, attr, set, fi);
}

static void op_readlink(fuse_req_t req, fuse_ino_t ino)
{
	note_request(req, REQUEST_READLINK);
	DISPATCH(ino, readlink, EINVAL, req, ino);
}

static void op_mknod(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode, dev_t dev)
{
	note_request(req, REQUEST_MKNOD);
	if (!S_ISREG(mode))
		fuse_reply_err(req, EPERM);
	else if (mount_is_reserved(parent, name))
		fuse_reply_err(req, EPERM);
	else
		DISPATCH_CHANGE(parent, mknod, EROFS, req, parent, name, mode, dev);
}

static void op_mkdir(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode)
{
	note_request(req, REQUEST_MKDIR);
	struct mount *mount = fuse_req_userdata(req);
	if (is_control(parent, name))
		fuse_reply_err(req, EEXIST);
	else if (is_pycache(parent, name))
		pycache_mkdir_root(mount, req, ino_get_id(parent), mode);
	else
		DISPATCH_CHANGE(parent, mkdir, EROFS, req, parent, name, mode);
}

static void op_unlink(fuse_req_t req, fuse_ino_t parent, const char *name)
{
	note_request(req, REQUEST_UNLINK);
	struct mount *mount = fuse_req_userdata(req);
	if (is_control(parent, name))
		fuse_reply_err(req, EISDIR);
	else if (is_pycache(parent, name))
		pycache_unlink_root(mount, req, ino_get_id(parent));
	else
		DISPATCH_CHANGE(parent, unlink, EROFS, req, parent, name);
}

static void op_rmdir(fuse_req_t req, fuse_ino_t parent, const char *name)
{
	note_request(req, REQUEST_RMDIR);
	struct mount *mount = fuse_req_userdata(req);
	if (is_control(parent, name))
		fuse_reply_err(req, EPERM);
	else if (is_pycache(parent, name))
		pycache_rmdir_root(mount, req, ino_get_id(parent));
	else
		DISPATCH_CHANGE(parent, rmdir, EROFS, req, parent, name);
}

static void op_symlink(fuse_req_t req, const char *target, fuse_ino_t parent, const char *name)
{
	note_request(req, REQUEST_SYMLINK);
	if (mount_is_reserved(parent, name))
		fuse_reply_err(req, EPERM);
	else
		DISPATCH_CHANGE(parent, symlink, EROFS, req, target, parent, name);
}

static void op_rename(fuse_req_t req, fuse_ino_t parent, const char *name, fuse_ino_t new_parent,
	const char *new_name, unsigned int flags)
{
	note_request(req, REQUEST_RENAME);
	if (ino_get_class(parent) == INO_PYCACHE && is_dir(new_parent) &&
		!mount_is_reserved(new_parent, new_name))
		pycache_rename_out(req, parent, name, new_parent, new_name, flags);
	else if (ino_get_class(parent) != ino_get_class(new_parent))
		fuse_reply_err(req, EXDEV);
	else if (is_control(parent, name) || is_control(new_parent, new_name))
		fuse_reply_err(req, EPERM);
	else if (is_pycache(parent, name) || is_pycache(new_parent, new_name))
		fuse_reply_err(req, EXDEV);
	else
		DISPATCH_CHANGE(
			parent, rename, EROFS, req, parent, name, new_parent, new_name, flags);
}

static void op_link(fuse_req_t req, fuse_ino_t ino, fuse_ino_t parent, const char *name)
{
	note_request(req, REQUEST_LINK);
	if ((ino_get_class(ino) == INO_PYCACHE) != (ino_get_class(parent) == INO_PYCACHE))
		fuse_reply_err(req, EXDEV);
	else /* EPERM: as link(2) has it for a file system without hard links */
		DISPATCH_CHANGE(parent, link, EPERM, req, ino, parent, name);
}

static void op_open(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	note_request(req, REQUEST_OPEN);
	DISPATCH_CHANGE(ino, open, EISDIR, req, ino, fi);
}

static void op_read(
	fuse_req_t req, fuse_ino_t ino, size_t size, off_t offset, struct fuse_file_info *fi)
{
	note_request(req, REQUEST_READ);
	DISPATCH(ino, read, EISDIR, req, ino, size, offset, fi);
}

static void op_write(fuse_req_t req, fuse_ino_t ino, const char *data, size_t size, off_t offset,
	struct fuse_file_info *fi)
{
	note_request(req, REQUEST_WRITE);
	DISPATCH_CHANGE(ino, write, EBADF, req, ino, data, size, offset, fi);
}

static void op_flush(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	note_request(req, REQUEST_FLUSH);
	DISPATCH(ino, flush, 0, req, ino, fi);
}

static void op_release(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	note_request(req, REQUEST_RELEASE);
	DISPATCH(ino, release, 0, req, ino, fi);
}

static void op_fsync(fuse_req_t req, fuse_ino_t ino, int datasync, struct fuse_file_info *fi)
{
	note_request(req, REQUEST_FSYNC);
	DISPATCH_CHANGE(ino, fsync, 0, req, ino, datasync, fi);
}

/* Names are durable when the call that made them returns. */
static void op_fsyncdir(fuse_req_t req, fuse_ino_t ino, int datasync, struct fuse_file_info *fi)
{
	note_request(req, REQUEST_FSYNCDIR);
	fuse_reply_err(req, 0);
}

/* Answered once: the kernel then opens directories by itself and caches their listings. */
static void op_opendir(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	note_request(req, REQUEST_OPENDIR);
	fuse_reply_err(req, ENOSYS);
}

static void op_readdir(
	fuse_req_t req, fuse_ino_t ino, size_t size, off_t offset, struct fuse_file_info *fi)
{
	note_request(req, REQUEST_READDIR);
	DISPATCH(ino, readdir, ENOTDIR, req, ino, size, offset, fi);
}

static void op_readdirplus(
	fuse_req_t req, fuse_ino_t ino, size_t size, off_t offset, struct fuse_file_info *fi)
{
	note_request(req, REQUEST_READDIRPLUS);
	DISPATCH(ino, readdirplus, ENOTDIR, req, ino, size, offset, fi);
}

/* The room there is for more: that of the file system where the database is. */
static void op_statfs(fuse_req_t req, fuse_ino_t ino)
{
	note_request(req, REQUEST_STATFS);
	struct mount *mount = fuse_req_userdata(req);
	struct statvfs stat;
	if (statvfs(store_url(mount->store), &stat) < 0)
		stat = (struct statvfs){.f_bsize = 4096, .f_frsize = 4096};
	stat.f_namemax = STORE_NAME_MAX;
	fuse_reply_statfs(req, &stat);
}

static void op_create(
	fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode, struct fuse_file_info *fi)
{
	note_request(req, REQUEST_CREATE);
	if (mount_is_reserved(parent, name))
		fuse_reply_err(req, EISDIR);
	else
		DISPATCH_CHANGE(parent, create, EROFS, req, parent, name, mode, fi);
}

static void op_poll(
	fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi, struct fuse_pollhandle *handle)
{
	note_request(req, REQUEST_POLL);
	const struct fuse_lowlevel_ops *ops = ops_of(ino);
	if (ops->poll) {
		ops->poll(req, ino, fi, handle);
		return;
	}
	/* Not ENOSYS: the kernel would never ask again, not for the feed either (fs/fuse/file.c, fc->no_poll). */
	if (handle)
		fuse_pollhandle_destroy(handle);
	fuse_reply_poll(req, POLLIN | POLLOUT | POLLRDNORM | POLLWRNORM);
}

/* Python asks of each file that it opens whether it is a terminal. */
static void op_ioctl(fuse_req_t req, fuse_ino_t ino, unsigned int command, void *arg,
	struct fuse_file_info *fi, unsigned int flags, const void *data, size_t in_size,
	size_t out_size)
{
	note_request(req, REQUEST_IOCTL);
	fuse_reply_err(req, ENOTTY);
}

const struct fuse_lowlevel_ops mount_ops = {
	.init = op_init,
	.lookup = op_lookup,
	.forget = op_forget,
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
	.open = op_open,
	.read = op_read,
	.write = op_write,
	.flush = op_flush,
	.release = op_release,
	.fsync = op_fsync,
	.fsyncdir = op_fsyncdir,
	.opendir = op_opendir,
	.readdir = op_readdir,
	.readdirplus = op_readdirplus,
	.statfs = op_statfs,
	.create = op_create,
	.poll = op_poll,
	.ioctl = op_ioctl,
};
