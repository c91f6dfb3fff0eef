/* SPDX-License-Identifier: MIT */
/*
 * pycache_attr.c - owner, group and mode of the files of the bytecode cache.
 *
 * They are those of the local file, which the kernel enforces on the mount (default_permissions). A daemon that is root
 * gives a new file to whoever made it; without allow_other a daemon that isn't serves only its own user. A daemon that is
 * neither can't give files away: it keeps owner and mode in an extended attribute of the file, and leaves the file itself
 * to be its own, so that it can always read and write it. Where the disk takes no such attribute, nothing can be made.
 *
 * Nobody else reaches the local files: they are below a directory of mode 0700. There is no set-user-ID here.
 */
#include "pycache.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/xattr.h>
#include <unistd.h>

#define OWNER_XATTR "user.pymodfs.owner" /* "UID GID MODE", the mode in octal */
#define OWNER_SIZE 48
#define PROC_SIZE (STORE_NAME_MAX + 32)

/* A path of a file that there is only a descriptor for, or a directory's descriptor and a name. */
static void proc_path(char *path, int fd, const char *name)
{
	snprintf(path, PROC_SIZE, "/proc/self/fd/%d%s%s", fd, name ? "/" : "", name ? name : "");
}

static int read_owner(int fd, const char *name, struct stat *attr)
{
	char path[PROC_SIZE], value[OWNER_SIZE];
	proc_path(path, fd, name);
	ssize_t size = name ? lgetxattr(path, OWNER_XATTR, value, sizeof(value) - 1)
			    : getxattr(path, OWNER_XATTR, value, sizeof(value) - 1);
	/* Made before there were other users: it is the daemon's. */
	if (size < 0)
		return errno == ENODATA || errno == ENOTSUP ? 0 : -errno;
	value[size] = '\0';
	unsigned uid, gid, mode;
	if (sscanf(value, "%u %u %o", &uid, &gid, &mode) != 3)
		return -EIO;
	attr->st_uid = uid;
	attr->st_gid = gid;
	attr->st_mode = (attr->st_mode & S_IFMT) | (mode & 0777);
	return 0;
}

static int write_owner(int fd, const char *name, uid_t uid, gid_t gid, mode_t mode)
{
	char path[PROC_SIZE], value[OWNER_SIZE];
	proc_path(path, fd, name);
	int size = snprintf(value, sizeof(value), "%u %u %o", uid, gid, mode & 0777);
	int result = name ? lsetxattr(path, OWNER_XATTR, value, (size_t)size, 0)
			  : setxattr(path, OWNER_XATTR, value, (size_t)size, 0);
	return result < 0 ? -errno : 0;
}

int pyattr_get(const struct pycache *cache, int fd, const char *name, struct stat *ret_attr)
{
	struct stat attr;
	if (name ? fstatat(fd, name, &attr, AT_SYMLINK_NOFOLLOW) : fstat(fd, &attr))
		return -errno;
	if (cache->keep_owners && !S_ISLNK(attr.st_mode)) {
		int error = read_owner(fd, name, &attr);
		if (error)
			return error;
	}
	attr.st_ino = ino_synthetic(ino_make(INO_PYCACHE, (int64_t)attr.st_ino));
	attr.st_mode &= S_IFMT | 0777;
	*ret_attr = attr;
	return 0;
}

int pyattr_init(const struct pycache *cache, int fd, uid_t uid, gid_t gid, mode_t mode)
{
	if (cache->keep_owners)
		return write_owner(fd, NULL, uid, gid, mode);
	if (uid != geteuid() || gid != getegid()) {
		/* A group that the daemon is not in: then it stays the daemon's group. */
		if (fchown(fd, uid, gid) < 0 && fchown(fd, uid, (gid_t)-1) < 0)
			return -errno;
	}
	return fchmod(fd, mode & 0777) < 0 ? -errno : 0;
}

static int set_owner(
	const struct pycache *cache, int fd, const char *name, const struct stat *attr, int to_set)
{
	struct stat now = {0};
	int error = pyattr_get(cache, fd, name, &now);
	if (error)
		return error;
	return write_owner(fd, name, to_set & FUSE_SET_ATTR_UID ? attr->st_uid : now.st_uid,
		to_set & FUSE_SET_ATTR_GID ? attr->st_gid : now.st_gid,
		to_set & FUSE_SET_ATTR_MODE ? attr->st_mode : now.st_mode);
}

/* chmod that can't be led elsewhere by a link that somebody puts there meanwhile. */
static int set_mode(int fd, const char *name, mode_t mode)
{
	if (!name)
		return fchmod(fd, mode) < 0 ? -errno : 0;
	int file = openat(fd, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	if (file < 0)
		return -errno;
	char path[PROC_SIZE];
	struct stat attr;
	proc_path(path, file, NULL);
	int error = fstat(file, &attr) < 0 ? -errno : S_ISLNK(attr.st_mode) ? -EOPNOTSUPP : 0;
	if (!error && chmod(path, mode) < 0)
		error = -errno;
	close(file);
	return error;
}

static int set_local_owner(int fd, const char *name, const struct stat *attr, int to_set)
{
	uid_t uid = to_set & FUSE_SET_ATTR_UID ? attr->st_uid : (uid_t)-1;
	gid_t gid = to_set & FUSE_SET_ATTR_GID ? attr->st_gid : (gid_t)-1;
	if (to_set & (FUSE_SET_ATTR_UID | FUSE_SET_ATTR_GID)) {
		int flags = name ? AT_SYMLINK_NOFOLLOW : AT_EMPTY_PATH;
		if (fchownat(fd, name ? name : "", uid, gid, flags) < 0)
			return -errno;
	}
	return to_set & FUSE_SET_ATTR_MODE ? set_mode(fd, name, attr->st_mode & 0777) : 0;
}

static struct timespec time_to_set(struct timespec time, bool set, bool now)
{
	if (now)
		return (struct timespec){.tv_nsec = UTIME_NOW};
	return set ? time : (struct timespec){.tv_nsec = UTIME_OMIT};
}

static int set_times(int fd, const char *name, const struct stat *attr, int to_set)
{
	struct timespec times[2] = {
		time_to_set(attr->st_atim, to_set & FUSE_SET_ATTR_ATIME,
			to_set & FUSE_SET_ATTR_ATIME_NOW),
		time_to_set(attr->st_mtim, to_set & FUSE_SET_ATTR_MTIME,
			to_set & FUSE_SET_ATTR_MTIME_NOW),
	};
	int result = name ? utimensat(fd, name, times, AT_SYMLINK_NOFOLLOW) : futimens(fd, times);
	return result < 0 ? -errno : 0;
}

static int set_size(int fd, const char *name, off_t size)
{
	if (!name)
		return ftruncate(fd, size) < 0 ? -errno : 0;
	int file = openat(fd, name, O_WRONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	if (file < 0)
		return -errno;
	int error = ftruncate(file, size) < 0 ? -errno : 0;
	close(file);
	return error;
}

int pyattr_set(
	const struct pycache *cache, int fd, const char *name, const struct stat *attr, int to_set)
{
	int owner = to_set & (FUSE_SET_ATTR_MODE | FUSE_SET_ATTR_UID | FUSE_SET_ATTR_GID);
	int times = to_set & (FUSE_SET_ATTR_ATIME | FUSE_SET_ATTR_MTIME | FUSE_SET_ATTR_ATIME_NOW |
				     FUSE_SET_ATTR_MTIME_NOW);
	int error = 0;
	if (to_set & FUSE_SET_ATTR_SIZE)
		error = set_size(fd, name, attr->st_size);
	if (!error && owner)
		error = cache->keep_owners ? set_owner(cache, fd, name, attr, owner)
					   : set_local_owner(fd, name, attr, owner);
	if (!error && times)
		error = set_times(fd, name, attr, to_set);
	return error;
}
