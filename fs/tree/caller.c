// SPDX-License-Identifier: MIT
/*
 * Reads /proc/TID/... of callers. No state, no locks.
 */
#include "caller.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

/* Reads a whole small file of /proc; returns its length, or -1. */
static ssize_t read_proc(pid_t tid, const char *what, char *buffer, size_t size)
{
	char path[96];
	snprintf(path, sizeof(path), "/proc/%d/%s", (int)tid, what);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -1;
	ssize_t n = read(fd, buffer, size - 1);
	close(fd);
	if (n >= 0)
		buffer[n] = '\0';
	return n;
}

/* Does the thread have the process's id? To send nothing is far cheaper than to read /proc. */
static bool is_main_thread(pid_t tid)
{
	return syscall(SYS_tgkill, tid, tid, 0) == 0 || errno == EPERM;
}

pid_t caller_process(pid_t tid)
{
	char status[1024];
	if (tid <= 0 || is_main_thread(tid) || read_proc(tid, "status", status, sizeof(status)) < 0)
		return tid;
	const char *tgid = strstr(status, "\nTgid:");
	long process = tgid ? strtol(tgid + strlen("\nTgid:"), NULL, 10) : 0;
	return process > 0 ? (pid_t)process : tid;
}

static bool lists_group(const char *line, gid_t gid)
{
	char *end;
	for (unsigned long id = strtoul(line, &end, 10); end > line; id = strtoul(line, &end, 10)) {
		if (id == gid)
			return true;
		line = end;
	}
	return false;
}

bool caller_has_group(pid_t tid, gid_t gid)
{
	char path[32], *line = NULL;
	size_t room = 0; /* there may be thousands of groups */
	bool has = false;
	snprintf(path, sizeof(path), "/proc/%d/status", (int)tid);
	FILE *status = tid > 0 ? fopen(path, "re") : NULL;
	while (status && !has && getline(&line, &room, status) >= 0)
		has = !strncmp(line, "Groups:", 7) && lists_group(line + 7, gid);
	if (status)
		fclose(status);
	free(line);
	return has;
}

/* Field 52 of /proc/TID/stat: exit_code, in the form of waitpid(2); set before the files are closed. */
#define STAT_EXIT_CODE 52

/*
 * A process that ends loses its memory before its files are closed (kernel/exit.c, do_exit), and with it this link. To look
 * at that takes a third of the time of reading stat. False also where we may not look.
 */
static bool has_memory(pid_t tid)
{
	char path[32], target[1];
	snprintf(path, sizeof(path), "/proc/%d/exe", (int)tid);
	return readlink(path, target, sizeof(target)) >= 0;
}

bool caller_is_killed(pid_t tid)
{
	char stat[1024];
	if (tid <= 0 || has_memory(tid) || read_proc(tid, "stat", stat, sizeof(stat)) < 0)
		return false;
	char *field = strrchr(stat, ')'); /* the end of field 2, which may hold anything */
	for (int i = 2; field && i < STAT_EXIT_CODE; i++) {
		field = strchr(field, ' ');
		if (field)
			field++;
	}
	return field && (strtol(field, NULL, 10) & 0x7f) != 0;
}

/* A field of /proc/TID/fdinfo/FD, or -1. */
static int64_t fdinfo_field(const char *info, const char *field, int base)
{
	const char *value = strstr(info, field);
	return value ? strtoll(value + strlen(field), NULL, base) : -1;
}

static bool is_writer_of(pid_t tid, const char *fd, const uint64_t *inos, size_t n_inos)
{
	char what[64], info[512];
	snprintf(what, sizeof(what), "fdinfo/%.20s", fd);
	if (read_proc(tid, what, info, sizeof(info)) < 0)
		return false;
	int64_t flags = fdinfo_field(info, "flags:", 8), ino = fdinfo_field(info, "ino:", 10);
	if (flags < 0 || (flags & O_ACCMODE) == O_RDONLY)
		return false;
	for (size_t i = 0; i < n_inos; i++)
		if ((uint64_t)ino == inos[i])
			return true;
	return false;
}

/*
 * Is it the last component of the path? The kernel adds " (deleted)" once somebody else's look-up has dropped the entry that
 * led to the writer's inode (fs/d_path.c).
 */
static bool is_last(const char *path, const char *name)
{
	const char *last = strrchr(path, '/');
	size_t n = strlen(name);
	return last && strncmp(last + 1, name, n) == 0 &&
	       (last[1 + n] == '\0' || strcmp(last + 1 + n, " (deleted)") == 0);
}

/* By what the kernel knows already: the file may be one of ours, and to ask for more would be to ask ourselves. */
static bool is_on_device(int dir, const char *fd, dev_t device)
{
	struct statx attr;
	return !device || statx(dir, fd, AT_STATX_DONT_SYNC, 0, &attr) < 0 ||
	       makedev(attr.stx_dev_major, attr.stx_dev_minor) == device;
}

bool caller_has_duplicate(
	pid_t tid, const char *name, dev_t device, const uint64_t *inos, size_t n_inos)
{
	char path[64];
	snprintf(path, sizeof(path), "/proc/%d/fd", (int)tid);
	DIR *dir = tid > 0 ? opendir(path) : NULL;
	if (!dir)
		return false;
	bool found = false;
	for (struct dirent *entry; !found && (entry = readdir(dir));) {
		char target[PATH_MAX];
		if (entry->d_name[0] == '.')
			continue;
		ssize_t n = readlinkat(dirfd(dir), entry->d_name, target, sizeof(target) - 1);
		if (n < 0)
			continue;
		target[n] = '\0';
		found = is_last(target, name) && is_writer_of(tid, entry->d_name, inos, n_inos) &&
			is_on_device(dirfd(dir), entry->d_name, device);
	}
	closedir(dir);
	return found;
}

void caller_command(pid_t tid, char *buffer, size_t size)
{
	ssize_t n = tid > 0 ? read_proc(tid, "comm", buffer, size) : -1;
	buffer[n < 0 ? 0 : strcspn(buffer, "\n")] = '\0';
}
