/* SPDX-License-Identifier: MIT */
/*
 * What an export does with one file: the content of the database against what is there and what was exported before
 * (record.h). A file that changed on one side alone is that side's; one that changed on both is a conflict. One thread.
 */
#include "export.h"

#include "cli.h"
#include "place.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum action { ACTION_NONE, ACTION_WRITE, ACTION_KEEP, ACTION_CONFLICT };

/* The path below the top; the caller frees. NULL: no memory. */
static char *path_below(
	const struct export *export, const struct export_level *level, const char *name)
{
	const char *dir = level->path + strlen(export->dir);
	char *path;
	dir += strspn(dir, "/");
	return asprintf(&path, "%s%s%s", dir, *dir ? "/" : "", name) < 0 ? NULL : path;
}

static enum action conflict(struct export *export, const char *path, const char *words)
{
	export->conflicts++;
	cli_warn("%s: %s", path, words);
	return ACTION_CONFLICT;
}

/* The contents differ. */
static enum action decide(struct export *export, const char *path, const struct store_node *node,
	const struct place *there, bool first)
{
	const struct record_entry *entry = record_find(&export->record, path);
	if (export->overwrite)
		return ACTION_WRITE;
	if (!entry)
		return first ? conflict(export, path,
				       "differs from the database, and was not exported")
			     : ACTION_CONFLICT;
	if (!record_is_changed(entry, export->reader, there->mtime, there->data, there->size))
		return ACTION_WRITE;
	if (node->version == entry->version)
		return ACTION_KEEP;
	return first ? conflict(export, path,
			       "changed here and in the database since it was exported")
		     : ACTION_CONFLICT;
}

/* *ret_mtime: of what is there and stays. */
static int find_action(struct export *export, const struct export_level *level,
	const struct export_item *item, const char *path, const void *data, size_t size, bool first,
	enum action *ret_action, int64_t *ret_mtime)
{
	struct place there;
	int err = place_read(level->fd, item->name, &there);
	*ret_mtime = 0;
	*ret_action = ACTION_WRITE;
	if (err == -ENOENT)
		return 0;
	if (err == -EISDIR && first) {
		export_note_obstacle(export, EXPORT_NO_FILE, level, item->name);
		*ret_action = ACTION_CONFLICT;
		return 0;
	}
	if (err)
		return export_fail_at(level, item->name, strerror(-err));
	*ret_mtime = there.mtime;
	if (there.link == (item->node.kind == STORE_LINK) && there.size == size &&
		!memcmp(there.data, data, size))
		*ret_action = ACTION_NONE;
	else if (!export->record.there && !export->overwrite && !first)
		err = export_fail_at(level, item->name, "was changed while it was exported");
	else if (!export->record.there && !export->overwrite) {
		export_note_obstacle(export, EXPORT_DIFFERENT, level, item->name);
		*ret_action = ACTION_CONFLICT;
	} else
		*ret_action = decide(export, path, &item->node, &there, first);
	free(there.data);
	return err;
}

static int note(struct export *export, const struct export_item *item, const char *path,
	enum action action, size_t size, int64_t mtime)
{
	const struct record_entry *entry = record_find(&export->record, path);
	if (action == ACTION_NONE || action == ACTION_WRITE)
		return record_add(&export->fresh, path, item->node.version, (int64_t)size, mtime);
	return entry ? record_add(&export->fresh, path, entry->version, entry->size, entry->mtime)
		     : 0;
}

static int write_file(struct export *export, const struct export_level *level,
	const struct export_item *item, const char *path, const void *data, size_t size,
	int64_t *ret_mtime)
{
	int err = place_write(
		level->fd, item->name, &item->node, export->umask, data, size, ret_mtime);
	if (err)
		return export_fail_at(level, item->name, strerror(-err));
	export->written++;
	transfer_tell(&export->transfer, "written", path);
	return 0;
}

static int visit_content(struct export *export, const struct export_level *level,
	const struct export_item *item, const char *path, bool write)
{
	void *data;
	size_t size;
	enum action action;
	int64_t mtime;
	if (store_read(export->reader, item->node.version, &data, &size))
		return export_fail_at(level, item->name, store_error());
	int status = find_action(export, level, item, path, data, size, !write, &action, &mtime);
	if (!status && write && action == ACTION_WRITE)
		status = write_file(export, level, item, path, data, size, &mtime);
	else if (!status && !write && export->transfer.dry_run && action == ACTION_WRITE) {
		export->written++;
		transfer_tell(&export->transfer, "write", path);
	}
	export->kept += !status && action == ACTION_KEEP && write == !export->transfer.dry_run;
	if (!status && write)
		status = note(export, item, path, action, size, mtime);
	free(data);
	return status;
}

int export_visit_file(struct export *export, const struct export_level *level,
	const struct export_item *item, bool write)
{
	char *path = path_below(export, level, item->name);
	if (!path)
		return cli_fail("out of memory");
	int status = 0;
	if (choice_has(&export->transfer.choice, path))
		status = visit_content(export, level, item, path, write);
	else if (write)
		status = note(export, item, path, ACTION_KEEP, 0, 0);
	free(path);
	progress_show(&export->progress, ++export->done);
	return status;
}

/* ---- what is gone in the database ---- */

static bool is_in_database(const struct export *export, const char *path)
{
	struct store_node node;
	return store_at_lookup(export->reader, INT64_MAX, path, &node) != -ENOENT;
}

/* Directories that have become empty go with it, but for those that the database has. */
static void remove_dirs(const struct export *export, const char *path)
{
	char *dir = strdup(path), *slash;
	while (dir && (slash = strrchr(dir, '/'))) {
		const char *name;
		*slash = '\0';
		int fd = is_in_database(export, dir) ? -1
						     : place_open_parent(export->top, dir, &name);
		bool gone = fd >= 0 && !unlinkat(fd, name, AT_REMOVEDIR);
		if (fd >= 0)
			close(fd);
		if (!gone)
			break;
	}
	free(dir);
}

/* One that was exported, and that the database has no more. */
static int visit_gone(struct export *export, const struct record_entry *entry, bool write)
{
	const char *name;
	struct place there = {.data = NULL};
	int fd = place_open_parent(export->top, entry->path, &name);
	int err = fd < 0 ? fd : place_read(fd, name, &there);
	bool changed = !err && record_is_changed(
				       entry, export->reader, there.mtime, there.data, there.size);
	bool go = !err && export->remove && (!changed || export->overwrite);
	int status = 0;
	free(there.data);
	if (!err && export->remove && changed && !go && !write)
		conflict(export, entry->path,
			"changed here, and was deleted in the database, since it was exported");
	if (go && write == !export->transfer.dry_run) {
		export->deleted++;
		transfer_tell(&export->transfer, write ? "deleted" : "delete", entry->path);
	}
	if (go && write && unlinkat(fd, name, 0))
		status = cli_fail("%s/%s: %s", export->dir, entry->path, strerror(errno));
	else if (go && write)
		remove_dirs(export, entry->path);
	else if (!err && write)
		status = record_add(
			&export->fresh, entry->path, entry->version, entry->size, entry->mtime);
	if (fd >= 0)
		close(fd);
	return status;
}

int export_visit_gone(struct export *export, bool write)
{
	int status = 0;
	for (size_t i = 0; i < export->record.n && !status; i++) {
		const struct record_entry *entry = &export->record.entries[i];
		if (!is_in_database(export, entry->path))
			status = visit_gone(export, entry, write);
	}
	return status;
}
