/* SPDX-License-Identifier: MIT */
/*
 * control_at.c - at/GENERATION/...: the tree as it was.
 *
 * A directory here is a generation, which is a change, and a path; the store reads back through its feed. Those that this mount
 * published are listed. Any other state between two transactions can be looked up by its number.
 */
#include "control.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>

/* Is there such a state? What is not published yet is none. */
static int check_generation(struct control *control, int64_t generation)
{
	struct feed *feed = control->mount->feed;
	int64_t found, first, last;
	if (!feed_find_generation(feed, generation, &found) && found == generation)
		return 0;
	if (generation > feed_generation(feed))
		return -ENOENT;
	int error = store_find_transaction(control->mount->reader, generation, &first, &last);
	return error ? error : last == generation ? 0 : -ENOENT;
}

/* at/GENERATION itself. */
static int look_up_generation(
	struct control *control, const char *name, struct control_node **ret_node)
{
	int64_t generation;
	struct store_node root;
	struct stat attr;
	if (!control_parse_number(name, &generation))
		return -ENOENT;
	int error = check_generation(control, generation);
	if (!error)
		error = store_get_node(control->mount->reader, STORE_ROOT, &root);
	if (error)
		return error;
	control_stat_node(control->mount, &root, &attr);
	*ret_node = control_look_up(control, CONTROL_AT_DIR, generation, "", &attr);
	return *ret_node ? 0 : -ENOMEM;
}

int control_at_look_up(struct control *control, const struct control_node *dir, const char *name,
	struct control_node **ret_node)
{
	char path[PATH_MAX];
	struct store_node node;
	struct stat attr;
	int64_t generation;
	if (dir->kind == CONTROL_AT && control_is_changed_name(name, &generation))
		return control_changed_look_up(control, generation, ret_node);
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

/* Newest first. */
static int list_generations(struct control *control, struct control_listing *listing)
{
	int error = 0;
	struct feed *feed = control->mount->feed;
	for (int64_t g = INT64_MAX; !error && !feed_find_generation(feed, g, &g); g--) {
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
	return control_listing_add_name(arg, entry->name, type);
}

int control_at_list(
	struct control *control, const struct control_node *dir, struct control_listing *listing)
{
	if (dir->kind == CONTROL_AT)
		return list_generations(control, listing);
	return store_at_list(control->mount->reader, dir->number, dir->path, add_entry, listing);
}
