/* SPDX-License-Identifier: MIT */
/*
 * pymodfs umount: takes a mount down and waits for its daemon's end.
 *
 * Only mounts of pymodfs, as the kernel's table says; the table is also all that is asked about a dead
 * mount, which answers nothing. Who may unmounts by system call (root; a service with
 * CAP_SYS_ADMIN), others through fusermount3.
 */
#include "../mount/mountpoint.h"
#include "../store/user.h"
#include "cli.h"
#include "mounts.h"
#include "waiting.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/pidfd.h>
#include <unistd.h>

#define END_TIMEOUT_MS 30000
#define ECHO_TIMEOUT_MS 5000
#define ECHO_PAUSE_MS 10

struct umount {
	bool lazy;
};

static const struct cli_option options[] = {
	{"lazy", 'l', CLI_FLAG, offsetof(struct umount, lazy), NULL, CLI_NOTHING,
		"also when somebody still uses it: it goes when they are done"},
	{0},
};

/* A descriptor of the daemon's process, or -1: not known, or gone. */
static int daemon_fd(const char *path)
{
	int fd = -1;
	json_t *status = mounts_read_status(path);
	json_int_t pid = json_integer_value(json_object_get(status, "pid"));
	if (pid > 0)
		fd = pidfd_open((pid_t)pid, 0);
	json_decref(status);
	return fd;
}

/* Is the daemon still repeating changes for who watches the mount? While it does, it uses the mount itself. */
static bool is_echoing(const char *path)
{
	json_t *status = mounts_read_status(path);
	json_t *echo = json_object_get(status, "echo");
	bool echoing = json_integer_value(json_object_get(echo, "waiting")) > 0;
	json_decref(status);
	return echoing;
}

static int unmount_by_fusermount(const char *path, bool lazy)
{
	char text[512] = "";
	int words = memfd_create("stderr", MFD_CLOEXEC);
	if (words < 0)
		return -errno;
	int err = mountpoint_run_fusermount(path, lazy, words);
	ssize_t n = err == -EPERM ? pread(words, text, sizeof(text) - 1, 0) : 0;
	text[n > 0 ? n : 0] = '\0';
	close(words);
	return err == -EPERM && strstr(text, "busy") ? -EBUSY : err;
}

static int unmount(const char *path, bool lazy)
{
	if (umount2(path, UMOUNT_NOFOLLOW | (lazy ? MNT_DETACH : 0)) == 0)
		return 0;
	return errno == EPERM ? unmount_by_fusermount(path, lazy) : -errno;
}

static int unmount_in_peace(const char *path, bool lazy)
{
	bool again = true;
	int err = unmount(path, lazy);
	for (int waited = 0; err == -EBUSY && again && waited < ECHO_TIMEOUT_MS;
		waited += ECHO_PAUSE_MS) {
		again = is_echoing(path);
		(void)poll(NULL, 0, ECHO_PAUSE_MS);
		err = unmount(path, lazy);
	}
	return err;
}

static int wait_for_end(const char *path, int fd)
{
	struct pollfd pollfd = {.fd = fd, .events = POLLIN};
	int n;
	do
		n = poll(&pollfd, 1, END_TIMEOUT_MS);
	while (n < 0 && errno == EINTR);
	return n > 0 ? 0 : cli_fail("%s is unmounted, but its daemon has not ended yet", path);
}

static int refuse(const struct mountpoint *mount, int err)
{
	const char *path = mount->path;
	if (err == -EBUSY)
		return cli_fail(
			"%s is in use: a program has a file or its working directory there; "
			"end it, or: pymodfs umount --lazy %s",
			path, path);
	if (err == -EPERM && mount->owner != getuid())
		return cli_fail("%s was mounted by %s: only that user or root can unmount it", path,
			user_name(mount->owner).text);
	if (err == -ENOENT)
		return cli_fail("fusermount3 is missing; let root install the package fuse3");
	return cli_fail("%s: %s", path, strerror(-err));
}

static int take_down(const struct mountpoint *mount, bool lazy)
{
	const char *path = mount->path;
	int fd = daemon_fd(path);
	waiting_begin("waiting for the mount's end");
	int err = unmount_in_peace(path, lazy);
	int status = 0;
	if (err)
		status = refuse(mount, err);
	else if (fd >= 0 && !lazy)
		status = wait_for_end(path, fd);
	waiting_end();
	if (fd >= 0)
		close(fd);
	return status;
}

static int run(void *arg, int argc, char **argv)
{
	const struct umount *umount = arg;
	struct mountpoint mount;
	char *path = mountpoint_resolve(argv[0]);
	int status;
	if (!path)
		status = cli_fail("%s: %s", argv[0], strerror(errno));
	else if (!mountpoint_find(path, &mount))
		status = cli_fail("%s is no mount of pymodfs", argv[0]);
	else
		status = take_down(&mount, umount->lazy);
	free(path);
	return status;
}

const struct cli_command cmd_umount = {
	.name = "umount",
	.summary = "take a mount down",
	.operands = "MNT",
	.about = "Takes the mount down and returns when its daemon has ended.\n",
	.options = options,
	.size = sizeof(struct umount),
	.min = 1,
	.max = 1,
	.wanted = "name the mount point",
	.words = {CLI_MOUNT, CLI_NOTHING, CLI_NOTHING},
	.run = run,
};
