/* SPDX-License-Identifier: MIT */
/*
 * Lists of files with their paths. Contents are read when they are asked for, so that a list of a large tree stays
 * small. One thread.
 */
#include "filelist.h"
#include "cli.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static int add(struct filelist *tree, const struct filelist_file *file)
{
	if (tree->n == tree->room) {
		size_t room = tree->room ? 2 * tree->room : 256;
		void *files = reallocarray(tree->files, room, sizeof(*tree->files));
		if (!files)
			return -ENOMEM;
		tree->files = files;
		tree->room = room;
	}
	tree->files[tree->n++] = *file;
	return 0;
}

static int compare_paths(const void *a, const void *b)
{
	return strcmp(
		((const struct filelist_file *)a)->path, ((const struct filelist_file *)b)->path);
}

static void sort(struct filelist *tree)
{
	if (tree->n)
		qsort(tree->files, tree->n, sizeof(*tree->files), compare_paths);
}

/* ---- a database ---- */

struct listing {
	struct filelist *tree;
	const char *dir;
};

static int take_entry(void *arg, const struct store_entry *entry)
{
	const struct listing *listing = arg;
	struct filelist_file file = {
		.kind = entry->node.kind,
		.id = entry->node.id,
		.version = entry->node.version,
		.size = entry->node.size,
	};
	if (asprintf(&file.path, "%s%s%s", listing->dir, *listing->dir ? "/" : "", entry->name) < 0)
		return -ENOMEM;
	int err = add(listing->tree, &file);
	if (err)
		free(file.path);
	return err;
}

/* A directory's place in the list is passed when what is in it has been added behind. */
static int list_all(struct filelist *tree, int64_t change)
{
	struct listing listing = {tree, ""};
	int err = store_at_list(tree->reader, change, "", take_entry, &listing);
	for (size_t i = 0; i < tree->n && !err; i++) {
		listing.dir = tree->files[i].path;
		if (tree->files[i].kind == STORE_DIR)
			err = store_at_list(
				tree->reader, change, listing.dir, take_entry, &listing);
	}
	return err;
}

int filelist_init(
	struct filelist *tree, const char *name, struct store_reader *reader, int64_t change)
{
	*tree = (struct filelist){.name = name, .reader = reader};
	int err = list_all(tree, change);
	sort(tree);
	return err ? cli_fail("%s: %s", name, err == -ENOMEM ? "out of memory" : store_error()) : 0;
}

/* ---- a directory ---- */

static enum store_kind kind_of(const struct walk_item *item)
{
	return S_ISDIR(item->mode) ? STORE_DIR : S_ISLNK(item->mode) ? STORE_LINK : STORE_FILE;
}

int filelist_init_dir(struct filelist *tree, const char *dir, const char *database)
{
	*tree = (struct filelist){.name = dir};
	int err = walk_init(&tree->walk, dir, false, database);
	if (err)
		return cli_fail(
			"%s: %s", tree->walk.failed ? tree->walk.failed : dir, strerror(-err));
	for (size_t i = 0; i < tree->walk.n && !err; i++) {
		const struct walk_item *item = &tree->walk.items[i];
		struct filelist_file file = {
			.kind = kind_of(item), .item = i, .path = strdup(walk_below(item, dir))};
		err = file.path ? add(tree, &file) : -ENOMEM;
		if (err)
			free(file.path);
	}
	sort(tree);
	return err ? cli_fail("out of memory") : 0;
}

void filelist_finish(struct filelist *tree)
{
	for (size_t i = 0; i < tree->n; i++)
		free(tree->files[i].path);
	free(tree->files);
	if (!tree->reader)
		walk_finish(&tree->walk);
}

/* ---- both ---- */

int filelist_read(const struct filelist *tree, const struct filelist_file *file, void **ret_data,
	size_t *ret_size)
{
	int err = tree->reader ? store_read(tree->reader, file->version, ret_data, ret_size)
			       : walk_read(&tree->walk.items[file->item], ret_data, ret_size);
	if (err == -ESTALE)
		return cli_fail("%s: the content of version %lld of %s is no longer kept",
			tree->name, (long long)file->version, file->path);
	if (err)
		return cli_fail("%s: %s: %s", tree->name, file->path,
			tree->reader ? store_error() : strerror(-err));
	return 0;
}

const struct filelist_file *filelist_find(const struct filelist *tree, const char *path)
{
	const struct filelist_file key = {.path = (char *)(uintptr_t)path};
	return tree->n ? bsearch(&key, tree->files, tree->n, sizeof(key), compare_paths) : NULL;
}

int filelist_join(
	const struct filelist *old, const struct filelist *new, filelist_pair_fn *fn, void *arg)
{
	size_t a = 0, b = 0;
	int status = 0;
	while (!status && (a < old->n || b < new->n)) {
		int order = a == old->n   ? 1
			    : b == new->n ? -1
					  : strcmp(old->files[a].path, new->files[b].path);
		status = fn(arg, order <= 0 ? &old->files[a] : NULL,
			order >= 0 ? &new->files[b] : NULL);
		a += order <= 0;
		b += order >= 0;
	}
	return status;
}

int filelist_is_same(const struct filelist *old, const struct filelist_file *a,
	const struct filelist *new, const struct filelist_file *b, bool *ret_same)
{
	void *data, *other;
	size_t size, other_size;
	bool link = a->kind == STORE_LINK;
	*ret_same = false;
	if (link != (b->kind == STORE_LINK) || (old->reader && new->reader && a->size != b->size))
		return 0;
	*ret_same = old->reader && old->reader == new->reader && a->version == b->version;
	if (*ret_same)
		return 0;
	int status = filelist_read(old, a, &data, &size);
	if (status)
		return status;
	status = filelist_read(new, b, &other, &other_size);
	if (!status) {
		*ret_same = size == other_size && !memcmp(data, other, size);
		free(other);
	}
	free(data);
	return status;
}
