// SPDX-License-Identifier: MIT
/*
 * openat2(2), for which the C library has no function. Both who must not be led astray by others' links and mounts, the
 * bytecode cache and the echo, open by it, and do without their work where it is forbidden.
 */
#include "beneath.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/syscall.h>
#include <unistd.h>

int beneath_open(int dir, const char *path, int flags, uint64_t resolve)
{
	struct open_how how = {
		.flags = (uint64_t)(unsigned int)(flags | O_CLOEXEC),
		.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | resolve,
	};
	long fd = syscall(SYS_openat2, dir, path, &how, sizeof(how));
	return fd < 0 ? -errno : (int)fd;
}

int beneath_check(void)
{
	int root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (root < 0)
		return -errno;
	int fd = beneath_open(root, ".", O_PATH | O_DIRECTORY, 0);
	close(root);
	if (fd < 0)
		return fd;
	close(fd);
	return 0;
}
