/* SPDX-License-Identifier: MIT */
/*
 * pymodfs umount: takes a mount down and waits for its daemon's end.
 *
 * Only mounts of pymodfs, as the kernel's table says; the table is also all that is asked about a dead
 * mount, which answers nothing. Who may unmounts by system call (root; a service with
 * CAP_SYS_ADMIN), others through fusermount3.
 */
#include "cli.h"
#include "waiting.h"

#include <errno.h>
#include <jansson.h>
#include <libgen.h>
#include <limits.h>
#include <mntent.h>
#include <poll.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/pidfd.h>
#include <sys/wait.h>
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

/* The absolute path of a mount point, without asking the mount itself, which may be dead; the caller frees. */
static char *absolute_path(const char *path)
{
	char *copy_dir = strdup(path), *copy_base = strdup(path), *result = NULL;
	char *dir = copy_dir ? realpath(dirname(copy_dir), NULL) : NULL;
	const char *base = copy_base ? basename(copy_base) : NULL;
	if (!strcmp(path, "..") || (base && (!strcmp(base, ".") || !strcmp(base, ".."))))
		result = realpath(path, NULL);
	else if (dir && base && asprintf(&result, "%s/%s", strcmp(dir, "/") ? dir : "", base) < 0)
		result = NULL;
	free(dir);
	free(copy_base);
	free(copy_dir);
	return result;
}

static bool is_our_mount(const char *path)
{
	FILE *table = setmntent("/proc/self/mounts", "r");
	const struct mntent *entry;
	bool ours = false;
	while (table && (entry = getmntent(table)))
		if (!strcmp(entry->mnt_dir, path))
			ours = !strcmp(entry->mnt_type, "fuse.pymodfs");
	if (table)
		endmntent(table);
	return ours;
}

/* NULL: not known, or the daemon is gone. The caller has to json_decref() it. */
static json_t *read_status(const char *path)
{
	char *file;
	if (asprintf(&file, "%s/.pymodfs/status", path) < 0)
		return NULL;
	json_t *status = json_load_file(file, 0, NULL);
	free(file);
	return status;
}

/* A descriptor of the daemon's process, or -1: not known, or gone. */
static int daemon_fd(const char *path)
{
	int fd = -1;
	json_t *status = read_status(path);
	json_int_t pid = json_integer_value(json_object_get(status, "pid"));
	if (pid > 0)
		fd = pidfd_open((pid_t)pid, 0);
	json_decref(status);
	return fd;
}

/* Is the daemon still repeating changes for who watches the mount? While it does, it uses the mount itself. */
static bool is_echoing(const char *path)
{
	json_t *status = read_status(path);
	json_t *echo = json_object_get(status, "echo");
	bool echoing = json_integer_value(json_object_get(echo, "waiting")) > 0;
	json_decref(status);
	return echoing;
}

static int run_fusermount(const char *path, bool lazy)
{
	char program[] = "fusermount3", unmount[] = "-u", quiet[] = "-q", lazily[] = "-z",
	     end[] = "--";
	char *copy = strdup(path);
	char *words[] = {program, unmount, quiet, lazy ? lazily : end, lazy ? end : copy,
		lazy ? copy : NULL, NULL};
	pid_t pid;
	int status;
	int err = copy ? posix_spawnp(&pid, program, NULL, NULL, words, environ) : ENOMEM;
	free(copy);
	if (err)
		return -err;
	if (waitpid(pid, &status, 0) < 0)
		return -errno;
	return WIFEXITED(status) && !WEXITSTATUS(status) ? 0 : -EBUSY;
}

static int unmount(const char *path, bool lazy)
{
	if (umount2(path, UMOUNT_NOFOLLOW | (lazy ? MNT_DETACH : 0)) == 0)
		return 0;
	return errno == EPERM ? run_fusermount(path, lazy) : -errno;
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

static int take_down(const char *path, bool lazy)
{
	int fd = daemon_fd(path);
	waiting_begin("waiting for the mount's end");
	int err = unmount_in_peace(path, lazy);
	int status = 0;
	if (err == -EBUSY)
		status = cli_fail(
			"%s is in use: a program has a file or its working directory there; "
			"end it, or: pymodfs umount --lazy %s",
			path, path);
	else if (err)
		status = cli_fail("%s: %s", path, strerror(-err));
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
	char *path = absolute_path(argv[0]);
	int status;
	if (!path)
		status = cli_fail("%s: %s", argv[0], strerror(errno));
	else if (!is_our_mount(path))
		status = cli_fail("%s is no mount of pymodfs", argv[0]);
	else
		status = take_down(path, umount->lazy);
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
