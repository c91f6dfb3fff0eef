/* SPDX-License-Identifier: MIT */
/*
 * A file in a directory that is open: what is there, and replacing it. It is written beside its place and renamed onto it,
 * so that it is there whole or not at all; links are not followed. No state.
 */
#include "place.h"
#include "../store/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int read_whole(int dirfd, const char *name, const struct stat *st, char **ret_data)
{
	if (st->st_size > STORE_WHOLE_MAX) {
		*ret_data = NULL;
		return 0;
	}
	char *data = malloc((size_t)st->st_size + 1);
	ssize_t size = -1;
	if (!data)
		return -ENOMEM;
	if (S_ISLNK(st->st_mode)) {
		size = readlinkat(dirfd, name, data, (size_t)st->st_size + 1);
	} else {
		int fd = openat(dirfd, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
		if (fd >= 0) {
			size = read(fd, data, (size_t)st->st_size + 1);
			close(fd);
		}
	}
	if (size != st->st_size) {
		free(data);
		return size < 0 ? -errno : -EAGAIN;
	}
	*ret_data = data;
	return 0;
}

int place_read(int dirfd, const char *name, struct place *ret_place)
{
	struct stat st;
	char *data = NULL;
	if (dirfd < 0 || fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW))
		return dirfd < 0 ? -ENOENT : -errno;
	if (!S_ISREG(st.st_mode) && !S_ISLNK(st.st_mode))
		return -EISDIR;
	int err = read_whole(dirfd, name, &st, &data);
	if (err)
		return err;
	*ret_place = (struct place){
		.link = S_ISLNK(st.st_mode),
		.data = data,
		.size = (size_t)st.st_size,
		.mtime = clock_join(&st.st_mtim),
	};
	return 0;
}

static int write_all(int fd, const char *data, size_t size)
{
	while (size) {
		ssize_t n = write(fd, data, size);
		if (n < 0 && errno != EINTR)
			return -errno;
		if (n > 0) {
			data += n;
			size -= (size_t)n;
		}
	}
	return 0;
}

static int set_attributes(int fd, const struct store_node *node, mode_t umask)
{
	const struct timespec mtime = clock_split(node->mtime), times[2] = {mtime, mtime};
	mode_t mode = node->mode >= 0 ? (mode_t)node->mode & 0777 : 0666 & ~umask;
	if (fchmod(fd, mode) || futimens(fd, times))
		return -errno;
	return 0;
}

static int write_temporary(
	int dirfd, const struct store_node *node, mode_t umask, const void *data, size_t size)
{
	unlinkat(dirfd, PLACE_TEMPORARY, 0);
	if (node->kind == STORE_LINK)
		return symlinkat(data, dirfd, PLACE_TEMPORARY) ? -errno : 0;
	int fd = openat(
		dirfd, PLACE_TEMPORARY, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return -errno;
	int err = write_all(fd, data, size);
	if (!err)
		err = set_attributes(fd, node, umask);
	if (close(fd) && !err)
		err = -errno;
	return err;
}

void place_tidy(int dirfd)
{
	unlinkat(dirfd, PLACE_TEMPORARY, 0);
}

int place_write(int dirfd, const char *name, const struct store_node *node, mode_t umask,
	const void *data, size_t size, int64_t *ret_mtime)
{
	struct stat st;
	int err = write_temporary(dirfd, node, umask, data, size);
	if (!err && fstatat(dirfd, PLACE_TEMPORARY, &st, AT_SYMLINK_NOFOLLOW))
		err = -errno;
	if (!err && renameat(dirfd, PLACE_TEMPORARY, dirfd, name))
		err = -errno;
	if (err)
		unlinkat(dirfd, PLACE_TEMPORARY, 0);
	else
		*ret_mtime = clock_join(&st.st_mtim);
	return err;
}

int place_open_parent(int top, const char *path, const char **ret_name)
{
	int fd = fcntl(top, F_DUPFD_CLOEXEC, 0);
	const char *slash;
	while (fd >= 0 && (slash = strchr(path, '/'))) {
		char name[256];
		size_t size = (size_t)(slash - path);
		if (!size || size >= sizeof(name) || (size == 2 && !strncmp(path, "..", 2))) {
			close(fd);
			return -EINVAL;
		}
		memcpy(name, path, size);
		name[size] = '\0';
		int below = openat(fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		int err = errno;
		close(fd);
		errno = err;
		fd = below;
		path = slash + 1;
	}
	if (fd < 0)
		return -errno;
	*ret_name = path;
	return fd;
}
