/* SPDX-License-Identifier: MIT */
/*
 * pycache_drop.c - where the bytecode cache is, and how what is stale goes from it.
 *
 * The cache is private: a directory of mode 0700 that belongs to the daemon's user; one of somebody else's is not used. A mount
 * without a cache works, but no bytecode can be written in it.
 *
 * A changed module's files are found without reading the directory, by the endings that Python's versions and optimization levels give
 * them: those seen in requests, and those found by reading a directory once.
 *
 * pycache_drop_module() is the publisher's: it removes the files and detaches their nodes under the lock, then tells the kernel without it.
 * A look-up that came before the removal has been answered, or is answered before the kernel takes the notice,
 * because both hold the directory's lock in the kernel; one that comes after finds nothing.
 */
#include "pycache.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <syslog.h>
#include <unistd.h>

struct pydir {
	int64_t id;
	UT_hash_handle hh;
};

/* ---- the directory on the local disk ---- */

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
	int home, top, error = is_plain(uuid) ? cache_home(path, size) : -EINVAL;
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

int pycache_create(struct mount *mount, struct pycache **ret_pycache)
{
	char path[PATH_MAX] = "";
	struct pycache *cache = calloc(1, sizeof(*cache));
	if (!cache)
		return -ENOMEM;
	pthread_mutex_init(&cache->lock, NULL);
	cache->keep_owners = mount->allow_other && geteuid() != 0;
	cache->base = -1;
	int error = open_base(store_uuid(mount->store), path, sizeof(path), &cache->base);
	if (error)
		mount_log(LOG_WARNING, "no bytecode will be kept: %s: %s", path,
			error == -EPERM ? "belongs to another user" : strerror(-error));
	*ret_pycache = cache;
	return 0;
}

void pycache_destroy(struct pycache *cache)
{
	struct pynode *node, *next_node;
	struct pydir *dir, *next_dir;
	if (!cache)
		return;
	HASH_CLEAR(by_key, cache->by_key);
	HASH_ITER (by_id, cache->by_id, node, next_node) {
		HASH_DELETE(by_id, cache->by_id, node);
		for (struct pyfile *file = node->files, *next; file; file = next) {
			next = file->next;
			close(file->fd);
			free(file);
		}
		free(node->key);
		free(node);
	}
	HASH_ITER (hh, cache->scanned, dir, next_dir) {
		HASH_DEL(cache->scanned, dir);
		free(dir);
	}
	if (cache->base >= 0)
		close(cache->base);
	pthread_mutex_destroy(&cache->lock);
	free(cache);
}

static void dir_name(char name[24], int64_t dir)
{
	snprintf(name, 24, "%lld", (long long)dir);
}

bool pycache_exists(struct mount *mount, int64_t dir)
{
	char name[24];
	dir_name(name, dir);
	return mount->pycache->base >= 0 &&
	       faccessat(mount->pycache->base, name, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

/* ---- endings of names ---- */

/* What follows the module's name in the name of its .pyc file: `.cpython-311.opt-1.pyc`; NULL: it is none. */
static const char *find_suffix(const char *name)
{
	const char *suffix = strchr(name, '.');
	size_t length = suffix ? strlen(suffix) : 0;
	bool is = length >= 4 && length < SUFFIX_SIZE && !strcmp(suffix + length - 4, ".pyc");
	return is ? suffix : NULL;
}

void pycache_learn(struct pycache *cache, const char *name)
{
	const char *suffix = find_suffix(name);
	if (!suffix)
		return;
	for (unsigned i = 0; i < cache->suffix_count; i++)
		if (!strcmp(cache->suffixes[i], suffix))
			return;
	if (cache->suffix_count == SUFFIXES_MAX)
		cache->suffixes_full = true;
	else
		strcpy(cache->suffixes[cache->suffix_count++], suffix);
}

static DIR *open_listing(int fd)
{
	int copy = openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *listing = copy >= 0 ? fdopendir(copy) : NULL;
	if (!listing && copy >= 0)
		close(copy);
	return listing;
}

/* Learns from what an earlier mount left in the directory. */
static void scan(struct pycache *cache, int64_t id, int fd)
{
	struct pydir *dir;
	HASH_FIND(hh, cache->scanned, &id, sizeof(id), dir);
	if (dir)
		return;
	DIR *listing = open_listing(fd);
	if (!listing)
		return;
	for (const struct dirent *entry; (entry = readdir(listing));)
		pycache_learn(cache, entry->d_name);
	closedir(listing);
	dir = calloc(1, sizeof(*dir));
	if (!dir)
		return;
	dir->id = id;
	HASH_ADD(hh, cache->scanned, id, sizeof(dir->id), dir);
}

/* ---- stale files ---- */

/* What the kernel is to be told. */
struct dropped {
	uint64_t parent;
	char names[SUFFIXES_MAX][STORE_NAME_MAX + 1];
	unsigned count;
};

static void drop_name(struct pycache *cache, struct pynode *root, int fd, const char *name,
	struct dropped *dropped)
{
	bool removed = unlinkat(fd, name, 0) == 0;
	struct pynode *node = root ? pynode_find_name(cache, root, name) : NULL;
	if (node)
		pynode_detach(cache, node);
	if ((removed || node) && root && dropped->count < SUFFIXES_MAX)
		strcpy(dropped->names[dropped->count++], name);
}

static void drop_known(struct pycache *cache, struct pynode *root, int fd, const char *stem,
	size_t length, struct dropped *dropped)
{
	char name[STORE_NAME_MAX + 1];
	for (unsigned i = 0; i < cache->suffix_count; i++) {
		int size = snprintf(
			name, sizeof(name), "%.*s%s", (int)length, stem, cache->suffixes[i]);
		if ((size_t)size < sizeof(name))
			drop_name(cache, root, fd, name, dropped);
	}
}

/* There are more endings than are remembered: looks at all that is there. */
static void drop_listed(struct pycache *cache, struct pynode *root, int fd, const char *stem,
	size_t length, struct dropped *dropped)
{
	DIR *listing = open_listing(fd);
	if (!listing)
		return;
	for (const struct dirent *entry; (entry = readdir(listing));) {
		const char *suffix = find_suffix(entry->d_name);
		if (suffix == entry->d_name + length && !strncmp(entry->d_name, stem, length))
			drop_name(cache, root, fd, entry->d_name, dropped);
	}
	closedir(listing);
}

static void drop(struct pycache *cache, int64_t dir, const char *stem, size_t length,
	struct dropped *dropped)
{
	char name[24];
	dir_name(name, dir);
	int fd = openat(cache->base, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return;
	struct pynode *root = pynode_find_name(cache, NULL, name);
	dropped->parent = root ? pynode_ino(root) : 0;
	scan(cache, dir, fd);
	drop_known(cache, root, fd, stem, length, dropped);
	if (cache->suffixes_full)
		drop_listed(cache, root, fd, stem, length, dropped);
	close(fd);
}

void pycache_drop_module(struct mount *mount, int64_t dir, const char *file_name)
{
	struct pycache *cache = mount->pycache;
	struct dropped dropped = {.count = 0};
	size_t length = strlen(file_name);
	if (cache->base < 0 || length <= 3 || strcmp(file_name + length - 3, ".py"))
		return;
	pthread_mutex_lock(&cache->lock);
	drop(cache, dir, file_name, length - 3, &dropped);
	pthread_mutex_unlock(&cache->lock);
	for (unsigned i = 0; i < dropped.count; i++)
		fuse_lowlevel_notify_inval_entry(
			mount->session, dropped.parent, dropped.names[i], strlen(dropped.names[i]));
}

/* Removes all in directory fd, at most depth directories below each other. */
static void remove_tree(int fd, int depth)
{
	DIR *listing = open_listing(fd);
	if (!listing)
		return;
	for (const struct dirent *entry; (entry = readdir(listing));) {
		const char *name = entry->d_name;
		if (!strcmp(name, ".") || !strcmp(name, "..") || unlinkat(fd, name, 0) == 0)
			continue;
		int below = openat(fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		if (below < 0)
			continue;
		if (depth > 0)
			remove_tree(below, depth - 1);
		close(below);
		unlinkat(fd, name, AT_REMOVEDIR);
	}
	closedir(listing);
}

void pycache_drop_dir(struct mount *mount, int64_t dir)
{
	char name[24];
	struct pycache *cache = mount->pycache;
	if (cache->base < 0)
		return;
	dir_name(name, dir);
	pthread_mutex_lock(&cache->lock);
	int fd = openat(cache->base, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd >= 0) {
		remove_tree(fd, 16);
		close(fd);
		unlinkat(cache->base, name, AT_REMOVEDIR);
	}
	struct pynode *root = pynode_find_name(cache, NULL, name);
	if (root)
		pynode_detach(cache, root);
	pthread_mutex_unlock(&cache->lock);
}
