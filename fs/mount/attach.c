// SPDX-License-Identifier: MIT
/*
 * Mounting. Where it fails, libfuse says something, or fusermount3 does on a stderr of its own, in words that name no way
 * out: so both are kept back, and what is known to be needed is looked at one by one. Only where all of that is there their
 * words are passed on.
 *
 * stderr is the whole process's: it is put aside while there is only one thread.
 */
#include "attach.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <syslog.h>
#include <unistd.h>

#include "mountpoint.h"

#define HELPER "/usr/bin/fusermount3" /* where libfuse looks first; then along PATH */
#define WORDS_SIZE 512

bool attach_is_privileged(void)
{
	struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3] = {{0}};
	return syscall(SYS_capget, &header, data) == 0 &&
	       (data[0].effective & (1U << CAP_SYS_ADMIN)) != 0;
}

/* ---- what is said meanwhile ---- */

struct hush {
	int err, words; /* the real stderr, and what stands in for it; -1: none does */
};

static void hush_begin(struct hush *hush)
{
	hush->err = dup(STDERR_FILENO);
	hush->words = hush->err < 0 ? -1 : memfd_create("stderr", MFD_CLOEXEC);
	if (hush->words >= 0)
		dup2(hush->words, STDERR_FILENO);
}

/* What was said, of which the end is enough. */
static void hush_end(struct hush *hush, char ret_words[WORDS_SIZE])
{
	ssize_t n = 0;
	if (hush->words >= 0) {
		off_t size = lseek(hush->words, 0, SEEK_END);
		off_t from = size < WORDS_SIZE ? 0 : size - (WORDS_SIZE - 1);
		n = pread(hush->words, ret_words, WORDS_SIZE - 1, from);
		dup2(hush->err, STDERR_FILENO);
		close(hush->words);
	}
	if (hush->err >= 0)
		close(hush->err);
	ret_words[n > 0 ? n : 0] = '\0';
}

/* The last line without the names of those who say it. */
static const char *last_line(char *words)
{
	static const char *const names[] = {"pymodfs: ", "fuse: ", "fusermount3: "};
	size_t n = strlen(words);
	while (n && words[n - 1] == '\n')
		words[--n] = '\0';
	char *line = strrchr(words, '\n');
	line = line ? line + 1 : words;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (!strncmp(line, names[i], strlen(names[i])))
			line += strlen(names[i]);
	return *line ? line : "no reason is given";
}

/* ---- what is needed ---- */

static int refuse(const struct mount *mount, const char *why)
{
	mount_log(LOG_ERR, "can't mount %s on %s: %s", mount->name, mount->mountpoint, why);
	return -ECANCELED;
}

static int check_device(const struct mount *mount)
{
	int fd = open("/dev/fuse", O_RDWR | O_CLOEXEC);
	if (fd >= 0)
		close(fd);
	else if (errno == ENOENT || errno == ENODEV || errno == ENXIO)
		return refuse(mount, "there is no /dev/fuse; let root run modprobe fuse, or give "
				     "the device to the container");
	else if (errno == EACCES)
		return refuse(
			mount, "you may not open /dev/fuse; let root run chmod 666 /dev/fuse");
	else if (errno == EPERM)
		return refuse(
			mount, "this container may not open /dev/fuse; start it with that device");
	return 0;
}

static bool find_helper(struct stat *ret_stat)
{
	const char *dirs = getenv("PATH");
	if (stat(HELPER, ret_stat) == 0)
		return true;
	while (dirs && *dirs) {
		char path[4096];
		size_t n = strcspn(dirs, ":");
		snprintf(path, sizeof(path), "%.*s/fusermount3", (int)n, dirs);
		if (stat(path, ret_stat) == 0)
			return true;
		dirs += n + (dirs[n] == ':');
	}
	return false;
}

static int check_helper(const struct mount *mount)
{
	struct stat helper;
	if (!find_helper(&helper))
		return refuse(mount, "fusermount3 is missing; let root install the package fuse3");
	if (helper.st_uid || !(helper.st_mode & S_ISUID))
		return refuse(mount, "fusermount3 may not mount for you; let root run chmod u+s "
				     "/usr/bin/fusermount3");
	if (prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1)
		return refuse(mount, "no_new_privs takes the rights of fusermount3 away; mount "
				     "elsewhere, or as root");
	return 0;
}

/* What fusermount3 asks of it. */
static int check_directory(const struct mount *mount)
{
	struct stat dir;
	if (stat(mount->mountpoint, &dir) < 0)
		return 0;
	if (access(mount->mountpoint, W_OK) < 0 ||
		(dir.st_uid != getuid() && (dir.st_mode & S_ISVTX)))
		return refuse(mount, "the directory isn't yours; mount on one that you own");
	return 0;
}

int attach_session(struct mount *mount)
{
	char words[WORDS_SIZE] = "";
	struct hush hush;
	hush_begin(&hush);
	bool mounted = fuse_session_mount(mount->session, mount->mountpoint) == 0;
	hush_end(&hush, words);
	if (mounted) {
		fputs(words, stderr); /* -d */
		int connection = mountpoint_find_connection(mount->mountpoint);
		tree_set_device(
			mount->tree, connection < 0 ? 0 : makedev(0, (unsigned int)connection));
		return 0;
	}
	int r = check_device(mount);
	if (r == 0 && !attach_is_privileged())
		r = check_helper(mount);
	if (r == 0 && !attach_is_privileged())
		r = check_directory(mount);
	return r < 0 ? r : refuse(mount, last_line(words));
}
