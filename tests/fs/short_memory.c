// SPDX-License-Identifier: MIT
/*
 * To be preloaded: one of a process's allocations fails, and `width` - 1 after it. The file that SHORT_MEMORY names, of which a test
 * writes the first three numbers, says which, of which process. No lock: numbers are taken one by one.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

struct order {
	_Atomic int64_t pid;
	_Atomic int64_t left; /* how many succeed before the one that fails; negative: it is over */
	_Atomic int64_t width;
	_Atomic int64_t failed; /* how many have */
};

static struct order *order;

#define EXPORTED __attribute__((visibility("default")))

/* glibc's own, under the names by which they are still there. */
void *__libc_malloc(size_t size);
void *__libc_calloc(size_t n, size_t size);
void *__libc_realloc(void *data, size_t size);

__attribute__((constructor)) static void map_order(void)
{
	const char *path = getenv("SHORT_MEMORY");
	int fd = path ? open(path, O_RDWR | O_CLOEXEC) : -1;
	void *map = fd < 0 ? MAP_FAILED
			   : mmap(NULL, sizeof(*order), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (map != MAP_FAILED)
		order = map;
	if (fd >= 0)
		close(fd);
}

static int fails(void)
{
	if (!order || atomic_load(&order->pid) != getpid())
		return 0;
	int64_t left = atomic_fetch_sub(&order->left, 1);
	if (left > 0 || left <= -atomic_load(&order->width))
		return 0;
	atomic_fetch_add(&order->failed, 1);
	errno = ENOMEM;
	return 1;
}

EXPORTED void *malloc(size_t size)
{
	return fails() ? NULL : __libc_malloc(size);
}

EXPORTED void *calloc(size_t n, size_t size)
{
	return fails() ? NULL : __libc_calloc(n, size);
}

EXPORTED void *realloc(void *data, size_t size)
{
	return fails() ? NULL : __libc_realloc(data, size);
}
