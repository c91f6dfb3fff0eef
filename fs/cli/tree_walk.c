/* SPDX-License-Identifier: MIT */
/*
 * Walks a directory into a list, with fts(3). The list is complete before anything is done with it, so that
 * what can be refused is refused first. One thread.
 */
#include "tree_walk.h"
#include "mounts.h"
#include "record.h"
#include "../store/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <fts.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Bytecode; swap and backup files of vim, emacs, nano, JetBrains; version control. */
static const char *const left_out[] = {
	"__pycache__",
	"*.pyc",
	"*.pyo",
	".*.sw?",
	".*.sw??",
	"4913",
	"*~",
	"#*#",
	".#*",
	"*___jb_tmp___",
	"*___jb_old___",
	".git",
	".hg",
	".svn",
};

static bool is_left_out(const char *name)
{
	for (size_t i = 0; i < sizeof(left_out) / sizeof(left_out[0]); i++)
		if (!fnmatch(left_out[i], name, 0))
			return true;
	return false;
}

bool walk_leaves_out(const char *path)
{
	char name[NAME_MAX + 1];
	while (*path) {
		size_t size = strcspn(path, "/");
		snprintf(name, sizeof(name), "%.*s", (int)size, path);
		if (is_left_out(name))
			return true;
		path += size + (path[size] == '/');
	}
	return false;
}

/* The database itself, or one of the files that SQLite keeps beside it. */
static bool is_database(const FTSENT *entry, const char *database)
{
	static const char *const suffixes[] = {"", "-wal", "-shm", "-journal"};
	char path[4096 + 16];
	struct stat st;
	if (!S_ISREG(entry->fts_statp->st_mode) || strlen(database) > 4096)
		return false;
	for (size_t i = 0; i < 4; i++) {
		strcpy(stpcpy(path, database), suffixes[i]);
		if (!stat(path, &st) && st.st_ino == entry->fts_statp->st_ino &&
			st.st_dev == entry->fts_statp->st_dev)
			return true;
	}
	return false;
}

/* What it shows would be taken in a second time, below its own place. */
static bool is_own_mount(const FTSENT *entry, const char *database)
{
	return entry->fts_info == FTS_D &&
	       entry->fts_statp->st_dev != entry->fts_parent->fts_statp->st_dev &&
	       mounts_is_of(entry->fts_path, database);
}

static int compare_names(const FTSENT **a, const FTSENT **b)
{
	return strcmp((*a)->fts_name, (*b)->fts_name);
}

static int add_item(struct walk *walk, FTSENT *entry)
{
	if (walk->n == walk->room) {
		size_t room = walk->room ? 2 * walk->room : 256;
		void *items = realloc(walk->items, room * sizeof(*walk->items));
		if (!items)
			return -ENOMEM;
		walk->items = items;
		walk->room = room;
	}
	struct walk_item *item = &walk->items[walk->n];
	*item = (struct walk_item){
		.path = strdup(entry->fts_path),
		.parent = entry->fts_level > 1 ? (ssize_t)entry->fts_parent->fts_number : -1,
		.mode = entry->fts_statp->st_mode,
		.mtime = clock_join(&entry->fts_statp->st_mtim),
	};
	if (!item->path)
		return -ENOMEM;
	const char *slash = strrchr(item->path, '/');
	item->name = slash ? slash + 1 : item->path;
	entry->fts_number = (long)walk->n++;
	return 0;
}

/* 1 to leave it out, 0 to go on, or a negative errno. */
static int take_entry(
	struct walk *walk, FTS *fts, FTSENT *entry, bool everything, const char *database)
{
	switch (entry->fts_info) {
	case FTS_DP:
		return 0;
	case FTS_DNR:
	case FTS_ERR:
	case FTS_NS:
		walk->failed = strdup(entry->fts_path);
		return -entry->fts_errno;
	case FTS_D:
		break;
	default:
		if (!entry->fts_level)
			return -ENOTDIR;
	}
	if (!entry->fts_level)
		return 0;
	if ((!everything && is_left_out(entry->fts_name)) || record_is_own_name(entry->fts_name) ||
		is_database(entry, database) || is_own_mount(entry, database)) {
		fts_set(fts, entry, FTS_SKIP);
		return 0;
	}
	return add_item(walk, entry);
}

int walk_init(struct walk *walk, const char *dir, bool everything, const char *database)
{
	char *roots[] = {strdup(dir), NULL};
	FTSENT *entry;
	int err = 0;
	*walk = (struct walk){.items = NULL};
	if (!roots[0])
		return -ENOMEM;
	FTS *fts = fts_open(roots, FTS_PHYSICAL | FTS_COMFOLLOW | FTS_NOCHDIR, compare_names);
	if (!fts) {
		err = -errno;
		free(roots[0]);
		return err;
	}
	errno = 0;
	while (!err && (entry = fts_read(fts)))
		err = take_entry(walk, fts, entry, everything, database);
	if (!err && errno)
		err = -errno;
	fts_close(fts);
	free(roots[0]);
	return err;
}

void walk_finish(struct walk *walk)
{
	for (size_t i = 0; i < walk->n; i++)
		free(walk->items[i].path);
	free(walk->items);
	free(walk->failed);
}

const char *walk_below(const struct walk_item *item, const char *dir)
{
	const char *path = item->path + strlen(dir);
	return path + strspn(path, "/");
}

static int read_link(const struct walk_item *item, void **ret_data, size_t *ret_size)
{
	char target[4096];
	ssize_t size = readlink(item->path, target, sizeof(target));
	if (size < 0)
		return -errno;
	void *data = malloc((size_t)size + 1);
	if (!data)
		return -ENOMEM;
	memcpy(data, target, (size_t)size);
	*ret_data = data;
	*ret_size = (size_t)size;
	return 0;
}

/* Reads to the end, whatever the size was said to be. */
static int read_all(int fd, size_t expected, void **ret_data, size_t *ret_size)
{
	size_t size = 0, room = expected + 1;
	char *data = malloc(room);
	ssize_t n = data ? 1 : -1;
	int err = data ? 0 : -ENOMEM;
	while (!err && n) {
		if (size == room) {
			char *more = realloc(data, 2 * room);
			if (!more) {
				err = -ENOMEM;
				break;
			}
			data = more;
			room *= 2;
		}
		n = read(fd, data + size, room - size);
		if (n < 0 && errno != EINTR)
			err = -errno;
		size += n > 0 ? (size_t)n : 0;
	}
	if (err) {
		free(data);
		return err;
	}
	*ret_data = data;
	*ret_size = size;
	return 0;
}

int walk_read(const struct walk_item *item, void **ret_data, size_t *ret_size)
{
	struct stat st;
	if (S_ISLNK(item->mode))
		return read_link(item, ret_data, ret_size);
	int fd = open(item->path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0)
		return -errno;
	int err = fstat(fd, &st) ? -errno : 0;
	if (!err && !S_ISREG(st.st_mode))
		err = -EINVAL;
	if (!err)
		err = read_all(fd, (size_t)st.st_size, ret_data, ret_size);
	close(fd);
	return err;
}
