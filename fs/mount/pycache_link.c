/* SPDX-License-Identifier: MIT */
/*
 * pycache_link.c - __pycache__ as a symbolic link.
 *
 * A directory of bytecode that has settled is shown as a link to the local directory, so that a warm import asks us nothing
 * at all. It has settled when it was there before the mount, or when nothing was written through the mount for a while: the
 * tests of CPython, and people, make a __pycache__, look into it and remove it again, which wants a real directory. It
 * stays a link until it is unlinked. With allow_other it is always a directory, because others can't reach ours.
 *
 * Young directories, those that have not settled, stand in a table with the time of their last change; cache->lock guards it. The
 * publisher's thread turns them into links.
 */
#include "../store/clock.h"
#include "pycache.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define SETTLE_TIME (10 * NANOSECONDS)
#define BATCH 64
#define LINK_MARK '@' /* begins the names of links' nodes; those of directories are numbers */

struct pyyoung {
	int64_t dir;
	int64_t written; /* CLOCK_MONOTONIC, ns */
	UT_hash_handle hh;
};

static struct pyyoung *find_young(struct pycache *cache, int64_t dir)
{
	struct pyyoung *young;
	HASH_FIND(hh, cache->young, &dir, sizeof(dir), young);
	return young;
}

void pylink_init(struct pycache *cache, const char *path)
{
	const char *mountpoint = cache->mount->mountpoint;
	size_t length = strlen(mountpoint);
	bool inside = !strncmp(path, mountpoint, length) && path[length] == '/';
	if (!cache->mount->allow_other && !inside)
		cache->link_base = strdup(path);
}

void pylink_finish(struct pycache *cache)
{
	struct pyyoung *young, *next;
	HASH_ITER (hh, cache->young, young, next) {
		HASH_DEL(cache->young, young);
		free(young);
	}
	free(cache->link_base);
}

void pylink_begin(struct pycache *cache, int64_t dir)
{
	struct pyyoung *young = find_young(cache, dir);
	if (!young) {
		young = calloc(1, sizeof(*young));
		if (!young)
			return;
		young->dir = dir;
		HASH_ADD(hh, cache->young, dir, sizeof(young->dir), young);
		if (!is_in_table(hh, young)) {
			free(young);
			return;
		}
	}
	young->written = clock_monotonic();
}

void pylink_end(struct pycache *cache, int64_t dir)
{
	struct pyyoung *young = find_young(cache, dir);
	if (young)
		HASH_DEL(cache->young, young);
	free(young);
}

void pylink_note_write(struct pycache *cache, const struct pynode *node)
{
	while (node->parent)
		node = node->parent;
	struct pyyoung *young = find_young(cache, strtoll(node->name, NULL, 10));
	if (young)
		young->written = clock_monotonic();
}

bool pylink_is_due(struct pycache *cache, int64_t dir)
{
	return cache->link_base && !find_young(cache, dir);
}

bool pylink_is_link(const struct pynode *node)
{
	return !node->parent && node->name[0] == LINK_MARK;
}

static int print_target(
	const struct pycache *cache, const struct pynode *node, char *target, size_t size)
{
	int length = snprintf(target, size, "%s/%s", cache->link_base, node->name + 1);
	return (size_t)length < size ? length : -ENAMETOOLONG;
}

int pylink_read(const struct pycache *cache, const struct pynode *node, char *target, size_t size)
{
	int length = print_target(cache, node, target, size);
	return length < 0 ? length : 0;
}

void pylink_get_attr(const struct pycache *cache, const struct pynode *node, struct stat *ret_attr)
{
	char target[PATH_MAX];
	*ret_attr = (struct stat){.st_mode = S_IFLNK | 0777, .st_nlink = 1};
	ret_attr->st_ino = ino_synthetic(pynode_ino(node));
	ret_attr->st_uid = cache->mount->uid;
	ret_attr->st_gid = cache->mount->gid;
	ret_attr->st_size = print_target(cache, node, target, sizeof(target));
}

int pylink_look_up(struct pycache *cache, int64_t dir, struct tree_entry *ret_entry)
{
	char name[24];
	snprintf(name, sizeof(name), "%c%lld", LINK_MARK, (long long)dir);
	struct pynode *node = pynode_look_up(cache, NULL, name);
	if (!node)
		return -ENOMEM;
	*ret_entry = (struct tree_entry){.ino = pynode_ino(node), .lasting = true};
	pylink_get_attr(cache, node, &ret_entry->attr);
	return 0;
}

/* ---- the publisher's part ---- */

int64_t pycache_next_settle(struct mount *mount)
{
	struct pycache *cache = mount->pycache;
	int64_t next = INT64_MAX;
	struct pyyoung *young, *following;
	pthread_mutex_lock(&cache->lock);
	if (cache->link_base)
		HASH_ITER (hh, cache->young, young, following)
			next = young->written < next ? young->written : next;
	pthread_mutex_unlock(&cache->lock);
	return next == INT64_MAX ? next : next + SETTLE_TIME;
}

/* Takes those whose time has come from the table; returns how many. */
static size_t take_settled(struct pycache *cache, int64_t dirs[BATCH])
{
	size_t count = 0;
	int64_t limit = clock_monotonic() - SETTLE_TIME;
	struct pyyoung *young, *next;
	pthread_mutex_lock(&cache->lock);
	HASH_ITER (hh, cache->young, young, next) {
		if (young->written > limit || count == BATCH)
			continue;
		dirs[count++] = young->dir;
		HASH_DEL(cache->young, young);
		free(young);
	}
	pthread_mutex_unlock(&cache->lock);
	return count;
}

void pycache_settle(struct mount *mount)
{
	int64_t dirs[BATCH];
	for (size_t count;
		mount->pycache->link_base && (count = take_settled(mount->pycache, dirs)) > 0;)
		for (size_t i = 0; i < count; i++)
			fuse_lowlevel_notify_inval_entry(mount->session, ino_make(INO_DIR, dirs[i]),
				"__pycache__", strlen("__pycache__"));
}
