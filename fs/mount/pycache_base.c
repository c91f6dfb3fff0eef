/* SPDX-License-Identifier: MIT */
/*
 * pycache_base.c - where the bytecode cache is.
 *
 * It is private: a directory of mode 0700 that belongs to the daemon's user; one of somebody else's is not used. A mount
 * without a cache works, but no bytecode can be written in it.
 */
#include "pycache.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <syslog.h>
#include <unistd.h>

#include "beneath.h"

#define FILES_KEPT_FREE 32 /* a daemon with all its connections has 20 */

/* Where caches are, by the XDG base directory specification: relative paths are ignored. */
static int cache_home(char *path, size_t size)
{
	const char *xdg = getenv("XDG_CACHE_HOME");
	const char *home = getenv("HOME");
	const struct passwd *user;
	if (!home || *home != '/') {
		user = getpwuid(geteuid());
		home = user ? user->pw_dir : NULL;
	}
	int length = -1;
	if (xdg && *xdg == '/')
		length = snprintf(path, size, "%s", xdg);
	else if (home && *home == '/')
		length = snprintf(path, size, "%s/.cache", home);
	else
		return -ENOENT;
	return (size_t)length < size ? 0 : -ENAMETOOLONG;
}

/* Opens a directory that must be ours alone, makes it where there is none. */
static int open_private(int parent, const char *name, int *ret_fd)
{
	struct stat attr;
	if (mkdirat(parent, name, 0700) < 0 && errno != EEXIST)
		return -errno;
	int fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	int error = 0;
	if (fstat(fd, &attr) < 0)
		error = -errno;
	else if (attr.st_uid != geteuid())
		error = -EPERM;
	else if (attr.st_mode & 077 && fchmod(fd, 0700) < 0)
		error = -errno;
	if (error) {
		close(fd);
		return error;
	}
	*ret_fd = fd;
	return 0;
}

/* The database could name any path. */
static bool is_plain(const char *uuid)
{
	size_t length = strlen(uuid);
	return length > 0 && length <= 64 && strspn(uuid, "0123456789abcdefABCDEF-") == length;
}

/* Opens CACHE/pymodfs/STORE; path says how far it came. */
static int open_base(const char *uuid, char *path, size_t size, int *ret_fd)
{
	int home, top = -1, error = is_plain(uuid) ? cache_home(path, size) : -EINVAL;
	if (error)
		return error;
	if (mkdir(path, 0700) < 0 && errno != EEXIST)
		return -errno;
	home = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (home < 0)
		return -errno;
	strncat(path, "/pymodfs", size - strlen(path) - 1);
	error = open_private(home, "pymodfs", &top);
	close(home);
	if (error)
		return error;
	strncat(path, "/", size - strlen(path) - 1);
	strncat(path, uuid, size - strlen(path) - 1);
	error = open_private(top, uuid, ret_fd);
	close(top);
	return error;
}

static int first_kept_free(void)
{
	struct rlimit limit;
	if (getrlimit(RLIMIT_NOFILE, &limit) < 0 || limit.rlim_cur > INT_MAX)
		return INT_MAX;
	return (int)limit.rlim_cur - FILES_KEPT_FREE;
}

int pycache_check_file(const struct pycache *cache, int fd)
{
	if (fd < cache->files_end)
		return 0;
	mount_log(LOG_ERR, "too many files of __pycache__ are open at once: raise the limit "
			   "(ulimit -Hn; LimitNOFILE= of a unit)");
	return -ENFILE;
}

int pycache_create(struct mount *mount, struct pycache **ret_pycache)
{
	char path[PATH_MAX] = "";
	struct pycache *cache = calloc(1, sizeof(*cache));
	if (!cache)
		return -ENOMEM;
	pthread_mutex_init(&cache->lock, NULL);
	cache->keep_owners = mount->allow_other && geteuid() != 0;
	cache->mount = mount;
	cache->base = -1;
	cache->files_end = first_kept_free();
	int error = beneath_check();
	if (error)
		strcpy(path, "openat2() is refused here");
	else
		error = open_base(store_uuid(mount->store), path, sizeof(path), &cache->base);
	if (error)
		mount_log(LOG_WARNING, "no bytecode will be kept: %s: %s", path,
			error == -EPERM ? "belongs to another user" : strerror(-error));
	else
		pylink_init(cache, path);
	*ret_pycache = cache;
	return 0;
}

void pycache_destroy(struct pycache *cache)
{
	struct pynode *node, *next_node;
	if (!cache)
		return;
	pycache_sweep(cache, cache->mount->reader);
	HASH_CLEAR(by_key, cache->by_key);
	HASH_ITER (by_id, cache->by_id, node, next_node) {
		HASH_DELETE(by_id, cache->by_id, node);
		for (struct pyfile *file = node->files, *next; file; file = next) {
			next = file->next;
			close(file->fd);
			free(file);
		}
		if (node->held >= 0)
			close(node->held);
		free(node->key);
		free(node);
	}
	pycache_forget_scans(cache);
	pylink_finish(cache);
	if (cache->base >= 0)
		close(cache->base);
	pthread_mutex_destroy(&cache->lock);
	free(cache);
}

bool pycache_exists(struct mount *mount, int64_t dir)
{
	char name[24];
	snprintf(name, sizeof(name), "%lld", (long long)dir);
	return mount->pycache->base >= 0 &&
	       faccessat(mount->pycache->base, name, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}
