/* SPDX-License-Identifier: MIT */
/*
 * The watched directories together, behind one descriptor: an epoll instance over inotify, the
 * feeds of mounts, and a timer that runs only while something can't be watched or is gone.
 *
 * inotify queues an event within the call that makes the change, so that a look after a save sees
 * it. A file that was modified and is not closed yet is being written: it is reported when it is
 * closed, or once it has been left open for a while.
 */
#include "watch.h"
#include "mount.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/magic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <sys/timerfd.h>
#include <sys/vfs.h>
#include <time.h>
#include <unistd.h>
#include <uthash.h>

#define EVENTS                                                                              \
	(IN_CLOSE_WRITE | IN_MODIFY | IN_CREATE | IN_DELETE | IN_MOVED_FROM | IN_MOVED_TO | \
		IN_ATTRIB | IN_DELETE_SELF | IN_MOVE_SELF | IN_ONLYDIR)
#define STRUCTURE                                                                              \
	(IN_CREATE | IN_DELETE | IN_MOVED_FROM | IN_MOVED_TO | IN_DELETE_SELF | IN_MOVE_SELF | \
		IN_ISDIR)
#define LEFT_OPEN_SECONDS 0.5

struct watched_dir {
	int wd;     /* key */
	char *path; /* key of its own table */
	UT_hash_handle hh, hh_path;
};

struct written_file {
	char *path; /* key */
	double since;
	bool structure; /* it is new */
	UT_hash_handle hh;
};

struct watch {
	int epoll, inotify, timer;
	struct watched_dir *by_wd, *by_path;
	struct written_file *written;
	struct mount *mounts;
	bool sweep;   /* something can't be watched */
	bool overrun; /* events were lost: look at everything once */
};

static double now_seconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static int epoll_add(struct watch *watch, int fd)
{
	struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};

	return epoll_ctl(watch->epoll, EPOLL_CTL_ADD, fd, &event) < 0 ? -errno : 0;
}

int watch_create(struct watch **ret_watch)
{
	struct watch *watch = calloc(1, sizeof(*watch));
	int err = -ENOMEM;

	if (!watch)
		return err;
	watch->epoll = epoll_create1(EPOLL_CLOEXEC);
	watch->inotify = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	watch->timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	if (watch->epoll < 0 || watch->inotify < 0 || watch->timer < 0)
		err = -errno;
	else
		err = epoll_add(watch, watch->inotify);
	if (err == 0)
		err = epoll_add(watch, watch->timer);
	if (err < 0) {
		watch_destroy(watch);
		return err;
	}
	*ret_watch = watch;
	return 0;
}

static void dir_forget(struct watch *watch, struct watched_dir *dir)
{
	HASH_DEL(watch->by_wd, dir);
	HASH_DELETE(hh_path, watch->by_path, dir);
	free(dir->path);
	free(dir);
}

static void written_forget(struct watch *watch, struct written_file *file)
{
	HASH_DEL(watch->written, file);
	free(file->path);
	free(file);
}

void watch_destroy(struct watch *watch)
{
	struct watched_dir *dir, *next_dir;
	struct written_file *file, *next_file;
	struct mount *mount;

	if (!watch)
		return;
	HASH_ITER (hh, watch->by_wd, dir, next_dir)
		dir_forget(watch, dir);
	HASH_ITER (hh, watch->written, file, next_file)
		written_forget(watch, file);
	while ((mount = watch->mounts)) {
		watch->mounts = mount->next;
		mount_destroy(mount);
	}
	if (watch->timer >= 0)
		close(watch->timer);
	if (watch->inotify >= 0)
		close(watch->inotify);
	if (watch->epoll >= 0)
		close(watch->epoll);
	free(watch);
}

int watch_fd(const struct watch *watch)
{
	return watch->epoll;
}

/* Once a second while it is on. */
static void timer_set(struct watch *watch, bool on)
{
	struct itimerspec time = {{on, 0}, {on, 0}};

	timerfd_settime(watch->timer, 0, &time, NULL);
}

void watch_set_sweep(struct watch *watch)
{
	if (watch->sweep)
		return;
	watch->sweep = true;
	timer_set(watch, true);
}

static struct mount *mount_of(const struct watch *watch, const char *path)
{
	struct mount *mount;

	for (mount = watch->mounts; mount; mount = mount->next)
		if (mount_holds(mount, path))
			return mount;
	return NULL;
}

/* File systems on which inotify doesn't tell of every change. */
static bool is_silent(const char *dir)
{
	struct statfs fs;

	if (statfs(dir, &fs) < 0)
		return false;
	switch ((unsigned long)fs.f_type) {
	case FUSE_SUPER_MAGIC:
	case NFS_SUPER_MAGIC:
	case SMB_SUPER_MAGIC:
	case CIFS_SUPER_MAGIC:
	case SMB2_SUPER_MAGIC:
	case V9FS_MAGIC:
	case CEPH_SUPER_MAGIC:
	case AFS_SUPER_MAGIC:
		return true;
	default:
		return false;
	}
}

int watch_add_root(struct watch *watch, const char *dir)
{
	struct mount *mount;
	int err;

	if (mount_of(watch, dir))
		return 0;
	if (!is_silent(dir))
		return watch_add_dir(watch, dir);
	mount = mount_find(dir, &err);
	if (!mount) {
		watch_set_sweep(watch);
		return err == -ENOENT ? 0 : err;
	}
	err = epoll_add(watch, mount->fd);
	if (err < 0) {
		mount_destroy(mount);
		return err;
	}
	mount->next = watch->mounts;
	watch->mounts = mount;
	return 0;
}

static int dir_remember(struct watch *watch, int wd, const char *path)
{
	struct watched_dir *dir;

	HASH_FIND_INT(watch->by_wd, &wd, dir);
	if (dir)
		dir_forget(watch, dir); /* the same directory under another name */
	dir = calloc(1, sizeof(*dir));
	if (!dir || !(dir->path = strdup(path))) {
		free(dir);
		return -ENOMEM;
	}
	dir->wd = wd;
	HASH_ADD_INT(watch->by_wd, wd, dir);
	HASH_ADD_KEYPTR(hh_path, watch->by_path, dir->path, strlen(dir->path), dir);
	return 0;
}

int watch_add_dir(struct watch *watch, const char *path)
{
	struct watched_dir *dir;
	int wd;

	HASH_FIND(hh_path, watch->by_path, path, strlen(path), dir);
	if (dir || mount_of(watch, path))
		return 0;
	if (is_silent(path)) {
		watch_set_sweep(watch);
		return 0;
	}
	wd = inotify_add_watch(watch->inotify, path, EVENTS);
	if (wd >= 0)
		return dir_remember(watch, wd, path);
	if (errno == ENOENT || errno == ENOTDIR)
		return -errno;
	watch_set_sweep(watch); /* no more watches to be had, or none allowed */
	return 0;
}

static int written_add(struct watch *watch, const char *path, bool structure)
{
	struct written_file *file;

	HASH_FIND_STR(watch->written, path, file);
	if (file)
		return 0;
	file = calloc(1, sizeof(*file));
	if (!file || !(file->path = strdup(path))) {
		free(file);
		return -ENOMEM;
	}
	file->since = now_seconds();
	file->structure = structure;
	HASH_ADD_KEYPTR(hh, watch->written, file->path, strlen(file->path), file);
	return 0;
}

/* Whether it was new when the writing began. */
static bool written_remove(struct watch *watch, const char *path)
{
	struct written_file *file;
	bool structure;

	HASH_FIND_STR(watch->written, path, file);
	structure = file && file->structure;
	if (file)
		written_forget(watch, file);
	return structure;
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

struct sink {
	int (*fn)(const struct watch_change *, void *);
	void *data;
};

static int report(const struct sink *sink, const char *path, bool structure)
{
	struct watch_change change = {path, structure};

	return sink->fn(&change, sink->data);
}

static int take_event(
	struct watch *watch, const struct inotify_event *event, const struct sink *sink)
{
	struct watched_dir *dir;
	bool structure = false;
	char path[PATH_MAX];

	if (event->mask & IN_Q_OVERFLOW)
		watch->overrun = true;
	HASH_FIND_INT(watch->by_wd, &event->wd, dir);
	if (!dir)
		return 0;
	if (snprintf(path, sizeof(path), event->len ? "%s/%s" : "%s", dir->path, event->name) >=
		(int)sizeof(path))
		return 0;
	if (event->mask & IN_IGNORED) {
		dir_forget(watch, dir);
		return 0;
	}
	if (event->mask & IN_ISDIR && event->mask & (IN_CREATE | IN_MOVED_TO))
		add_tree(watch, path, 8);
	if (event->mask & IN_MODIFY)
		return written_add(watch, path, false);
	if (event->mask & IN_CREATE && is_plain_file(path))
		return written_add(watch, path, true);
	if (event->mask & ~(IN_ATTRIB | IN_CREATE | IN_ISDIR))
		structure = written_remove(watch, path);
	return report(sink, path, structure || event->mask & STRUCTURE);
}

static int take_inotify(struct watch *watch, const struct sink *sink)
{
	char buffer[65536] __attribute__((aligned(__alignof__(struct inotify_event))));
	const struct inotify_event *event;
	ssize_t got;
	int result = 0;

	while ((got = read(watch->inotify, buffer, sizeof(buffer))) > 0)
		for (char *at = buffer; at < buffer + got; at += sizeof(*event) + event->len) {
			event = (const struct inotify_event *)at;
			if (result >= 0)
				result = take_event(watch, event, sink);
		}
	return result < 0 ? result : 0;
}

static int take_written(struct watch *watch, const struct sink *sink)
{
	struct written_file *file, *next;
	double before = now_seconds() - LEFT_OPEN_SECONDS;
	int result = 0;

	HASH_ITER (hh, watch->written, file, next)
		if (result >= 0 && file->since < before) {
			result = report(sink, file->path, file->structure);
			written_forget(watch, file);
		}
	return result < 0 ? result : 0;
}

/* The last generation may come with an error; the lines count all the same. */
static int take_mount(
	struct watch *watch, struct mount *mount, const struct sink *sink, bool *ret_sweep)
{
	int result = 0;

	if (mount->fd < 0 && mount_reopen(mount) == 0) {
		*ret_sweep = true;
		result = epoll_add(watch, mount->fd);
		timer_set(watch, watch->sweep);
	}
	if (result == 0 && mount->fd >= 0)
		result = mount_read(mount, sink->fn, sink->data, ret_sweep);
	if (mount->fd >= 0)
		return result;
	timer_set(watch, true);
	return 0;
}

/* One call of the kernel when nothing waits. */
static bool is_quiet(struct watch *watch)
{
	struct epoll_event event;
	uint64_t count;

	if (watch->sweep || watch->written || watch->overrun)
		return false;
	if (epoll_wait(watch->epoll, &event, 1, 0) == 0)
		return true;
	(void)!read(watch->timer, &count, sizeof(count));
	return false;
}

int watch_take(struct watch *watch, int (*fn)(const struct watch_change *change, void *data),
	void *data, bool *ret_sweep)
{
	struct sink sink = {fn, data};
	bool sweep = watch->sweep;
	struct mount *mount;
	uint64_t count;
	int result;

	*ret_sweep = false;
	if (is_quiet(watch))
		return 0;
	(void)!read(watch->timer, &count, sizeof(count));
	result = take_inotify(watch, &sink);
	if (result == 0)
		result = take_written(watch, &sink);
	for (mount = watch->mounts; result == 0 && mount; mount = mount->next)
		result = take_mount(watch, mount, &sink, &sweep);
	*ret_sweep = sweep || watch->overrun;
	watch->overrun = false;
	return result;
}

static int replace(int fd, int fresh)
{
	int result = 0;

	if (fresh < 0 || dup3(fresh, fd, O_CLOEXEC) < 0)
		result = -errno;
	if (fresh >= 0)
		close(fresh);
	return result;
}

/* A directory that can't be watched any more is looked at. */
static void watch_dirs_again(struct watch *watch)
{
	struct watched_dir *dirs = watch->by_path, *dir, *next;

	HASH_CLEAR(hh, watch->by_wd);
	HASH_CLEAR(hh_path, watch->by_path);
	for (dir = dirs; dir; dir = next) {
		next = dir->hh_path.next;
		if (watch_add_dir(watch, dir->path) < 0)
			watch_set_sweep(watch);
		free(dir->path);
		free(dir);
	}
}

int watch_after_fork(struct watch *watch)
{
	int err = replace(watch->epoll, epoll_create1(EPOLL_CLOEXEC));

	if (err == 0)
		err = replace(watch->inotify, inotify_init1(IN_CLOEXEC | IN_NONBLOCK));
	if (err == 0)
		err = replace(
			watch->timer, timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK));
	if (err == 0)
		err = epoll_add(watch, watch->inotify);
	if (err == 0)
		err = epoll_add(watch, watch->timer);
	if (err < 0)
		return err;
	watch_dirs_again(watch);
	for (struct mount *mount = watch->mounts; mount; mount = mount->next)
		if (mount_after_fork(mount) < 0 || epoll_add(watch, mount->fd) < 0)
			timer_set(watch, true);
	if (watch->sweep)
		timer_set(watch, true);
	watch->overrun = true;
	watch_nudge(watch);
	return 0;
}

void watch_nudge(struct watch *watch)
{
	struct itimerspec time;

	if (timerfd_gettime(watch->timer, &time) < 0 || time.it_interval.tv_sec)
		return; /* it ticks anyway */
	time = (struct itimerspec){.it_value.tv_nsec = 1};
	timerfd_settime(watch->timer, 0, &time, NULL);
}

bool watch_is_lost(const struct watch *watch, const char *path)
{
	const struct mount *mount = mount_of(watch, path);

	return mount && mount->fd < 0;
}

const char *watch_read_path(const struct watch *watch, const char *path, char *buffer, size_t size)
{
	const struct mount *mount = mount_of(watch, path);

	if (!mount || mount->fd < 0 || !mount->number)
		return path;
	if (snprintf(buffer, size, "%s/.pymodfs/at/%llu%s", mount->dir,
		    (unsigned long long)mount->generation, path + strlen(mount->dir)) >= (int)size)
		return path;
	return buffer;
}
