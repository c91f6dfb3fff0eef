/* SPDX-License-Identifier: MIT */
/*
 * An export's way through the directories. They are opened one below the other without following links, and the
 * database's names are checked, so that nothing is written outside the directory that was named. One thread.
 */
#include "export.h"

#include "cli.h"
#include "interrupt.h"
#include "place.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define DEPTH_MAX 2048 /* as deep as a path can be */

/* ---- listing ---- */

struct listing {
	struct export_item *items;
	size_t n, room;
};

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
	listing->items[listing->n++] = (struct export_item){.node = entry->node, .name = name};
	return 0;
}

static bool is_file_name(const char *name)
{
	return *name && !strchr(name, '/') && strcmp(name, ".") && strcmp(name, "..");
}

int export_fail_at(const struct export_level *level, const char *name, const char *words)
{
	return cli_fail("%s/%s: %s", level->path, name, words);
}

void export_note_obstacle(struct export *export, enum export_obstacle obstacle,
	const struct export_level *level, const char *name)
{
	static const char *const words[] = {
		[EXPORT_STRANGER] = "is not in the database; --overwrite leaves it as it is",
		[EXPORT_DIFFERENT] = "differs from the database; --overwrite replaces it",
		[EXPORT_NO_FILE] = "is no file; it is one in the database; remove it, or export "
				   "elsewhere",
		[EXPORT_NO_DIRECTORY] = "is no directory; it is one in the database; remove it, or "
					"export elsewhere",
	};
	int64_t n = ++export->obstacles[obstacle];
	if (n <= EXPORT_NAMED_MAX)
		cli_warn("%s/%s: %s", level->path, name, words[obstacle]);
}

static int list(struct export *export, int64_t id, const struct export_level *level,
	struct listing *listing)
{
	if (store_list(export->reader, id, 0, take_entry, listing))
		return cli_fail("%s: %s", level->path, store_error());
	for (size_t i = 0; i < listing->n; i++)
		if (!is_file_name(listing->items[i].name))
			return export_fail_at(level, listing->items[i].name,
				"no file name; the database is damaged");
	if (level->depth >= DEPTH_MAX)
		return cli_fail("%s: too deep", level->path);
	return 0;
}

/* ---- trees ---- */

/* *ret_fd: -1 where there is none, which there has to be to write. */
static int open_below(struct export *export, const struct export_level *level, const char *name,
	mode_t mode, bool write, int *ret_fd)
{
	if (write && mkdirat(level->fd, name, mode) && errno != EEXIST)
		return export_fail_at(level, name, strerror(errno));
	int fd = level->fd < 0
			 ? -1
			 : openat(level->fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	bool other = fd < 0 && level->fd >= 0 && (errno == ENOTDIR || errno == ELOOP);
	if (other && !write)
		export_note_obstacle(export, EXPORT_NO_DIRECTORY, level, name);
	else if (fd < 0 && (write || (level->fd >= 0 && errno != ENOENT)))
		return export_fail_at(level, name, strerror(errno));
	*ret_fd = fd;
	return 0;
}

static int enter_dir(struct export *export, const struct export_level *level,
	const struct export_item *item, bool write)
{
	mode_t mode = item->node.mode >= 0 ? (mode_t)item->node.mode & 0777 : 0777;
	struct export_level below = {.fd = -1, .depth = level->depth + 1};
	char *path;
	int status = open_below(export, level, item->name, mode | 0700, write, &below.fd);
	if (status)
		return status;
	if (asprintf(&path, "%s/%s", level->path, item->name) < 0) {
		status = cli_fail("out of memory");
	} else {
		below.path = path;
		/* Of an earlier export: its owner may not have been to write in it. */
		if (write && (mode & 0700) != 0700)
			(void)fchmod(below.fd, mode | 0700);
		status = export_visit_dir(export, item->node.id, &below, write);
		free(path);
	}
	if (!status && write && item->node.mode >= 0 && fchmod(below.fd, mode))
		status = export_fail_at(level, item->name, strerror(errno));
	/* Nothing in it was chosen. */
	if (!status && write && choice_is_made(&export->transfer.choice))
		(void)unlinkat(level->fd, item->name, AT_REMOVEDIR);
	if (below.fd >= 0)
		close(below.fd);
	return status;
}

static int compare_names(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* The names of a listing in the order of the alphabet; the caller frees. NULL: no memory. */
static const char **sort_names(const struct listing *listing)
{
	const char **names = calloc(listing->n + 1, sizeof(*names));
	for (size_t i = 0; names && i < listing->n; i++)
		names[i] = listing->items[i].name;
	if (names)
		qsort(names, listing->n, sizeof(*names), compare_names);
	return names;
}

static bool is_stranger(const char *name)
{
	return is_file_name(name) && !record_is_own_name(name);
}

/* Without --overwrite the directory holds nothing that the database has not. */
static int check_strangers(
	struct export *export, const struct export_level *level, const struct listing *listing)
{
	const char **names;
	int fd = level->fd < 0 || export->overwrite || export->record.there
			 ? -1
			 : openat(level->fd, ".", O_RDONLY | O_DIRECTORY);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	const struct dirent *entry;
	if (!dir)
		return 0;
	names = sort_names(listing);
	int status = names ? 0 : cli_fail("out of memory");
	while (names && (entry = readdir(dir))) {
		const char *name = entry->d_name;
		if (is_stranger(name) &&
			!bsearch(&name, names, listing->n, sizeof(*names), compare_names))
			export_note_obstacle(export, EXPORT_STRANGER, level, name);
	}
	closedir(dir);
	free(names);
	return status;
}

/* Named once, also where what is there is looked at first. */
static int leave_out(struct export *export, const struct export_level *level, const char *name)
{
	export->hidden++;
	cli_warn("%s/%s: export uses this name itself; left out", level->path, name);
	return 0;
}

static int visit_item(struct export *export, const struct export_level *level,
	const struct export_item *item, bool write)
{
	if (record_is_own_name(item->name))
		return write == export->transfer.dry_run ? 0 : leave_out(export, level, item->name);
	return item->node.kind == STORE_DIR ? enter_dir(export, level, item, write)
					    : export_visit_file(export, level, item, write);
}

int export_visit_dir(
	struct export *export, int64_t id, const struct export_level *level, bool write)
{
	struct listing listing = {.n = 0};
	int status = list(export, id, level, &listing);
	if (!status && write)
		place_tidy(level->fd);
	else if (!status)
		status = check_strangers(export, level, &listing);
	for (size_t i = 0; i < listing.n && !status; i++) {
		status = interrupt_check("what was written so far stays; export again to go on");
		if (!status)
			status = visit_item(export, level, &listing.items[i], write);
	}
	listing_finish(&listing);
	return status;
}

bool export_is_empty(int fd)
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
