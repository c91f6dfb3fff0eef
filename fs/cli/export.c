/* SPDX-License-Identifier: MIT */
/*
 * pymodfs export: the tree of the database into a directory.
 *
 * One snapshot is read, twice: once to see that nothing in the directory would be lost, once to write. Directories are
 * opened one below the other without following links, and the database's names are checked, so that nothing is written
 * outside DIR.
 *
 * What was written is recorded (record.h), so that the next export can tell which files were changed since, and an import which
 * rows. A file that changed on one side alone is that side's; one that changed on both is a conflict. One thread.
 */
#include "interrupt.h"
#include "place.h"
#include "progress.h"
#include "record.h"
#include "transfer.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define DEPTH_MAX 2048 /* as deep as a path can be */

struct export
{
	/* options */
	bool overwrite, remove;
	struct transfer transfer;

	const char *dir;
	int top; /* -1: it isn't there */
	struct store_reader *reader;
	mode_t umask;
	struct progress progress;
	struct record record, fresh; /* of before; of afterwards */
	int64_t done, written, kept, deleted, conflicts, hidden;
};

/* A directory on both sides. */
struct level {
	int fd; /* -1 while it isn't there */
	const char *path;
	int depth;
};

struct listed {
	struct store_node node;
	char *name;
};

struct listing {
	struct listed *items;
	size_t n, room;
};

/* ---- listing ---- */

static void listing_finish(struct listing *listing)
{
	for (size_t i = 0; i < listing->n; i++)
		free(listing->items[i].name);
	free(listing->items);
}

static int take_entry(void *arg, const struct store_entry *entry)
{
	struct listing *listing = arg;
	if (listing->n == listing->room) {
		size_t room = listing->room ? 2 * listing->room : 64;
		void *items = realloc(listing->items, room * sizeof(*listing->items));
		if (!items)
			return -ENOMEM;
		listing->items = items;
		listing->room = room;
	}
	char *name = strdup(entry->name);
	if (!name)
		return -ENOMEM;
	listing->items[listing->n++] = (struct listed){.node = entry->node, .name = name};
	return 0;
}

static bool is_file_name(const char *name)
{
	return *name && !strchr(name, '/') && strcmp(name, ".") && strcmp(name, "..");
}

static int fail_at(const struct level *level, const char *name, const char *words)
{
	return cli_fail("%s/%s: %s", level->path, name, words);
}

static int list(
	struct export *export, int64_t id, const struct level *level, struct listing *listing)
{
	if (store_list(export->reader, id, 0, take_entry, listing))
		return cli_fail("%s: %s", level->path, store_error());
	for (size_t i = 0; i < listing->n; i++)
		if (!is_file_name(listing->items[i].name))
			return fail_at(level, listing->items[i].name,
				"no file name; the database is damaged");
	if (level->depth >= DEPTH_MAX)
		return cli_fail("%s: too deep", level->path);
	return 0;
}

/* ---- one file ---- */

enum action { ACTION_NONE, ACTION_WRITE, ACTION_KEEP, ACTION_CONFLICT };

/* The path below the top; the caller frees. NULL: no memory. */
static char *path_below(const struct export *export, const struct level *level, const char *name)
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
static int find_action(struct export *export, const struct level *level, const struct listed *item,
	const char *path, const void *data, size_t size, bool first, enum action *ret_action,
	int64_t *ret_mtime)
{
	struct place there;
	int err = place_read(level->fd, item->name, &there);
	*ret_mtime = 0;
	*ret_action = ACTION_WRITE;
	if (err == -ENOENT)
		return 0;
	if (err)
		return fail_at(level, item->name,
			err == -EISDIR ? "is no file; it is one in the database; remove it, or "
					 "export elsewhere"
				       : strerror(-err));
	*ret_mtime = there.mtime;
	if (there.link == (item->node.kind == STORE_LINK) && there.size == size &&
		!memcmp(there.data, data, size))
		*ret_action = ACTION_NONE;
	else if (!export->record.there && !export->overwrite)
		err = fail_at(level, item->name,
			"differs from the database; --overwrite replaces it; nothing was exported");
	else
		*ret_action = decide(export, path, &item->node, &there, first);
	free(there.data);
	return err;
}

static int note(struct export *export, const struct listed *item, const char *path,
	enum action action, size_t size, int64_t mtime)
{
	const struct record_entry *entry = record_find(&export->record, path);
	if (action == ACTION_NONE || action == ACTION_WRITE)
		return record_add(&export->fresh, path, item->node.version, (int64_t)size, mtime);
	return entry ? record_add(&export->fresh, path, entry->version, entry->size, entry->mtime)
		     : 0;
}

static int write_file(struct export *export, const struct level *level, const struct listed *item,
	const char *path, const void *data, size_t size, int64_t *ret_mtime)
{
	int err = place_write(
		level->fd, item->name, &item->node, export->umask, data, size, ret_mtime);
	if (err)
		return fail_at(level, item->name, strerror(-err));
	export->written++;
	transfer_tell(&export->transfer, "written", path);
	return 0;
}

static int visit_content(struct export *export, const struct level *level,
	const struct listed *item, const char *path, bool write)
{
	void *data;
	size_t size;
	enum action action;
	int64_t mtime;
	if (store_read(export->reader, item->node.version, &data, &size))
		return fail_at(level, item->name, store_error());
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

static int visit_file(
	struct export *export, const struct level *level, const struct listed *item, bool write)
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

/* ---- trees ---- */

static int visit_level(struct export *export, int64_t id, const struct level *level, bool write);

static int open_below(
	const struct level *level, const char *name, mode_t mode, bool write, int *ret_fd)
{
	if (write && mkdirat(level->fd, name, mode) && errno != EEXIST)
		return fail_at(level, name, strerror(errno));
	int fd = level->fd < 0
			 ? -1
			 : openat(level->fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0 && (errno == ENOTDIR || errno == ELOOP))
		return fail_at(level, name,
			"is no directory; it is one in the database; remove it, or export "
			"elsewhere");
	if (fd < 0 && (write || (level->fd >= 0 && errno != ENOENT)))
		return fail_at(level, name, strerror(errno));
	*ret_fd = fd;
	return 0;
}

static int visit_dir(
	struct export *export, const struct level *level, const struct listed *item, bool write)
{
	mode_t mode = item->node.mode >= 0 ? (mode_t)item->node.mode & 0777 : 0777;
	struct level below = {.fd = -1, .depth = level->depth + 1};
	char *path;
	int status = open_below(level, item->name, mode | 0700, write, &below.fd);
	if (status)
		return status;
	if (asprintf(&path, "%s/%s", level->path, item->name) < 0) {
		status = cli_fail("out of memory");
	} else {
		below.path = path;
		status = visit_level(export, item->node.id, &below, write);
		free(path);
	}
	if (!status && write && item->node.mode >= 0 && fchmod(below.fd, mode))
		status = fail_at(level, item->name, strerror(errno));
	/* Nothing in it was chosen. */
	if (!status && write && choice_is_made(&export->transfer.choice))
		(void)unlinkat(level->fd, item->name, AT_REMOVEDIR);
	if (below.fd >= 0)
		close(below.fd);
	return status;
}

static bool is_listed(const struct listing *listing, const char *name)
{
	for (size_t i = 0; i < listing->n; i++)
		if (!strcmp(listing->items[i].name, name))
			return true;
	return false;
}

static bool is_stranger(const char *name)
{
	return is_file_name(name) && strcmp(name, RECORD_NAME) != 0;
}

/* Without --overwrite the directory holds nothing that the database has not. */
static int check_strangers(
	const struct export *export, const struct level *level, const struct listing *listing)
{
	int fd = level->fd < 0 || export->overwrite || export->record.there
			 ? -1
			 : openat(level->fd, ".", O_RDONLY | O_DIRECTORY);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	const struct dirent *entry;
	int status = 0;
	while (dir && !status && (entry = readdir(dir)))
		if (is_stranger(entry->d_name) && !is_listed(listing, entry->d_name))
			status = fail_at(level, entry->d_name,
				"is not in the database; --overwrite exports beside it; nothing "
				"was exported");
	if (dir)
		closedir(dir);
	return status;
}

static int visit_level(struct export *export, int64_t id, const struct level *level, bool write)
{
	struct listing listing = {.n = 0};
	int status = list(export, id, level, &listing);
	if (!status && !write)
		status = check_strangers(export, level, &listing);
	for (size_t i = 0; i < listing.n && !status; i++) {
		const struct listed *item = &listing.items[i];
		status = interrupt_check("what was written so far stays; export again to go on");
		if (status)
			break;
		status = item->node.kind == STORE_DIR ? visit_dir(export, level, item, write)
						      : visit_file(export, level, item, write);
	}
	listing_finish(&listing);
	return status;
}

static bool is_empty(int fd)
{
	int copy = openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = copy < 0 ? NULL : fdopendir(copy);
	const struct dirent *entry;
	bool empty = true;
	while (dir && empty && (entry = readdir(dir)))
		empty = !is_file_name(entry->d_name);
	if (dir)
		closedir(dir);
	return empty;
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

static int visit_all_gone(struct export *export, bool write)
{
	int status = 0;
	for (size_t i = 0; i < export->record.n && !status; i++) {
		const struct record_entry *entry = &export->record.entries[i];
		if (!is_in_database(export, entry->path))
			status = visit_gone(export, entry, write);
	}
	return status;
}

/* ---- the whole ---- */

static int visit_all(struct export *export, bool write)
{
	const struct level top = {.fd = export->top, .path = export->dir};
	int status = visit_level(export, STORE_ROOT, &top, write);
	if (!status && export->record.there && export->top >= 0)
		status = visit_all_gone(export, write);
	if (!status && !write && export->conflicts && !export->transfer.skip_conflicts)
		status = cli_fail("%lld conflict%s, nothing was exported; --overwrite takes what "
				  "is in the database, "
				  "--skip-conflicts leaves the files",
			(long long)export->conflicts, cli_plural(export->conflicts));
	return status;
}

static int open_top(struct export *export)
{
	if (!export->transfer.dry_run && mkdir(export->dir, 0777) && errno != EEXIST)
		return cli_fail("%s: %s", export->dir, strerror(errno));
	export->top = open(export->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (export->top < 0 && !(export->transfer.dry_run && errno == ENOENT))
		return cli_fail("%s: %s", export->dir, strerror(errno));
	return 0;
}

static int export_tree(struct export *export, int64_t total, const char *uuid)
{
	int status = open_top(export);
	if (!status)
		status = record_load(&export->record, export->dir, uuid);
	if (status)
		return status;
	interrupt_catch();
	bool empty = export->top >= 0 && is_empty(export->top);
	progress_init(&export->progress, "exporting",
		empty || export->transfer.dry_run ? total : 2 * total);
	if (!empty || export->transfer.dry_run)
		status = visit_all(export, false);
	if (!status && !export->transfer.dry_run) {
		status = visit_all(export, true);
		/* Also after a failure: it says what was written, and of the rest what was. */
		if (status)
			record_add_missing(&export->fresh, &export->record);
		int saved = record_save(&export->fresh, export->dir, uuid,
			status ? NULL : "the files were written");
		status = status ? status : saved;
	}
	progress_finish(&export->progress, !status);
	return status;
}

/* Rows that can't be files are named; the others are exported. */
static int name_hidden(void *arg, const char *name, size_t size)
{
	((struct export *)arg)->hidden++;
	fputs("pymodfs export: not a path, left out: ", stderr);
	for (size_t i = 0; i < size; i++)
		if ((unsigned char)name[i] < ' ')
			fprintf(stderr, "\\x%02x", (unsigned char)name[i]);
		else
			fputc(name[i], stderr);
	fputc('\n', stderr);
	return 0;
}

static void report(const struct export *export, const struct store_counts *counts)
{
	if (export->transfer.json) {
		printf("{\"modules\": %lld, \"files\": %lld, \"written\": %lld, \"kept\": %lld, "
		       "\"deleted\": %lld, \"conflicts\": %lld, \"hidden\": %lld, \"dry_run\": "
		       "%s}\n",
			(long long)counts->modules, (long long)(counts->files + counts->links),
			(long long)export->written, (long long)export->kept,
			(long long)export->deleted, (long long)export->conflicts,
			(long long)export->hidden, export->transfer.dry_run ? "true" : "false");
		return;
	}
	int64_t others = counts->files + counts->links;
	printf("%lld module%s, %lld other file%s; %lld %swritten", (long long)counts->modules,
		cli_plural(counts->modules), (long long)others, cli_plural(others),
		(long long)export->written, export->transfer.dry_run ? "to be " : "");
	if (export->deleted)
		printf(", %lld deleted", (long long)export->deleted);
	if (export->kept)
		printf(", %lld changed here and left alone", (long long)export->kept);
	if (export->conflicts)
		printf(", %lld conflict%s skipped", (long long)export->conflicts,
			cli_plural(export->conflicts));
	putchar('\n');
}

static int export_snapshot(struct export *export, const struct store *store)
{
	struct store_counts counts;
	if (store_count(export->reader, &counts))
		return cli_fail("%s", store_error());
	int status = export_tree(
		export, counts.modules + counts.files + counts.links, store_uuid(store));
	if (status)
		return status;
	if (store_hidden(export->reader, name_hidden, export))
		return cli_fail("%s", store_error());
	report(export, &counts);
	return export->hidden ? CLI_FAILURE : 0;
}

static const struct cli_option options[] = {
	{"overwrite", 0, CLI_FLAG, offsetof(struct export, overwrite), NULL, CLI_NOTHING,
		"DIR may hold anything: files that differ are replaced, others left alone"},
	{"delete", 0, CLI_FLAG, offsetof(struct export, remove), NULL, CLI_NOTHING,
		"remove files that were exported and that DB has no more"},
	TRANSFER_OPTIONS(struct export),
	{0},
};

static int run(void *arg, int argc, char **argv)
{
	const struct store_options store_options = {.read_only = true};
	struct export *export = arg;
	struct store *store;
	export->dir = argv[1];
	export->top = -1;
	export->umask = umask(0);
	umask(export->umask);
	if (export->overwrite && export->transfer.skip_conflicts)
		return cli_usage("--overwrite and --skip-conflicts exclude each other");
	if (store_open(argv[0], &store_options, &store))
		return cli_fail("%s", store_error());
	int status = CLI_FAILURE;
	if (store_reader_create(store, &export->reader) || store_reader_begin(export->reader))
		cli_fail("%s", store_error());
	else
		status = export_snapshot(export, store);
	if (export->top >= 0)
		close(export->top);
	record_finish(&export->fresh);
	record_finish(&export->record);
	store_reader_destroy(export->reader);
	store_close(store);
	return status;
}

const struct cli_command cmd_export = {
	.name = "export",
	.summary = "write a database's tree to a directory",
	.operands = "DB DIR",
	.about = "Writes the tree that a mount of the database DB shows to the directory DIR, with "
		 "modes and times.\n"
		 "DIR is made if it isn't there; otherwise it must be empty, hold the same "
		 "already, or have been\n"
		 "written by export before: then what changed in DIR alone since is left alone, "
		 "and what changed in\n"
		 "both is a conflict: it is named, and nothing is exported. DIR/.pymodfs-export "
		 "keeps what was written.\n",
	.options = options,
	.size = sizeof(struct export),
	.min = 2,
	.max = 2,
	.wanted = "name the database and the directory",
	.words = {CLI_DB, CLI_DIR, CLI_NOTHING},
	.run = run,
};
