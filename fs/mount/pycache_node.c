/* SPDX-License-Identifier: MIT */
/*
 * pycache_node.c - the inodes of the bytecode cache that the kernel knows.
 *
 * A node is found by its number or by its parent's number and its name; the path on the local disk is made of the names up
 * to the root when it is needed. A node whose name was removed or given to another file is `gone`: it isn't found by name
 * any more and only its open files are of use, and what was held for who has just looked it up and is about to open it. So
 * a number that the kernel knows never comes to mean another file, and what the kernel has cached of it stays right.
 *
 * Children and open files hold references, thus a parent outlives its children. All functions want the cache's lock.
 */
#include "pycache.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "beneath.h"

#define KEY_SIZE (STORE_NAME_MAX + 24)

uint64_t pynode_ino(const struct pynode *node)
{
	return ino_make(INO_PYCACHE, node->id);
}

struct pynode *pynode_find(struct pycache *cache, uint64_t ino)
{
	int64_t id = ino_get_id(ino);
	struct pynode *node;
	HASH_FIND(by_id, cache->by_id, &id, sizeof(id), node);
	return node;
}

/* Returns the length of the key, or -1 for a name that is too long. */
static int make_key(char *key, const struct pynode *parent, const char *name)
{
	int length = snprintf(key, KEY_SIZE, "%lld/%s", parent ? (long long)parent->id : 0LL, name);
	return length < KEY_SIZE ? length : -1;
}

struct pynode *pynode_find_name(
	struct pycache *cache, const struct pynode *parent, const char *name)
{
	char key[KEY_SIZE];
	int length = make_key(key, parent, name);
	struct pynode *node = NULL;
	if (length > 0)
		HASH_FIND(by_key, cache->by_key, key, (unsigned)length, node);
	return node;
}

static int set_key(struct pycache *cache, struct pynode *node, const char *name)
{
	char key[KEY_SIZE];
	int length = make_key(key, node->parent, name);
	if (length < 0)
		return -ENAMETOOLONG;
	char *copy = strdup(key);
	if (!copy)
		return -ENOMEM;
	node->key = copy;
	node->name = strchr(copy, '/') + 1;
	HASH_ADD_KEYPTR(by_key, cache->by_key, node->key, (unsigned)length, node);
	if (is_in_table(by_key, node))
		return 0;
	free(copy);
	return -ENOMEM;
}

static struct pynode *node_create(struct pycache *cache, struct pynode *parent, const char *name)
{
	struct pynode *node = calloc(1, sizeof(*node));
	if (!node)
		return NULL;
	node->id = ++cache->last_id;
	node->held = -1;
	node->parent = parent;
	if (set_key(cache, node, name) < 0) {
		free(node);
		return NULL;
	}
	HASH_ADD(by_id, cache->by_id, id, sizeof(node->id), node);
	if (!is_in_table(by_id, node)) {
		HASH_DELETE(by_key, cache->by_key, node);
		free(node->key);
		free(node);
		return NULL;
	}
	if (parent)
		parent->refs++;
	return node;
}

struct pynode *pynode_look_up(struct pycache *cache, struct pynode *parent, const char *name)
{
	struct pynode *node = pynode_find_name(cache, parent, name);
	if (!node)
		node = node_create(cache, parent, name);
	if (node)
		node->lookups++;
	return node;
}

void pynode_detach(struct pycache *cache, struct pynode *node)
{
	if (node->gone)
		return;
	HASH_DELETE(by_key, cache->by_key, node);
	node->gone = true;
}

/* Frees the node if nothing needs it, and then perhaps its parent. */
static void release(struct pycache *cache, struct pynode *node)
{
	while (node && node->lookups == 0 && node->refs == 0) {
		struct pynode *parent = node->parent;
		pynode_detach(cache, node);
		/* A node in a table is reached from its head: uthash's own tables are not taken for whole. */
		/* NOLINTNEXTLINE(clang-analyzer-core.NullDereference) */
		HASH_DELETE(by_id, cache->by_id, node);
		if (node->held >= 0)
			close(node->held);
		free(node->key);
		free(node);
		if (parent)
			parent->refs--;
		node = parent;
	}
}

void pynode_forget(struct pycache *cache, struct pynode *node, uint64_t n)
{
	node->lookups -= n < node->lookups ? n : node->lookups;
	release(cache, node);
}

void pynode_unref(struct pycache *cache, struct pynode *node)
{
	node->refs--;
	release(cache, node);
}

static int rekey(
	struct pycache *cache, struct pynode *node, struct pynode *parent, const char *name)
{
	char *old_key = node->key;
	struct pynode *old_parent = node->parent;
	HASH_DELETE(by_key, cache->by_key, node);
	node->parent = parent;
	int error = set_key(cache, node, name);
	if (error) {
		node->parent = old_parent;
		node->gone = true;
		return error;
	}
	free(old_key);
	parent->refs++;
	pynode_unref(cache, old_parent);
	return 0;
}

int pynode_move(struct pycache *cache, struct pynode *node, struct pynode *parent, const char *name)
{
	struct pynode *target = pynode_find_name(cache, parent, name);
	if (target && target != node)
		pynode_detach(cache, target);
	return rekey(cache, node, parent, name);
}

int pynode_exchange(struct pycache *cache, struct pynode *a, struct pynode *b)
{
	struct pynode *a_parent = a->parent;
	char name[STORE_NAME_MAX + 1];
	snprintf(name, sizeof(name), "%s", a->name);
	a_parent->refs++;
	int error = rekey(cache, a, b->parent, b->name);
	if (!error)
		error = rekey(cache, b, a_parent, name);
	pynode_unref(cache, a_parent);
	return error;
}

/* Writes the path below the base in front of end; returns its beginning, or NULL. */
static char *prepend_path(char *begin, char *end, const struct pynode *node)
{
	*--end = '\0';
	for (const struct pynode *n = node; n; n = n->parent) {
		size_t length = strlen(n->name);
		if (n->gone || (size_t)(end - begin) < length + 1)
			return NULL;
		if (n != node)
			*--end = '/';
		end -= length;
		memcpy(end, n->name, length);
	}
	return end;
}

int pynode_open_dir(struct pycache *cache, struct pynode *node, int flags, int *ret_fd)
{
	char buffer[PATH_MAX];
	const char *path = node ? prepend_path(buffer, buffer + sizeof(buffer), node) : ".";
	if (cache->base < 0)
		return -EROFS;
	if (!path)
		return -ESTALE;
	int fd = beneath_open(cache->base, path, flags | O_DIRECTORY, RESOLVE_NO_MAGICLINKS);
	if (fd >= 0) {
		*ret_fd = fd;
		return 0;
	}
	/* Somebody else has removed it (another mount of the same database). */
	return fd == -ENOENT || fd == -ENOTDIR || fd == -ELOOP ? -ESTALE : fd;
}

int pynode_open_parent(struct pycache *cache, struct pynode *node, int *ret_fd)
{
	return node->gone ? -ESTALE : pynode_open_dir(cache, node->parent, O_PATH, ret_fd);
}

void pynode_hold(const struct pycache *cache, struct pynode *node, int fd)
{
	if (node->gone || node->held >= 0)
		return;
	node->held = openat(fd, node->name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	if (node->held >= 0 && pycache_check_file(cache, node->held) < 0) {
		close(node->held);
		node->held = -1;
	}
}

/* Opens what is there only as a descriptor (O_PATH) anew. */
static int reopen(int held, int flags, int *ret_fd)
{
	char path[40];
	snprintf(path, sizeof(path), "/proc/self/fd/%d", held);
	int fd = open(path, flags | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	*ret_fd = fd;
	return 0;
}

int pynode_open(struct pycache *cache, struct pynode *node, int flags, int *ret_fd)
{
	int parent = -1, fd;
	if (node->gone)
		return node->held >= 0 ? reopen(node->held, flags, ret_fd) : -ESTALE;
	int error = pynode_open_parent(cache, node, &parent);
	if (error)
		return error;
	fd = openat(parent, node->name, flags | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	error = fd < 0 ? -errno : 0;
	close(parent);
	if (error)
		return error == -ENOENT ? -ESTALE : error;
	*ret_fd = fd;
	return 0;
}
