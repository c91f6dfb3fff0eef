/* SPDX-License-Identifier: MIT */
/*
 * pymodfs export: the tree of the database into a directory.
 *
 * One snapshot is read, twice: once to see that nothing in the directory would be lost, once to write. Files
 * are written beside their place and renamed onto it. Directories are opened one below the other without
 * following links, and the database's names are checked, so that nothing is written outside DIR.
 */
#include "cli.h"
#include "progress.h"
#include "store.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define DEPTH_MAX 2048 /* as deep as a path can be */
#define TEMPORARY ".pymodfs-export.tmp"

struct export
{
	bool overwrite; /* option */
	const char *dir;
	struct store_reader *reader;
	mode_t umask;
	struct progress progress;
	int64_t done;
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

static int read_whole(int dirfd, const char *name, const struct stat *st, char **ret_data)
{
	char *data = malloc((size_t)st->st_size + 1);
	ssize_t size = -1;
	if (!data)
		return -ENOMEM;
	if (S_ISLNK(st->st_mode)) {
		size = readlinkat(dirfd, name, data, (size_t)st->st_size + 1);
	} else {
		int fd = openat(dirfd, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
		if (fd >= 0) {
			size = read(fd, data, (size_t)st->st_size + 1);
			close(fd);
		}
	}
	if (size != st->st_size) {
		free(data);
		return size < 0 ? -errno : -EAGAIN;
	}
	*ret_data = data;
	return 0;
}

/* Does the file hold exactly these bytes? */
static bool is_same(
	const struct level *level, const struct listed *item, const void *data, size_t size)
{
	struct stat st;
	char *there = NULL;
	if (level->fd < 0 || fstatat(level->fd, item->name, &st, AT_SYMLINK_NOFOLLOW))
		return false;
	bool link = S_ISLNK(st.st_mode);
	if ((!link && !S_ISREG(st.st_mode)) || link != (item->node.kind == STORE_LINK) ||
		st.st_size != (off_t)size || read_whole(level->fd, item->name, &st, &there))
		return false;
	bool same = !memcmp(there, data, size);
	free(there);
	return same;
}

static bool is_there(const struct level *level, const char *name)
{
	struct stat st;
	return level->fd >= 0 && !fstatat(level->fd, name, &st, AT_SYMLINK_NOFOLLOW);
}

static int write_all(int fd, const char *data, size_t size)
{
	while (size) {
		ssize_t n = write(fd, data, size);
		if (n < 0 && errno != EINTR)
			return -errno;
		if (n > 0) {
			data += n;
			size -= (size_t)n;
		}
	}
	return 0;
}

static int set_attributes(const struct export *export, int fd, const struct store_node *node)
{
	const struct timespec times[2] = {
		{.tv_sec = node->mtime / 1000000000, .tv_nsec = node->mtime % 1000000000},
		{.tv_sec = node->mtime / 1000000000, .tv_nsec = node->mtime % 1000000000},
	};
	mode_t mode = node->mode >= 0 ? (mode_t)node->mode & 0777 : 0666 & ~export->umask;
	if (fchmod(fd, mode) || futimens(fd, times))
		return -errno;
	return 0;
}

static int write_temporary(const struct export *export, int dirfd, const struct listed *item,
	const void *data, size_t size)
{
	unlinkat(dirfd, TEMPORARY, 0);
	if (item->node.kind == STORE_LINK)
		return symlinkat(data, dirfd, TEMPORARY) ? -errno : 0;
	int fd = openat(
		dirfd, TEMPORARY, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return -errno;
	int err = write_all(fd, data, size);
	if (!err)
		err = set_attributes(export, fd, &item->node);
	if (close(fd) && !err)
		err = -errno;
	return err;
}

static int write_file(const struct export *export, const struct level *level,
	const struct listed *item, const void *data, size_t size)
{
	int err = write_temporary(export, level->fd, item, data, size);
	if (!err && renameat(level->fd, TEMPORARY, level->fd, item->name))
		err = -errno;
	if (err)
		unlinkat(level->fd, TEMPORARY, 0);
	return err ? fail_at(level, item->name, strerror(-err)) : 0;
}

static int visit_file(
	struct export *export, const struct level *level, const struct listed *item, bool write)
{
	void *data;
	size_t size;
	int status = 0;
	if (store_read(export->reader, item->node.version, &data, &size))
		return fail_at(level, item->name, store_error());
	if (!is_same(level, item, data, size)) {
		if (write)
			status = write_file(export, level, item, data, size);
		else if (is_there(level, item->name) && !export->overwrite)
			status = fail_at(level, item->name,
				"differs from the database; --overwrite replaces it; nothing was "
				"exported");
	}
	free(data);
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

/* Without --overwrite the directory holds nothing that the database has not. */
static int check_strangers(
	const struct export *export, const struct level *level, const struct listing *listing)
{
	int fd = level->fd < 0 || export->overwrite
			 ? -1
			 : openat(level->fd, ".", O_RDONLY | O_DIRECTORY);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	const struct dirent *entry;
	int status = 0;
	while (dir && !status && (entry = readdir(dir)))
		if (is_file_name(entry->d_name) && !is_listed(listing, entry->d_name))
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

static int export_tree(struct export *export, int64_t total)
{
	struct level top = {.path = export->dir};
	if (mkdir(export->dir, 0777) && errno != EEXIST)
		return cli_fail("%s: %s", export->dir, strerror(errno));
	top.fd = open(export->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (top.fd < 0)
		return cli_fail("%s: %s", export->dir, strerror(errno));
	bool empty = is_empty(top.fd);
	progress_init(&export->progress, "exporting", empty ? total : 2 * total);
	int status = empty ? 0 : visit_level(export, STORE_ROOT, &top, false);
	if (!status)
		status = visit_level(export, STORE_ROOT, &top, true);
	progress_finish(&export->progress, !status);
	close(top.fd);
	return status;
}

/* Rows that can't be files are named; the others are exported. */
static int name_hidden(void *arg, const char *name, size_t size)
{
	*(bool *)arg = true;
	fputs("pymodfs export: not a path, left out: ", stderr);
	for (size_t i = 0; i < size; i++)
		if ((unsigned char)name[i] < ' ')
			fprintf(stderr, "\\x%02x", (unsigned char)name[i]);
		else
			fputc(name[i], stderr);
	fputc('\n', stderr);
	return 0;
}

static int export_snapshot(struct export *export)
{
	struct store_counts counts;
	bool hidden = false;
	if (store_count(export->reader, &counts))
		return cli_fail("%s", store_error());
	int status = export_tree(export, counts.modules + counts.files + counts.links);
	if (status)
		return status;
	if (store_hidden(export->reader, name_hidden, &hidden))
		return cli_fail("%s", store_error());
	printf("%lld modules, %lld other files\n", (long long)counts.modules,
		(long long)(counts.files + counts.links));
	return hidden ? CLI_FAILURE : 0;
}

static const struct cli_option options[] = {
	{"overwrite", 0, CLI_FLAG, offsetof(struct export, overwrite), NULL, CLI_NOTHING,
		"DIR may hold anything: files that differ are replaced, others left alone"},
	{0},
};

static int run(void *arg, int argc, char **argv)
{
	const struct store_options store_options = {.read_only = true};
	struct export *export = arg;
	struct store *store;
	export->dir = argv[1];
	export->umask = umask(0);
	umask(export->umask);
	if (store_open(argv[0], &store_options, &store))
		return cli_fail("%s", store_error());
	int status = CLI_FAILURE;
	if (store_reader_create(store, &export->reader) || store_reader_begin(export->reader))
		cli_fail("%s", store_error());
	else
		status = export_snapshot(export);
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
		 "DIR is made if it isn't there; otherwise it must be empty or hold the same "
		 "already.\n",
	.options = options,
	.size = sizeof(struct export),
	.min = 2,
	.max = 2,
	.wanted = "name the database and the directory",
	.words = {CLI_DB, CLI_DIR, CLI_NOTHING},
	.run = run,
};
