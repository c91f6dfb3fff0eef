// SPDX-License-Identifier: MIT
/*
 * Looks at the mount point before it is mounted on. A mount whose daemon is gone answers ENOTCONN to
 * everything (fuse(4)); if it is one of ours, it is cleaned up.
 */
#include "mountpoint.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <mntent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/wait.h>
#include <syslog.h>
#include <unistd.h>

#include "log.h"

/* The type that the topmost mount on exactly this directory has; false: none is there. */
static bool find_mount(const char *path, char *type, size_t size)
{
	FILE *mounts = setmntent("/proc/self/mounts", "r");
	bool found = false;
	if (!mounts)
		return false;
	for (struct mntent *entry; (entry = getmntent(mounts));) {
		if (strcmp(entry->mnt_dir, path))
			continue;
		snprintf(type, size, "%s", entry->mnt_type);
		found = true;
	}
	endmntent(mounts);
	return found;
}

static bool run_fusermount(const char *path)
{
	pid_t pid = fork();
	if (pid == 0) {
		execlp("fusermount3", "fusermount3", "-u", "-z", "--", path, (char *)NULL);
		_exit(127);
	}
	int status;
	return pid > 0 && waitpid(pid, &status, 0) == pid && WIFEXITED(status) &&
	       WEXITSTATUS(status) == 0;
}

static bool unmount_dead(const char *path)
{
	return umount2(path, MNT_DETACH) == 0 || run_fusermount(path);
}

/* An absolute path without asking the (dead) directory itself. */
static char *resolve_parent(const char *path)
{
	char copy[PATH_MAX], *parent, *result = NULL;
	snprintf(copy, sizeof(copy), "%s", path);
	for (size_t n = strlen(copy); n > 1 && copy[n - 1] == '/'; n--)
		copy[n - 1] = '\0';
	char *slash = strrchr(copy, '/');
	const char *name = slash ? slash + 1 : copy;
	if (slash)
		*slash = '\0';
	parent = realpath(!slash ? "." : *copy ? copy : "/", NULL);
	if (parent && asprintf(&result, "%s/%s", strcmp(parent, "/") ? parent : "", name) < 0)
		result = NULL;
	free(parent);
	return result;
}

/* After ENOTCONN: true if the way is free now. */
static bool clean_dead_mount(const char *path)
{
	char type[64];
	char *absolute = resolve_parent(path);
	bool ours = absolute && find_mount(absolute, type, sizeof(type)) &&
		    strcmp(type, "fuse.pymodfs") == 0;
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
static bool is_dead(const char *path)
{
	struct statvfs stat_buffer;
	return statvfs(path, &stat_buffer) < 0 && errno == ENOTCONN;
}

char *mountpoint_prepare(const char *path, bool nonempty)
{
	struct stat stat_buffer;
	char type[64];
	bool empty = true;
	if (is_dead(path) && !clean_dead_mount(path))
		return NULL;
	if (stat(path, &stat_buffer) < 0)
		return refuse(path, errno == ENOENT ? "there is no such directory; make it first"
						    : strerror(errno));
	if (!S_ISDIR(stat_buffer.st_mode))
		return refuse(path, "it is not a directory");
	char *absolute = realpath(path, NULL);
	if (!absolute)
		return refuse(path, strerror(errno));
	if (find_mount(absolute, type, sizeof(type)) && strcmp(type, "fuse.pymodfs") == 0) {
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

/* Blanks and the like are written in octal in the kernel's table. */
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

int mountpoint_find_connection(const char *mountpoint)
{
	char *line = NULL, path[16384]; /* four for each byte of a path */
	size_t size = 0;
	int found = -1;
	FILE *table = fopen("/proc/self/mountinfo", "re");
	while (table && getline(&line, &size, table) > 0) {
		unsigned int minor;
		if (sscanf(line, "%*d %*d %*u:%u %*s %16383s", &minor, path) != 2)
			continue;
		unescape(path);
		if (!strcmp(path, mountpoint) && strstr(line, " - fuse.pymodfs "))
			found = (int)minor;
	}
	free(line);
	if (table)
		fclose(table);
	return found;
}
