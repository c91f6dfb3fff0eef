/* SPDX-License-Identifier: MIT */
/*
 * The watched directories together, behind one descriptor: an epoll instance over the inotify of plain
 * directories, the feeds of mounts, and a timer that runs only while something can't be watched or is
 * gone.
 */
#include "watch.h"
#include "dirs.h"
#include "mount.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <sys/vfs.h>
#include <unistd.h>

struct watch {
	int epoll, timer;
	struct dirs dirs;
	struct mount *mounts;
	bool sweep;   /* something can't be watched */
	bool overrun; /* events were lost: look at everything once */
};

int watch_report(const struct watch_sink *sink, const char *path, bool structure)
{
	struct watch_change change = {path, structure};

	return sink->fn(&change, sink->data);
}

static int epoll_add(struct watch *watch, int fd)
{
	struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};

	return epoll_ctl(watch->epoll, EPOLL_CTL_ADD, fd, &event) < 0 ? -errno : 0;
}

static int add_own(struct watch *watch)
{
	int err = epoll_add(watch, watch->dirs.inotify);

	return err < 0 ? err : epoll_add(watch, watch->timer);
}

int watch_create(struct watch **ret_watch)
{
	struct watch *watch = calloc(1, sizeof(*watch));
	int err;

	if (!watch)
		return -ENOMEM;
	watch->epoll = epoll_create1(EPOLL_CLOEXEC);
	watch->timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	err = watch->epoll < 0 || watch->timer < 0 ? -errno : 0;
	if (err == 0)
		err = dirs_init(&watch->dirs);
	else
		watch->dirs.inotify = -1;
	if (err == 0)
		err = add_own(watch);
	if (err < 0) {
		watch_destroy(watch);
		return err;
	}
	*ret_watch = watch;
	return 0;
}

void watch_destroy(struct watch *watch)
{
	struct mount *mount;

	if (!watch)
		return;
	dirs_finish(&watch->dirs);
	while ((mount = watch->mounts)) {
		watch->mounts = mount->next;
		mount_destroy(mount);
	}
	if (watch->timer >= 0)
		close(watch->timer);
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

int watch_add_dir(struct watch *watch, const char *path)
{
	int err;

	if (mount_of(watch, path))
		return 0;
	err = dirs_has(&watch->dirs, path) || !is_silent(path) ? dirs_add(&watch->dirs, path)
							       : -EOPNOTSUPP;
	if (err < 0 && err != -ENOENT && err != -ENOTDIR && err != -ENOMEM) {
		watch_set_sweep(
			watch); /* no more watches to be had, or none allowed, or none of use */
		return 0;
	}
	return err;
}

/* The last generation may come with an error; the lines count all the same. */
static int take_mount(
	struct watch *watch, struct mount *mount, const struct watch_sink *sink, bool *ret_sweep)
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

	if (watch->sweep || watch->dirs.written.files || watch->overrun)
		return false;
	if (epoll_wait(watch->epoll, &event, 1, 0) == 0)
		return true;
	(void)!read(watch->timer, &count, sizeof(count));
	return false;
}

int watch_take(struct watch *watch, int (*fn)(const struct watch_change *change, void *data),
	void *data, bool *ret_sweep)
{
	struct watch_sink sink = {fn, data};
	bool sweep = watch->sweep;
	struct mount *mount;
	uint64_t count;
	int result;

	*ret_sweep = false;
	if (is_quiet(watch))
		return 0;
	(void)!read(watch->timer, &count, sizeof(count));
	result = dirs_take(&watch->dirs, watch, &sink, &watch->overrun);
	for (mount = watch->mounts; result == 0 && mount; mount = mount->next)
		result = take_mount(watch, mount, &sink, &sweep);
	*ret_sweep = sweep || watch->overrun;
	watch->overrun = false;
	return result;
}

int watch_replace_fd(int fd, int fresh)
{
	int result = 0;

	if (fresh < 0 || dup3(fresh, fd, O_CLOEXEC) < 0)
		result = -errno;
	if (fresh >= 0)
		close(fresh);
	return result;
}

int watch_after_fork(struct watch *watch)
{
	int err = watch_replace_fd(watch->epoll, epoll_create1(EPOLL_CLOEXEC));
	bool lost = false;

	if (err == 0)
		err = watch_replace_fd(
			watch->timer, timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK));
	if (err == 0)
		err = dirs_after_fork(&watch->dirs, &lost);
	if (err == 0)
		err = add_own(watch);
	if (err < 0)
		return err;
	for (struct mount *mount = watch->mounts; mount; mount = mount->next)
		if (mount_after_fork(mount) < 0 || epoll_add(watch, mount->fd) < 0)
			timer_set(watch, true);
	if (lost || watch->sweep) {
		watch->sweep = true;
		timer_set(watch, true);
	}
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

/* at/GENERATION of the mount that the path is below, and what follows. False: it is below none, or it doesn't fit. */
static bool print_at(const struct mount *mount, const char *rest, char *buffer, size_t size)
{
	if (!mount || mount->fd < 0 || !mount->number)
		return false;
	return snprintf(buffer, size, "%s/.pymodfs/at/%llu%s", mount->dir,
		       (unsigned long long)mount->generation, rest) < (int)size;
}

const char *watch_read_path(const struct watch *watch, const char *path, char *buffer, size_t size)
{
	const struct mount *mount = mount_of(watch, path);
	const char *rest = mount ? path + strlen(mount->dir) : "";

	return print_at(mount, rest, buffer, size) ? buffer : path;
}

bool watch_changed_path(const struct watch *watch, const char *path, char *buffer, size_t size)
{
	return print_at(mount_of(watch, path), WATCH_CHANGED, buffer, size);
}
