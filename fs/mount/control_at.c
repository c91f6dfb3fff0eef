/* SPDX-License-Identifier: MIT */
/*
 * control_at.c - at/GENERATION/...: the tree as it was.
 *
 * A directory here is the newest change of its generation and a path; the store reads back through its feed.
 */
#include "control.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>

/* at/GENERATION itself. */
static int look_up_generation(
	struct control *control, const char *name, struct control_node **ret_node)
{
	int64_t generation, change;
	struct store_node root;
	struct stat attr;
	if (!control_parse_number(name, &generation))
		return -ENOENT;
	int error = feed_find_generation(control->mount->feed, generation, &change);
	if (!error)
		error = store_get_node(control->mount->reader, STORE_ROOT, &root);
	if (error)
		return error;
	control_stat_node(control->mount, &root, &attr);
	*ret_node = control_look_up(control, CONTROL_AT_DIR, change, "", &attr);
	return *ret_node ? 0 : -ENOMEM;
}

int control_at_look_up(struct control *control, const struct control_node *dir, const char *name,
	struct control_node **ret_node)
{
	char path[PATH_MAX];
	struct store_node node;
	struct stat attr;
	if (dir->kind == CONTROL_AT)
		return look_up_generation(control, name, ret_node);
	int error = control_join(path, dir->path, name);
	if (!error)
		error = store_at_lookup(control->mount->reader, dir->number, path, &node);
	if (error)
		return error;
	control_stat_node(control->mount, &node, &attr);
	if (node.kind == STORE_DIR)
		*ret_node = control_look_up(control, CONTROL_AT_DIR, dir->number, path, &attr);
	else
		*ret_node = control_look_up(control, CONTROL_VERSION, node.version, NULL, &attr);
	return *ret_node ? 0 : -ENOMEM;
}

/* The generations that can be looked at, newest first. */
static int list_generations(struct control *control, struct control_listing *listing)
{
	int error = 0;
	int64_t change;
	struct feed *feed = control->mount->feed;
	for (int64_t g = feed_generation(feed); !error && !feed_find_generation(feed, g, &change);
		g--) {
		char name[24];
		snprintf(name, sizeof(name), "%" PRId64, g);
		error = control_listing_add(listing, name, S_IFDIR);
	}
	return error;
}

static int add_entry(void *arg, const struct store_entry *entry)
{
	mode_t type = S_IFREG;
	if (entry->node.kind == STORE_DIR)
		type = S_IFDIR;
	else if (entry->node.kind == STORE_LINK)
		type = S_IFLNK;
	return control_listing_add(arg, entry->name, type);
}

int control_at_list(
	struct control *control, const struct control_node *dir, struct control_listing *listing)
{
	if (dir->kind == CONTROL_AT)
		return list_generations(control, listing);
	return store_at_list(control->mount->reader, dir->number, dir->path, add_entry, listing);
}
