/* SPDX-License-Identifier: MIT */
/*
 * pycache_drop.c - how bytecode that is stale, or of nothing, goes from the cache.
 *
 * A changed module's files are found without reading the directory, by the endings that Python's versions and optimization
 * levels give them: those seen in requests, and those found by reading a directory when it has changed.
 *
 * pycache_drop_stale() is the publisher's: it removes the files and detaches their nodes under the lock, then tells the
 * kernel without it. A look-up that came before the removal has been answered, or is answered before the kernel takes the
 * notice, because both hold the directory's lock in the kernel; one that comes after finds nothing.
 *
 * What an import has already written of the version that is current stays: the change may be seen, and imported, before it is
 * published. By the time and size in the file it is told from what it replaces; under the lock, then, the store is read.
 *
 * A deleted module's files stay, as they do on a local disk, until its name is used again, its directory goes, or the mount
 * ends: then all is removed that no module is there for any more.
 */
#include "../store/clock.h"
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

/* What the store says of a changed module, asked when there is bytecode to be judged by it. */
struct judge {
	struct store_reader *reader;
	const struct store_change *change;
	struct store_node node; /* as it is now */
	bool asked, known;
	bool told, unique; /* no other version that its name led to has its time and size */
};

/* What the kernel is to be told. */
struct dropped {
	struct judge judge;
	bool only_look; /* nothing is removed, only counted */
	uint64_t parent;
	char names[SUFFIXES_MAX][STORE_NAME_MAX + 1];
	unsigned count;
};

/* As CPython writes them into the file: whole seconds, and both cut to 32 bits. */
static uint32_t mtime_word(int64_t mtime)
{
	return (uint32_t)clock_split(mtime).tv_sec;
}

static int find_like(void *arg, const struct store_version *version)
{
	const struct store_node *node = arg;
	return version->id != node->version &&
	       mtime_word(version->mtime) == mtime_word(node->mtime) &&
	       (uint32_t)version->size == (uint32_t)node->size;
}

static bool is_unique(struct judge *judge)
{
	if (!judge->told)
		judge->unique = store_history(judge->reader, judge->change->path, find_like,
					&judge->node) == 0;
	judge->told = true;
	return judge->unique;
}

/*
 * Is it of the version that is current? Who imported it before the change was published has written it already. Time and
 * size say so, but where a time was set by hand they may be an earlier version's too.
 */
static bool is_current(struct judge *judge, uint32_t mtime, uint32_t size)
{
	if (!judge->asked)
		judge->known =
			store_get_node(judge->reader, judge->change->node, &judge->node) == 0;
	judge->asked = true;
	return judge->known && mtime == mtime_word(judge->node.mtime) &&
	       size == (uint32_t)judge->node.size && is_unique(judge);
}

static uint32_t word_at(const unsigned char *bytes)
{
	return bytes[0] | (uint32_t)bytes[1] << 8 | (uint32_t)bytes[2] << 16 |
	       (uint32_t)bytes[3] << 24;
}

/*
 * Is the file to stay? One with a hash of the source in it has its validity decided by who compiled it so (PEP 552: bit 0 of the
 * second word); the third and fourth word of others are the source's time and size.
 */
static bool is_valid(struct judge *judge, int fd, const char *name)
{
	unsigned char head[16];
	int file = openat(fd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	if (file < 0)
		return false;
	bool whole = pread(file, head, sizeof(head), 0) == sizeof(head);
	close(file);
	return whole && (head[4] & 1 || is_current(judge, word_at(head + 8), word_at(head + 12)));
}

static void drop_name(struct pycache *cache, struct pynode *root, int fd, const char *name,
	struct dropped *dropped)
{
	if (is_valid(&dropped->judge, fd, name))
		return;
	struct pynode *node = root ? pynode_find_name(cache, root, name) : NULL;
	if (dropped->only_look) {
		dropped->count += node || faccessat(fd, name, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
		return;
	}
	if (node)
		pynode_hold(cache, node, fd);
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

static void drop_module(struct mount *mount, struct dropped *dropped)
{
	struct pycache *cache = mount->pycache;
	const struct store_change *change = dropped->judge.change;
	size_t length = strlen(change->name);
	if (cache->base < 0 || length <= 3 || strcmp(change->name + length - 3, ".py"))
		return;
	pthread_mutex_lock(&cache->lock);
	drop(cache, change->parent, change->name, length - 3, dropped);
	pthread_mutex_unlock(&cache->lock);
}

bool pycache_has_stale(
	struct mount *mount, struct store_reader *reader, const struct store_change *change)
{
	struct dropped dropped = {.judge = {.reader = reader, .change = change}, .only_look = true};
	drop_module(mount, &dropped);
	return dropped.count > 0;
}

void pycache_drop_stale(
	struct mount *mount, struct store_reader *reader, const struct store_change *change)
{
	struct dropped dropped = {.judge = {.reader = reader, .change = change}};
	drop_module(mount, &dropped);
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
