/* SPDX-License-Identifier: MIT */
/*
 * control_node.c - the inodes of the control directory that the kernel knows.
 *
 * A version has one inode, whatever path led to it, so that its pages are cached once. What is below a generation never
 * changes; all the rest has the time of the last published generation as its mtime, which is how the kernel sees that a
 * listing that it has cached is out of date, and is asked for each time. But for `.pymodfs` and `at`, through which a host
 * reads every module of a batch: the first never gets another entry, the second is invalidated with each generation
 * (control_feed.c).
 */
#include "control.h"

#include "../store/clock.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FIRST_ID 16 /* of those that come and go */
#define KEY_SIZE (PATH_MAX + 48)

static const mode_t fixed_modes[] = {
	[CONTROL_ROOT] = S_IFDIR | 0555,
	[CONTROL_GENERATION] = S_IFREG | 0444,
	[CONTROL_FEED] = S_IFREG | 0444,
	[CONTROL_STATUS] = S_IFREG | 0444,
	[CONTROL_AT] = S_IFDIR | 0555,
	[CONTROL_HISTORY] = S_IFDIR | 0555,
};

uint64_t control_ino(const struct control_node *node)
{
	return ino_make(INO_CONTROL, node->id);
}

void control_init_nodes(struct control *control)
{
	for (int kind = CONTROL_ROOT; kind <= CONTROL_HISTORY; kind++) {
		struct control_node *node = &control->fixed[kind];
		*node = (struct control_node){.id = kind, .kind = kind, .path = ""};
		node->attr.st_mode = fixed_modes[kind];
		node->attr.st_nlink = S_ISDIR(fixed_modes[kind]) ? 2 : 1;
		node->attr.st_uid = control->mount->uid;
		node->attr.st_gid = control->mount->gid;
		node->attr.st_ino = ino_synthetic(control_ino(node));
	}
	control->last_id = FIRST_ID;
}

static void destroy_node(struct control *control, struct control_node *node)
{
	HASH_DELETE(by_id, control->by_id, node);
	HASH_DELETE(by_key, control->by_key, node);
	free(node->key);
	free(node);
}

void control_finish_nodes(struct control *control)
{
	struct control_node *node, *next;
	HASH_ITER (by_id, control->by_id, node, next)
		destroy_node(control, node);
}

struct control_node *control_find(struct control *control, uint64_t ino)
{
	assert(control);
	int64_t id = ino_get_id(ino);
	struct control_node *node;
	if (id >= CONTROL_ROOT && id <= CONTROL_HISTORY)
		return &control->fixed[id];
	HASH_FIND(by_id, control->by_id, &id, sizeof(id), node);
	return node;
}

struct control_node *control_look_up(struct control *control, enum control_kind kind,
	int64_t number, const char *path, const struct stat *attr)
{
	char key[KEY_SIZE];
	struct control_node *node;
	int head = snprintf(key, sizeof(key), "%d/%" PRId64 "/", kind, number);
	int length =
		head + snprintf(key + head, sizeof(key) - (size_t)head, "%s", path ? path : "");
	HASH_FIND(by_key, control->by_key, key, (unsigned)length, node);
	if (!node) {
		node = calloc(1, sizeof(*node));
		char *copy = strdup(key);
		if (!node || !copy) {
			free(node);
			free(copy);
			return NULL;
		}
		node->id = ++control->last_id;
		node->kind = kind;
		node->number = number;
		node->key = copy;
		node->path = copy + head;
		HASH_ADD(by_id, control->by_id, id, sizeof(node->id), node);
		if (is_in_table(by_id, node))
			HASH_ADD_KEYPTR(by_key, control->by_key, node->key, (unsigned)length, node);
		if (!is_in_table(by_id, node) || !is_in_table(by_key, node)) {
			if (is_in_table(by_id, node))
				HASH_DELETE(by_id, control->by_id, node);
			free(copy);
			free(node);
			return NULL;
		}
	}
	node->lookups++;
	node->attr = *attr;
	node->attr.st_ino = ino_synthetic(control_ino(node));
	return node;
}

static void forget(struct control *control, struct control_node *node, uint64_t n)
{
	node->lookups -= n < node->lookups ? n : node->lookups;
	if (node->lookups == 0)
		destroy_node(control, node);
}

void control_forget_multi(fuse_req_t req, size_t count, struct fuse_forget_data *forgets)
{
	struct mount *mount = fuse_req_userdata(req);
	for (size_t i = 0; i < count; i++) {
		struct control_node *node = control_find(mount->control, forgets[i].ino);
		if (node && node->kind > CONTROL_HISTORY)
			forget(mount->control, node, forgets[i].nlookup);
	}
}

void control_get_attr(struct control *control, const struct control_node *node,
	struct stat *ret_attr, bool *ret_lasting)
{
	*ret_attr = node->attr;
	bool fixed = node->kind == CONTROL_VERSION || node->kind == CONTROL_AT_DIR ||
		     node->kind == CONTROL_CHANGED;
	*ret_lasting = fixed || node->kind == CONTROL_ROOT || node->kind == CONTROL_AT;
	if (node->kind == CONTROL_AT)
		atomic_store(&control->at_known, true);
	if (fixed)
		return;
	ret_attr->st_atim = ret_attr->st_mtim = ret_attr->st_ctim =
		clock_split(atomic_load(&control->changed));
}

bool control_parse_number(const char *text, int64_t *ret_number)
{
	size_t length = strspn(text, "0123456789");
	if (length == 0 || length > 18 || text[length] || (text[0] == '0' && length > 1))
		return false;
	*ret_number = strtoll(text, NULL, 10);
	return true;
}

int control_join(char *buffer, const char *path, const char *name)
{
	int length = snprintf(buffer, PATH_MAX, "%s%s%s", path, *path ? "/" : "", name);
	return length < PATH_MAX ? 0 : -ENAMETOOLONG;
}

/* Without attributes of its own, has the store still got it? */
static bool is_deleted(struct mount *mount, const struct store_node *node)
{
	struct store_node now;
	if (node->mode >= 0 || node->uid >= 0)
		return false;
	return store_get_node(mount->reader, node->id, &now) < 0;
}

void control_stat_node(struct mount *mount, const struct store_node *node, struct stat *ret_attr)
{
	tree_stat_node(mount->tree, node, ret_attr);
	ret_attr->st_mode &= S_IFMT | 0555;
	if (is_deleted(mount, node)) {
		ret_attr->st_uid = mount->uid;
		ret_attr->st_gid = mount->gid;
		ret_attr->st_mode &= S_IFMT | 0500;
	}
}
