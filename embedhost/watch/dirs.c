/* SPDX-License-Identifier: MIT */
/*
 * inotify on each directory. It queues an event within the call that makes the change, so that a look after a
 * save sees it. A file that was modified and is not closed yet is left to written.c.
 */
#include "dirs.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>
#include <uthash.h>

#define EVENTS                                                                              \
	(IN_CLOSE_WRITE | IN_MODIFY | IN_CREATE | IN_DELETE | IN_MOVED_FROM | IN_MOVED_TO | \
		IN_ATTRIB | IN_DELETE_SELF | IN_MOVE_SELF | IN_ONLYDIR)
#define STRUCTURE                                                                              \
	(IN_CREATE | IN_DELETE | IN_MOVED_FROM | IN_MOVED_TO | IN_DELETE_SELF | IN_MOVE_SELF | \
		IN_ISDIR)
struct watched_dir {
	int wd;     /* key */
	char *path; /* key of its own table */
	UT_hash_handle hh, hh_path;
};

int dirs_init(struct dirs *dirs)
{
	dirs->inotify = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	return dirs->inotify < 0 ? -errno : 0;
}

static void dir_forget(struct dirs *dirs, struct watched_dir *dir)
{
	HASH_DEL(dirs->by_wd, dir);
	HASH_DELETE(hh_path, dirs->by_path, dir);
	free(dir->path);
	free(dir);
}

void dirs_finish(struct dirs *dirs)
{
	struct watched_dir *dir, *next;

	HASH_ITER (hh, dirs->by_wd, dir, next)
		dir_forget(dirs, dir);
	written_finish(&dirs->written);
	if (dirs->inotify >= 0)
		close(dirs->inotify);
}

static int dir_remember(struct dirs *dirs, int wd, const char *path)
{
	struct watched_dir *dir;

	HASH_FIND_INT(dirs->by_wd, &wd, dir);
	if (dir)
		dir_forget(dirs, dir); /* the same directory under another name */
	dir = calloc(1, sizeof(*dir));
	if (!dir || !(dir->path = strdup(path))) {
		free(dir);
		return -ENOMEM;
	}
	dir->wd = wd;
	HASH_ADD_INT(dirs->by_wd, wd, dir);
	HASH_ADD_KEYPTR(hh_path, dirs->by_path, dir->path, strlen(dir->path), dir);
	return 0;
}

bool dirs_has(const struct dirs *dirs, const char *path)
{
	struct watched_dir *dir;

	HASH_FIND(hh_path, dirs->by_path, path, strlen(path), dir);
	return dir;
}

int dirs_add(struct dirs *dirs, const char *path)
{
	int wd;

	if (dirs_has(dirs, path))
		return 0;
	wd = inotify_add_watch(dirs->inotify, path, EVENTS);
	return wd < 0 ? -errno : dir_remember(dirs, wd, path);
}

/* A new file is empty until its writer closes it; a link or a directory is there at once. */
static bool is_plain_file(const char *path)
{
	struct stat st;

	return lstat(path, &st) == 0 && S_ISREG(st.st_mode) && st.st_nlink == 1;
}

/* A directory that appears may hold files already. */
static void add_tree(struct watch *watch, const char *path, int depth)
{
	DIR *dir = depth > 0 && watch_add_dir(watch, path) == 0 ? opendir(path) : NULL;
	char child[PATH_MAX];
	struct dirent *entry;

	while (dir && (entry = readdir(dir)))
		if (entry->d_type == DT_DIR && entry->d_name[0] != '.' &&
			snprintf(child, sizeof(child), "%s/%s", path, entry->d_name) <
				(int)sizeof(child))
			add_tree(watch, child, depth - 1);
	if (dir)
		closedir(dir);
}

struct taking {
	struct dirs *dirs;
	struct watch *watch;
	const struct watch_sink *sink;
};

static int take_event(struct taking *taking, const struct inotify_event *event, bool *ret_overrun)
{
	struct dirs *dirs = taking->dirs;
	struct watched_dir *dir;
	bool structure = false;
	char path[PATH_MAX];

	if (event->mask & IN_Q_OVERFLOW)
		*ret_overrun = true;
	HASH_FIND_INT(dirs->by_wd, &event->wd, dir);
	if (!dir)
		return 0;
	if (snprintf(path, sizeof(path), event->len ? "%s/%s" : "%s", dir->path, event->name) >=
		(int)sizeof(path))
		return 0;
	if (event->mask & IN_IGNORED) {
		dir_forget(dirs, dir);
		return 0;
	}
	if (event->mask & IN_ISDIR && event->mask & (IN_CREATE | IN_MOVED_TO))
		add_tree(taking->watch, path, 8);
	if (event->mask & IN_MODIFY)
		return written_add(&dirs->written, path, false);
	if (event->mask & IN_CREATE && is_plain_file(path))
		return written_add(&dirs->written, path, true);
	if (event->mask & ~(IN_ATTRIB | IN_CREATE | IN_ISDIR))
		structure = written_remove(&dirs->written, path);
	return watch_report(taking->sink, path, structure || event->mask & STRUCTURE);
}

int dirs_take(
	struct dirs *dirs, struct watch *watch, const struct watch_sink *sink, bool *ret_overrun)
{
	char buffer[65536] __attribute__((aligned(__alignof__(struct inotify_event))));
	struct taking taking = {dirs, watch, sink};
	const struct inotify_event *event;
	ssize_t got;
	int result = 0;

	while ((got = read(dirs->inotify, buffer, sizeof(buffer))) > 0)
		for (char *at = buffer; at < buffer + got; at += sizeof(*event) + event->len) {
			event = (const struct inotify_event *)at;
			if (result >= 0)
				result = take_event(&taking, event, ret_overrun);
		}
	return result < 0 ? result : written_take_old(&dirs->written, sink);
}

int dirs_after_fork(struct dirs *dirs, bool *ret_lost)
{
	struct watched_dir *dir, *next, *before = dirs->by_path;
	int err = watch_replace_fd(dirs->inotify, inotify_init1(IN_CLOEXEC | IN_NONBLOCK));

	if (err < 0)
		return err;
	HASH_CLEAR(hh, dirs->by_wd);
	HASH_CLEAR(hh_path, dirs->by_path);
	for (dir = before; dir; dir = next) {
		next = dir->hh_path.next;
		if (dirs_add(dirs, dir->path) < 0)
			*ret_lost = true;
		free(dir->path);
		free(dir);
	}
	return 0;
}
