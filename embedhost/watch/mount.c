/* SPDX-License-Identifier: MIT */
/*
 * Following the feed of a mount.
 *
 * All lines of a generation come in reads without waiting, so that after a read of nothing the last
 * generation seen is whole, and at/GENERATION is what the lines tell of.
 */
#include "mount.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int feed_open(const char *dir)
{
	char path[PATH_MAX];
	int fd;

	if (snprintf(path, sizeof(path), "%s/.pymodfs/feed", dir) >= (int)sizeof(path))
		return -ENAMETOOLONG;
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	return fd < 0 ? -errno : fd;
}

static struct mount *mount_create(const char *dir, int fd)
{
	struct mount *mount = calloc(1, sizeof(*mount));

	if (!mount)
		return NULL;
	mount->fd = fd;
	mount->dir = strdup(dir);
	if (mount->dir)
		return mount;
	free(mount);
	return NULL;
}

struct mount *mount_find(const char *dir, int *ret_err)
{
	char path[PATH_MAX], *slash;
	struct mount *mount;
	int fd;

	*ret_err = -ENOENT;
	if (snprintf(path, sizeof(path), "%s", dir) >= (int)sizeof(path))
		return NULL;
	for (;;) {
		fd = feed_open(path);
		if (fd >= 0)
			break;
		slash = strrchr(path, '/');
		if (!slash || slash == path)
			return NULL;
		*slash = '\0';
	}
	mount = mount_create(path, fd);
	if (mount)
		return mount;
	close(fd);
	*ret_err = -ENOMEM;
	return NULL;
}

void mount_destroy(struct mount *mount)
{
	if (!mount)
		return;
	if (mount->fd >= 0)
		close(mount->fd);
	free(mount->dir);
	free(mount->number);
	free(mount->rest);
	free(mount);
}

int mount_reopen(struct mount *mount)
{
	int fd = feed_open(mount->dir);

	if (fd < 0)
		return fd;
	mount->fd = fd;
	mount->rest_size = 0;
	return 0;
}

int mount_after_fork(struct mount *mount)
{
	if (mount->fd >= 0)
		close(mount->fd);
	mount->fd = -1;
	return mount_reopen(mount);
}

bool mount_holds(const struct mount *mount, const char *path)
{
	size_t length = strlen(mount->dir);

	return strncmp(path, mount->dir, length) == 0 &&
	       (path[length] == '/' || path[length] == '\0');
}

/* Even of the same mount: what was published between two opens is in no stream of ours. */
static int take_now(struct mount *mount, const struct feed_line *line, bool *ret_sweep)
{
	char *number = strdup(line->version);

	if (!number)
		return -ENOMEM;
	if (mount->number)
		*ret_sweep = true;
	free(mount->number);
	mount->number = number;
	return 0;
}

static int take_line(struct mount *mount, char *text,
	int (*fn)(const struct watch_change *, void *), void *data, bool *ret_sweep)
{
	struct watch_change change;
	struct feed_line line;
	char path[PATH_MAX];

	if (feed_parse(text, &line) < 0) {
		*ret_sweep = true; /* whatever it says, something changed */
		return 0;
	}
	mount->generation = line.generation;
	if (line.kind == FEED_NOW)
		return take_now(mount, &line, ret_sweep);
	if (line.kind == FEED_OVERFLOW)
		*ret_sweep = true;
	if (line.kind != FEED_CHANGE || !feed_path(mount->dir, line.name, path, sizeof(path)))
		return 0;
	change.path = path;
	change.structure = line.structure;
	return fn(&change, data);
}

/* Whole lines leave the buffer. */
static int take_lines(struct mount *mount, int (*fn)(const struct watch_change *, void *),
	void *data, bool *ret_sweep)
{
	char *line = mount->rest, *end;
	size_t left = mount->rest_size;
	int result = 0;

	while (result >= 0 && left && (end = memchr(line, '\n', left))) {
		*end = '\0';
		left -= (size_t)(end + 1 - line);
		result = take_line(mount, line, fn, data, ret_sweep);
		line = end + 1;
	}
	memmove(mount->rest, line, left);
	mount->rest_size = left;
	return result < 0 ? result : 0;
}

static ssize_t read_more(struct mount *mount)
{
	char *grown = realloc(mount->rest, mount->rest_size + 65536);
	ssize_t got;

	if (!grown)
		return -ENOMEM;
	mount->rest = grown;
	got = read(mount->fd, mount->rest + mount->rest_size, 65536);
	if (got < 0)
		return errno == EAGAIN || errno == EINTR ? 0 : -errno;
	mount->rest_size += (size_t)got;
	return got;
}

int mount_read(struct mount *mount, int (*fn)(const struct watch_change *, void *), void *data,
	bool *ret_sweep)
{
	ssize_t got;
	int result = 0;

	do {
		got = read_more(mount);
		if (got > 0)
			result = take_lines(mount, fn, data, ret_sweep);
	} while (got > 0 && result == 0);
	if (result < 0 || got >= 0)
		return result;
	close(mount->fd);
	mount->fd = -1;
	return (int)got;
}
