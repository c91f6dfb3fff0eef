// SPDX-License-Identifier: MIT
/*
 * Looks at the mount point before it is mounted on, and finds mounts in the kernel's table. A mount whose daemon is gone
 * answers ENOTCONN to everything (fuse(4)); if it is one of ours, it is cleaned up.
 */
#include "mountpoint.h"

#include <dirent.h>
#include <errno.h>
#include <libgen.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <syslog.h>
#include <unistd.h>

#include "log.h"

/* ---- the kernel's table ---- */

/* Blanks and the like are written in octal in it. */
static void unescape(char *text)
{
	char *to = text;
	for (const char *from = text; *from; to++) {
		unsigned int value;
		if (*from == '\\' && sscanf(from + 1, "%3o", &value) == 1) {
			*to = (char)value;
			from += 4;
		} else {
			*to = *from++;
		}
	}
	*to = '\0';
}

static bool parse_row(const char *line, struct mountpoint *ret_row)
{
	char path[4 * sizeof(ret_row->path)];
	unsigned int major, minor, owner;
	if (sscanf(line, "%*d %*d %u:%u %*s %16383s", &major, &minor, path) != 3)
		return false;
	unescape(path);
	if (strlen(path) >= sizeof(ret_row->path))
		return false;
	const char *options = strrchr(line, ' '); /* of the file system; the last field */
	const char *user = options ? strstr(options, "user_id=") : NULL;
	bool known = user && sscanf(user, "user_id=%u", &owner) == 1;
	*ret_row = (struct mountpoint){
		.device = makedev(major, minor),
		.ours = strstr(line, " - fuse.pymodfs ") != NULL,
		.owner = known ? owner : 0,
	};
	strcpy(ret_row->path, path);
	return true;
}

/* The last row that fits: the topmost mount of a directory. path NULL: of the device. */
static bool find_row(const char *path, dev_t device, bool ours, struct mountpoint *ret_row)
{
	char *line = NULL;
	size_t size = 0;
	bool found = false;
	struct mountpoint row;
	FILE *table = fopen("/proc/self/mountinfo", "re");
	while (table && getline(&line, &size, table) > 0) {
		if (!parse_row(line, &row) || (ours && !row.ours) ||
			(path ? strcmp(row.path, path) != 0 : row.device != device))
			continue;
		*ret_row = row;
		found = true;
	}
	free(line);
	if (table)
		fclose(table);
	return found;
}

bool mountpoint_find(const char *path, struct mountpoint *ret_row)
{
	return find_row(path, 0, false, ret_row) && ret_row->ours;
}

bool mountpoint_find_device(dev_t device, struct mountpoint *ret_row)
{
	return find_row(NULL, device, true, ret_row);
}

int mountpoint_find_connection(const char *mountpoint)
{
	struct mountpoint row;
	return find_row(mountpoint, 0, true, &row) ? (int)minor(row.device) : -1;
}

/* ---- the mount point ---- */

int mountpoint_run_fusermount(const char *path, bool lazy, int words)
{
	char program[] = "fusermount3", unmount[] = "-u", lazily[] = "-z", end[] = "--";
	char *copy = strdup(path);
	char *args[] = {
		program, unmount, lazy ? lazily : end, lazy ? end : copy, lazy ? copy : NULL, NULL};
	posix_spawn_file_actions_t actions;
	pid_t pid;
	int status, err;
	if (!copy)
		return -ENOMEM;
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_adddup2(&actions, words, STDERR_FILENO);
	err = posix_spawnp(&pid, program, &actions, NULL, args, environ);
	posix_spawn_file_actions_destroy(&actions);
	free(copy);
	if (err)
		return -err;
	if (waitpid(pid, &status, 0) < 0)
		return -errno;
	return WIFEXITED(status) && !WEXITSTATUS(status) ? 0 : -EPERM;
}

static bool unmount_dead(const char *path)
{
	return umount2(path, MNT_DETACH) == 0 ||
	       mountpoint_run_fusermount(path, true, STDERR_FILENO) == 0;
}

/* Unlike lstat(2), readlink(2) doesn't ask what is mounted there. */
static bool is_link(const char *path)
{
	char target;
	return readlink(path, &target, 1) >= 0;
}

static char *follow(char *link)
{
	char *path = realpath(link, NULL);
	free(link);
	return path;
}

char *mountpoint_resolve(const char *path)
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
	return result && is_link(result) ? follow(result) : result;
}

/* After ENOTCONN: true if the way is free now. */
static bool clean_dead_mount(const char *path)
{
	struct mountpoint row;
	char *absolute = mountpoint_resolve(path);
	bool ours = absolute && mountpoint_find(absolute, &row);
	bool cleaned = ours && unmount_dead(absolute);
	if (!cleaned)
		mount_log(LOG_ERR, "%s is a dead mount%s; unmount it with: fusermount3 -u -z %s",
			path, ours ? "" : " of another file system", path);
	free(absolute);
	return cleaned;
}

static bool is_empty(const char *path, bool *ret_empty)
{
	DIR *dir = opendir(path);
	if (!dir)
		return false;
	size_t entries = 0;
	while (entries <= 2 && readdir(dir))
		entries++;
	closedir(dir);
	*ret_empty = entries <= 2;
	return true;
}

static char *refuse(const char *path, const char *why)
{
	mount_log(LOG_ERR, "can't mount on %s: %s", path, why);
	return NULL;
}

/* Not stat(2): the kernel has the root's attributes cached and would answer for the daemon that is gone. */
bool mountpoint_is_dead(const char *path)
{
	struct statvfs stat_buffer;
	return statvfs(path, &stat_buffer) < 0 && errno == ENOTCONN;
}

char *mountpoint_prepare(const char *path, bool nonempty)
{
	struct stat stat_buffer;
	struct mountpoint row;
	bool empty = true;
	if (mountpoint_is_dead(path) && !clean_dead_mount(path))
		return NULL;
	if (stat(path, &stat_buffer) < 0)
		return refuse(path, errno == ENOENT ? "there is no such directory; make it first"
						    : strerror(errno));
	if (!S_ISDIR(stat_buffer.st_mode))
		return refuse(path, "it is not a directory");
	char *absolute = realpath(path, NULL);
	if (!absolute)
		return refuse(path, strerror(errno));
	if (mountpoint_find(absolute, &row)) {
		free(absolute);
		return refuse(path, "something is mounted there by pymodfs already; unmount it "
				    "with pymodfs umount");
	}
	if (!is_empty(absolute, &empty)) {
		free(absolute);
		return refuse(path, strerror(errno));
	}
	if (!empty && !nonempty) {
		free(absolute);
		return refuse(path, "it is not empty; use an empty directory, or -o nonempty");
	}
	return absolute;
}

bool mountpoint_holds(const char *mountpoint, const char *path)
{
	char *absolute = realpath(path, NULL);
	size_t n = strlen(mountpoint);
	bool holds = absolute && strncmp(absolute, mountpoint, n) == 0 &&
		     (absolute[n] == '/' || absolute[n] == '\0' || n == 1);
	free(absolute);
	return holds;
}
