// SPDX-License-Identifier: MIT
/*
 * plainfuse SOURCE MOUNTPOINT [FUSE OPTION]...: shows a directory, read-only, as a program does that takes libfuse's
 * high-level interface and its defaults: names and attributes are cached for a second, absent names not at all, file contents are
 * forgotten at each open. The benchmarks compare with it.
 *
 * The extended attribute user.requests of the root is the number of requests so far (a look-up and a GETATTR count alike).
 */
#define FUSE_USE_VERSION 312
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <fuse.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int source; /* the directory that is shown */
static atomic_ulong requests;

static const char *relative(const char *path)
{
	atomic_fetch_add_explicit(&requests, 1, memory_order_relaxed);
	return path[1] ? path + 1 : ".";
}

static int op_getattr(const char *path, struct stat *attr, struct fuse_file_info *fi)
{
	(void)fi;
	return fstatat(source, relative(path), attr, AT_SYMLINK_NOFOLLOW) < 0 ? -errno : 0;
}

static int op_readdir(const char *path, void *buffer, fuse_fill_dir_t fill, off_t offset,
	struct fuse_file_info *fi, enum fuse_readdir_flags flags)
{
	(void)offset, (void)fi, (void)flags;
	int fd = openat(source, relative(path), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	if (!dir)
		return -errno;
	for (struct dirent *entry; (entry = readdir(dir));) {
		struct stat attr = {.st_ino = entry->d_ino, .st_mode = DTTOIF(entry->d_type)};
		if (fill(buffer, entry->d_name, &attr, 0, 0))
			break;
	}
	closedir(dir);
	return 0;
}

static int op_open(const char *path, struct fuse_file_info *fi)
{
	int fd = openat(source, relative(path), fi->flags & ~O_CREAT);
	if (fd < 0)
		return -errno;
	fi->fh = (uint64_t)fd;
	return 0;
}

static int op_read(
	const char *path, char *buffer, size_t size, off_t offset, struct fuse_file_info *fi)
{
	relative(path);
	ssize_t n = pread((int)fi->fh, buffer, size, offset);
	return n < 0 ? -errno : (int)n;
}

static int op_flush(const char *path, struct fuse_file_info *fi)
{
	(void)fi;
	relative(path);
	return 0;
}

static int op_release(const char *path, struct fuse_file_info *fi)
{
	relative(path);
	close((int)fi->fh);
	return 0;
}

static int op_getxattr(const char *path, const char *name, char *value, size_t size)
{
	if (strcmp(path, "/") != 0 || strcmp(name, "user.requests") != 0)
		return -ENODATA;
	char text[32];
	int n = snprintf(text, sizeof(text), "%lu", atomic_load(&requests));
	if (size && size < (size_t)n)
		return -ERANGE;
	if (size)
		memcpy(value, text, (size_t)n);
	return n;
}

static const struct fuse_operations ops = {
	.getattr = op_getattr,
	.readdir = op_readdir,
	.open = op_open,
	.read = op_read,
	.flush = op_flush,
	.release = op_release,
	.getxattr = op_getxattr,
};

int main(int argc, char **argv)
{
	if (argc < 3) {
		fputs("usage: plainfuse SOURCE MOUNTPOINT [FUSE OPTION]...\n", stderr);
		return 2;
	}
	source = open(argv[1], O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (source < 0) {
		fprintf(stderr, "plainfuse: %s: %s\n", argv[1], strerror(errno));
		return 1;
	}
	argv[1] = argv[0];
	return fuse_main(argc - 1, argv + 1, &ops, NULL);
}
