/* SPDX-License-Identifier: MIT */
/*
 * control_changed.c - at/GENERATION.changed: the modules that a generation brought, with their contents, in one piece, so that
 * who takes up a batch needs not open each of them.
 *
 * It is for the mount's owner alone, who may read the database: what it holds may be of files that not everybody may read.
 * What is beyond a limit is left out: it is below at/GENERATION like everything.
 */
#include "control.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SUFFIX ".changed"
#define MODULES_MAX 2048
#define TEXT_MAX (4 << 20)

/* A module that was changed, as its last change left it. */
struct changed {
	int64_t node; /* key */
	int64_t version;
	char *path;
	UT_hash_handle hh;
};

struct batch {
	struct changed *modules;
	int64_t last; /* the generation */
};

static void forget_module(struct batch *batch, struct changed *changed)
{
	HASH_DEL(batch->modules, changed);
	free(changed->path);
	free(changed);
}

static int note_module(struct batch *batch, const struct store_change *change)
{
	struct changed *changed = calloc(1, sizeof(*changed));
	char *path = strdup(change->path);
	if (!changed || !path)
		goto no_memory;
	changed->node = change->node;
	changed->version = change->version;
	changed->path = path;
	HASH_ADD(hh, batch->modules, node, sizeof(changed->node), changed);
	if (is_in_table(hh, changed))
		return 0;
no_memory:
	free(changed);
	free(path);
	return -ENOMEM;
}

/* 1: that was all. */
static int take_change(void *arg, const struct store_change *change)
{
	struct batch *batch = arg;
	struct changed *changed;
	if (change->id > batch->last)
		return 1;
	if (change->kind != STORE_MODULE || change->op == STORE_ATTR)
		return 0;
	HASH_FIND(hh, batch->modules, &change->node, sizeof(change->node), changed);
	if (changed)
		forget_module(batch, changed);
	if (change->op == STORE_DELETE)
		return 0;
	/* A part of the changes may end with what a later one replaces. */
	return HASH_CNT(hh, batch->modules) < MODULES_MAX ? note_module(batch, change) : -EFBIG;
}

/* A version that is gone meanwhile is left out. */
static int print_module(struct mount *mount, const struct changed *changed, FILE *stream)
{
	void *data;
	size_t size;
	int error = store_read(mount->reader, changed->version, &data, &size);
	if (error)
		return error == -ESTALE ? 0 : error;
	fprintf(stream, "%zu %s\n", size, changed->path);
	fwrite(data, 1, size, stream);
	free(data);
	return ftell(stream) >= TEXT_MAX;
}

static int print_batch(struct mount *mount, const struct batch *batch, FILE *stream)
{
	int result = 0;
	for (struct changed *module = batch->modules; module && !result; module = module->hh.next)
		result = print_module(mount, module, stream);
	return result < 0 ? result : 0;
}

int control_print_changed(
	struct control *control, int64_t generation, char **ret_text, size_t *ret_size)
{
	struct mount *mount = control->mount;
	struct batch batch = {.last = generation};
	struct changed *module, *next;
	int64_t before;
	char *text = NULL;
	size_t size = 0;
	int error = feed_find_generation(mount->feed, generation - 1, &before);
	if (!error)
		error = store_changes(mount->reader, before, take_change, &batch);
	error = error > 0 ? 0 : error;
	FILE *stream = error ? NULL : open_memstream(&text, &size);
	if (!error && !stream)
		error = -ENOMEM;
	if (!error)
		error = print_batch(mount, &batch, stream);
	if (stream && fclose(stream) && !error)
		error = -ENOMEM;
	HASH_ITER (hh, batch.modules, module, next)
		forget_module(&batch, module);
	if (error) {
		free(text);
		return error;
	}
	*ret_text = text;
	*ret_size = size;
	return 0;
}

/* Where a generation begins is known of those that this mount published, but for the first. */
static int check_published(struct control *control, int64_t generation)
{
	int64_t found, before;
	struct feed *feed = control->mount->feed;
	int error = feed_find_generation(feed, generation, &found);
	if (!error && found != generation)
		error = -ENOENT;
	return error ? error : feed_find_generation(feed, generation - 1, &before);
}

bool control_is_changed_name(const char *name, int64_t *ret_generation)
{
	char number[24];
	size_t length = strlen(name), suffix = strlen(SUFFIX);
	if (length <= suffix || length - suffix >= sizeof(number) ||
		strcmp(name + length - suffix, SUFFIX))
		return false;
	memcpy(number, name, length - suffix);
	number[length - suffix] = '\0';
	return control_parse_number(number, ret_generation);
}

int control_changed_look_up(
	struct control *control, int64_t generation, struct control_node **ret_node)
{
	struct stat attr = {
		.st_mode = S_IFREG | 0400,
		.st_nlink = 1,
		.st_uid = control->mount->uid,
		.st_gid = control->mount->gid,
	};
	int error = check_published(control, generation);
	if (error)
		return error;
	*ret_node = control_look_up(control, CONTROL_CHANGED, generation, NULL, &attr);
	return *ret_node ? 0 : -ENOMEM;
}
