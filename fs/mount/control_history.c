/* SPDX-License-Identifier: MIT */
/*
 * control_history.c - history/PATH/VERSION: what files contained before.
 *
 * Every path that has or had something is a directory here; what names a file holds the file's versions. Access is as to what has
 * that path now; where nothing has it any more only the mount's owner may look.
 */
#include "control.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What has a path now. */
static int find_path(struct store_reader *reader, const char *path, struct store_node *ret_node)
{
	char name[STORE_NAME_MAX + 1];
	struct store_node node;
	int error = store_get_node(reader, STORE_ROOT, &node);
	while (!error && *path) {
		size_t length = strcspn(path, "/");
		if (length > STORE_NAME_MAX)
			return -ENAMETOOLONG;
		memcpy(name, path, length);
		name[length] = '\0';
		error = store_lookup(reader, node.id, name, &node);
		path += length + (path[length] == '/');
	}
	if (!error)
		*ret_node = node;
	return error;
}

/* Who may read what has this path may also search it as a directory. */
static void stat_dir(struct control *control, const struct store_node *node, struct stat *ret_attr)
{
	control_stat_node(control->mount, node, ret_attr);
	mode_t read = ret_attr->st_mode & 0444;
	ret_attr->st_mode = S_IFDIR | read | read >> 2;
	ret_attr->st_nlink = 2;
	ret_attr->st_size = 0;
}

static void stat_lost_dir(struct control *control, struct stat *ret_attr)
{
	*ret_attr = (struct stat){.st_mode = S_IFDIR | 0500, .st_nlink = 2};
	ret_attr->st_uid = control->mount->uid;
	ret_attr->st_gid = control->mount->gid;
}

static int stop_walk(void *arg, const struct store_version *version)
{
	return 1;
}

static int stop_names(void *arg, const char *name)
{
	return 1;
}

/* Has a path that nothing has any more a history: of a file, or of a directory and what was in it? */
static int look_up_lost(struct store_reader *reader, const char *path)
{
	int found = store_history(reader, path, stop_walk, NULL);
	if (!found)
		found = store_history_names(reader, path, stop_names, NULL);
	return found > 0 ? 0 : found ? found : -ENOENT;
}

static bool is_nothing(int error)
{
	return error == -ENOENT || error == -ENOTDIR || error == -ESTALE;
}

static int look_up_path(struct control *control, const char *path, struct control_node **ret_node)
{
	struct store_reader *reader = control->mount->reader;
	struct store_node node;
	struct stat attr;
	int error = find_path(reader, path, &node);
	if (!error) {
		stat_dir(control, &node, &attr);
	} else if (is_nothing(error)) {
		stat_lost_dir(control, &attr);
		error = look_up_lost(reader, path);
	}
	if (error)
		return error;
	*ret_node = control_look_up(control, CONTROL_HISTORY_DIR, 0, path, &attr);
	return *ret_node ? 0 : -ENOMEM;
}

struct search {
	int64_t version;
	struct store_version found;
};

static int match_version(void *arg, const struct store_version *version)
{
	struct search *search = arg;
	if (version->id != search->version)
		return 0;
	search->found = *version;
	return 1;
}

static int look_up_version(struct control *control, const struct control_node *dir, int64_t number,
	struct control_node **ret_node)
{
	struct search search = {.version = number};
	struct store_node node = {.mode = -1, .uid = -1, .gid = -1};
	struct stat attr;
	int found = store_history(control->mount->reader, dir->path, match_version, &search);
	if (found <= 0 || !search.found.kept)
		return found < 0 ? found : -ENOENT;
	int error = store_get_node(control->mount->reader, search.found.node, &node);
	if (error && error != -ESTALE)
		return error;
	if (error || node.kind != STORE_LINK)
		node.kind = STORE_FILE;
	node.id = search.found.node;
	node.version = number;
	node.size = search.found.size;
	node.atime = node.mtime = search.found.mtime;
	node.ctime = search.found.time;
	control_stat_node(control->mount, &node, &attr);
	*ret_node = control_look_up(control, CONTROL_VERSION, number, NULL, &attr);
	return *ret_node ? 0 : -ENOMEM;
}

int control_history_look_up(struct control *control, const struct control_node *dir,
	const char *name, struct control_node **ret_node)
{
	char path[PATH_MAX];
	int64_t number;
	int error = -ENOENT;
	if (*dir->path && control_parse_number(name, &number))
		error = look_up_version(control, dir, number, ret_node);
	if (error == -ENOENT)
		error = control_join(path, dir->path, name);
	else
		return error;
	return error ? error : look_up_path(control, path, ret_node);
}

static int add_version(void *arg, const struct store_version *version)
{
	char name[24];
	if (!version->kept)
		return 0;
	snprintf(name, sizeof(name), "%" PRId64, version->id);
	return control_listing_add(arg, name, S_IFREG);
}

/* The names of a directory: those that are there now, and those that were. */
struct names {
	struct control_listing *listing;
	struct name *seen;
};

struct name {
	UT_hash_handle hh;
	char text[];
};

static int add_name(void *arg, const char *text)
{
	struct names *names = arg;
	struct name *name;
	HASH_FIND_STR(names->seen, text, name);
	if (name)
		return 0;
	size_t size = strlen(text) + 1;
	name = malloc(sizeof(*name) + size);
	if (!name)
		return -ENOMEM;
	memcpy(name->text, text, size);
	HASH_ADD_STR(names->seen, text, name);
	if (!is_in_table(hh, name)) {
		free(name);
		return -ENOMEM;
	}
	return control_listing_add_name(names->listing, text, S_IFDIR);
}

static int add_entry(void *arg, const struct store_entry *entry)
{
	return add_name(arg, entry->name);
}

static int list_names(struct store_reader *reader, const char *path, struct names *names)
{
	struct store_node node;
	int error = find_path(reader, path, &node);
	if (!error && node.kind == STORE_DIR)
		error = store_list(reader, node.id, 0, add_entry, names);
	if (!error || is_nothing(error))
		error = store_history_names(reader, path, add_name, names);
	return error;
}

int control_history_list(
	struct control *control, const struct control_node *dir, struct control_listing *listing)
{
	struct store_reader *reader = control->mount->reader;
	struct names names = {.listing = listing};
	struct name *name, *next;
	int error = *dir->path ? store_history(reader, dir->path, add_version, listing) : 0;
	if (!error)
		error = list_names(reader, dir->path, &names);
	HASH_ITER (hh, names.seen, name, next) {
		HASH_DEL(names.seen, name);
		free(name);
	}
	return error;
}
