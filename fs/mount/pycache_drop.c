/* SPDX-License-Identifier: MIT */
/*
 * pycache_drop.c - how bytecode that is stale, or of nothing, goes from the cache.
 *
 * A changed module's files are found without reading the directory, by the endings that Python's versions and optimization
 * levels give them: those seen in requests, and those found by reading a directory when it has changed.
 *
 * pycache_drop_module() is the publisher's: it removes the files and detaches their nodes under the lock, then tells the
 * kernel without it. A look-up that came before the removal has been answered, or is answered before the kernel takes the
 * notice, because both hold the directory's lock in the kernel; one that comes after finds nothing.
 *
 * A deleted module's files stay, as they do on a local disk, until its name is used again, its directory goes, or the mount
 * ends: then all is removed that no module is there for any more.
 */
#include "pycache.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define TREE_DEPTH 16 /* directories below __pycache__ that are removed with it */

struct pydir {
	int64_t id;
	struct timespec
		mtime; /* when it was scanned: who goes by a link to it isn't seen otherwise */
	UT_hash_handle hh;
};

static void dir_name(char name[24], int64_t dir)
{
	snprintf(name, 24, "%lld", (long long)dir);
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

static struct pydir *find_scanned(struct pycache *cache, int64_t id)
{
	struct pydir *dir;
	HASH_FIND(hh, cache->scanned, &id, sizeof(id), dir);
	if (dir)
		return dir;
	dir = calloc(1, sizeof(*dir));
	if (!dir)
		return NULL;
	dir->id = id;
	HASH_ADD(hh, cache->scanned, id, sizeof(dir->id), dir);
	if (is_in_table(hh, dir))
		return dir;
	free(dir);
	return NULL;
}

/* Learns from what others have left in the directory. */
static void scan(struct pycache *cache, const struct pydir *dir, int fd)
{
	struct stat attr;
	DIR *listing;
	if (fstat(fd, &attr) == 0 && !memcmp(&dir->mtime, &attr.st_mtim, sizeof(attr.st_mtim)))
		return;
	listing = open_listing(fd);
	if (!listing)
		return;
	for (const struct dirent *entry; (entry = readdir(listing));)
		pycache_learn(cache, entry->d_name);
	closedir(listing);
}

static void note_scanned(struct pydir *dir, int fd)
{
	struct stat attr;
	if (fstat(fd, &attr) == 0)
		dir->mtime = attr.st_mtim;
}

void pycache_forget_scans(struct pycache *cache)
{
	struct pydir *dir, *next;
	HASH_ITER (hh, cache->scanned, dir, next) {
		HASH_DEL(cache->scanned, dir);
		free(dir);
	}
}

/* ---- stale files ---- */

/* What the kernel is to be told. */
struct dropped {
	bool only_look; /* nothing is removed, only counted */
	uint64_t parent;
	char names[SUFFIXES_MAX][STORE_NAME_MAX + 1];
	unsigned count;
};

/*
 * Whoever compiles with a hash of the source in the file decides about its validity himself (PEP 552: bit 0 of the second
 * word says so): such a file stays.
 */
static bool is_by_hash(int fd, const char *name)
{
	unsigned char head[8];
	int file = openat(fd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	if (file < 0)
		return false;
	bool is = pread(file, head, sizeof(head), 0) == sizeof(head) && head[4] & 1;
	close(file);
	return is;
}

static void drop_name(struct pycache *cache, struct pynode *root, int fd, const char *name,
	struct dropped *dropped)
{
	if (is_by_hash(fd, name))
		return;
	struct pynode *node = root ? pynode_find_name(cache, root, name) : NULL;
	if (dropped->only_look) {
		dropped->count += node || faccessat(fd, name, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
		return;
	}
	if (node)
		pynode_hold(node, fd);
	bool removed = unlinkat(fd, name, 0) == 0;
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
	struct pydir *scanned = find_scanned(cache, dir);
	if (scanned)
		scan(cache, scanned, fd);
	drop_known(cache, root, fd, stem, length, dropped);
	if (cache->suffixes_full || !scanned)
		drop_listed(cache, root, fd, stem, length, dropped);
	if (scanned)
		note_scanned(scanned, fd);
	close(fd);
}

static void drop_module(
	struct mount *mount, int64_t dir, const char *file_name, struct dropped *dropped)
{
	struct pycache *cache = mount->pycache;
	size_t length = strlen(file_name);
	if (cache->base < 0 || length <= 3 || strcmp(file_name + length - 3, ".py"))
		return;
	pthread_mutex_lock(&cache->lock);
	drop(cache, dir, file_name, length - 3, dropped);
	pthread_mutex_unlock(&cache->lock);
}

bool pycache_has_module(struct mount *mount, int64_t dir, const char *file_name)
{
	struct dropped dropped = {.only_look = true};
	drop_module(mount, dir, file_name, &dropped);
	return dropped.count > 0;
}

void pycache_drop_module(struct mount *mount, int64_t dir, const char *file_name)
{
	struct dropped dropped = {.count = 0};
	drop_module(mount, dir, file_name, &dropped);
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
		remove_tree(fd, TREE_DEPTH);
		close(fd);
		unlinkat(cache->base, name, AT_REMOVEDIR);
	}
	struct pynode *root = pynode_find_name(cache, NULL, name);
	if (root)
		pynode_detach(cache, root);
	pylink_end(cache, dir);
	pthread_mutex_unlock(&cache->lock);
}

/* ---- at the end of a mount ---- */

/* Is there no module any more of which this is the bytecode? */
static bool is_orphan(struct store_reader *reader, int64_t dir, const char *name)
{
	char file[STORE_NAME_MAX + 4];
	struct store_node node;
	const char *suffix = find_suffix(name);
	if (!suffix)
		return false;
	snprintf(file, sizeof(file), "%.*s.py", (int)(suffix - name), name);
	return store_lookup(reader, dir, file, &node) == -ENOENT;
}

static void sweep_dir(struct store_reader *reader, int64_t dir, int fd)
{
	DIR *listing = open_listing(fd);
	if (!listing)
		return;
	for (const struct dirent *entry; (entry = readdir(listing));)
		if (is_orphan(reader, dir, entry->d_name))
			unlinkat(fd, entry->d_name, 0);
	closedir(listing);
}

static void sweep_name(const struct pycache *cache, struct store_reader *reader, const char *name)
{
	struct store_node node;
	char *end;
	int64_t dir = strtoll(name, &end, 10);
	if (*end || end == name)
		return;
	int error = store_get_node(reader, dir, &node);
	if (error && error != -ESTALE)
		return;
	int fd = openat(cache->base, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return;
	if (error)
		remove_tree(fd, TREE_DEPTH);
	else
		sweep_dir(reader, dir, fd);
	close(fd);
	if (error)
		unlinkat(cache->base, name, AT_REMOVEDIR);
}

void pycache_sweep(struct pycache *cache, struct store_reader *reader)
{
	DIR *listing = cache->base >= 0 ? open_listing(cache->base) : NULL;
	if (!listing || store_reader_begin(reader) < 0)
		goto close_listing;
	for (const struct dirent *entry; (entry = readdir(listing));)
		sweep_name(cache, reader, entry->d_name);
	store_reader_end(reader);
close_listing:
	if (listing)
		closedir(listing);
}
