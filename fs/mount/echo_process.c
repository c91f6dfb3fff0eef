// SPDX-License-Identifier: MIT
/*
 * The echo's process: repeats changes on the mount as they would have been made there. It has nothing of the daemon's but a
 * socket, over which orders come, and a page in which it says how far it is. It was forked before there were threads and a
 * database, and ends with the daemon.
 *
 * It must never touch anything but our mount, although that may be gone at any time, something else may be mounted in its
 * place, or on a directory in it: each order starts at a root that answers as only our daemon does, and no path
 * leads out of that mount. Nothing stays open between orders: it would keep the mount from being unmounted.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "beneath.h"
#include "echo.h"

#ifndef STATX_MNT_ID_UNIQUE
#define STATX_MNT_ID_UNIQUE 0x00004000U /* since Linux 6.8; a mount's id that is never used again */
#endif

struct process {
	const char *mountpoint;
	struct echo_shared *shared;
	uint64_t mount_id; /* of our mount; 0: not known */
};

/* 0: not known. */
static uint64_t mount_id(int fd)
{
	struct statx stat;
	if (statx(fd, "", AT_EMPTY_PATH | AT_STATX_DONT_SYNC, STATX_MNT_ID_UNIQUE, &stat) < 0 ||
		!(stat.stx_mask & STATX_MNT_ID_UNIQUE))
		return 0;
	return stat.stx_mnt_id;
}

static bool is_ours(struct process *process, int root)
{
	uint64_t id = mount_id(root);
	if (id && id == process->mount_id)
		return true;
	struct stat stat;
	if (fstatat(root, ".pymodfs/" ECHO_DIR, &stat, AT_SYMLINK_NOFOLLOW) < 0 ||
		stat.st_ino != process->shared->key)
		return false;
	process->mount_id = id;
	return true;
}

/* The root of our mount, or -1. */
static int open_root(struct process *process)
{
	int root = open(process->mountpoint, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (root >= 0 && !is_ours(process, root)) {
		close(root);
		return -1;
	}
	return root;
}

/* -errno */
static int open_below(int dir, const char *path, int flags)
{
	return beneath_open(dir, path, flags, RESOLVE_NO_XDEV);
}

/*
 * Somebody may have looked for a name that is gone before that was queued, so that the kernel is sure that it isn't
 * there and asks nobody. It asks all the same for a name that is to be made (fs/fuse/dir.c, fuse_dentry_revalidate:
 * LOOKUP_EXCL), and then knows the answer that is for us: it is there (EEXIST). The daemon lets nothing be made. Once is
 * enough, whoever looks meanwhile: since it was queued nobody's absence of that name may be cached (echo_is_due), and this
 * call has waited, with the directory's lock, for the look-ups that were answered before.
 */
static bool reveal(int parent, const char *name)
{
	return mkdirat(parent, name, 0700) < 0 && errno == EEXIST;
}

/* Opens the directory that path is in; *ret_name is its last part, "." for the root itself. -errno */
static int find_parent(int root, const char *path, const char **ret_name)
{
	char dir[PATH_MAX];
	const char *slash = strrchr(path, '/');
	*ret_name = slash ? slash + 1 : *path ? path : ".";
	if (!slash)
		return open_below(root, ".", O_PATH | O_DIRECTORY);
	if ((size_t)(slash - path) >= sizeof(dir))
		return -ENAMETOOLONG;
	memcpy(dir, path, (size_t)(slash - path));
	dir[slash - path] = '\0';
	return open_below(root, dir, O_PATH | O_DIRECTORY);
}

/* Likewise, where a directory on the way may be gone. */
static int open_parent(int root, const char *path, const char **ret_name)
{
	char prefix[PATH_MAX];
	int parent = find_parent(root, path, ret_name);
	if (parent != -ENOENT || strlen(path) >= sizeof(prefix))
		return parent;
	for (const char *slash = strchr(path, '/'); slash; slash = strchr(slash + 1, '/')) {
		const char *name;
		memcpy(prefix, path, (size_t)(slash - path));
		prefix[slash - path] = '\0';
		parent = find_parent(root, prefix, &name);
		if (parent < 0)
			return parent;
		(void)reveal(parent, name);
		close(parent);
	}
	return find_parent(root, path, ret_name);
}

/*
 * MODIFY and CLOSE_WRITE. Who may not write to the file but owns it has at least the first (fs/notify, fsnotify_change: a
 * change of the mtime alone). Into a fresh file nothing was written if nothing is in it.
 */
static void repeat_update(int parent, const char *name, bool fresh)
{
	static const struct timespec times[] = {{.tv_nsec = UTIME_OMIT}, {.tv_nsec = UTIME_NOW}};
	struct stat stat;
	int fd = open_below(parent, name, O_WRONLY | O_NOFOLLOW | O_NONBLOCK);
	if (fd < 0) {
		(void)utimensat(parent, name, times, AT_SYMLINK_NOFOLLOW);
		return;
	}
	bool write = fstat(fd, &stat) == 0 && S_ISREG(stat.st_mode) && !(fresh && !stat.st_size);
	if (write && ftruncate(fd, stat.st_size) < 0)
		(void)utimensat(parent, name, times, AT_SYMLINK_NOFOLLOW);
	close(fd);
}

/* DELETE */
static void repeat_delete(int parent, const char *name, enum store_kind kind)
{
	int flags = kind == STORE_DIR ? AT_REMOVEDIR : 0;
	if (unlinkat(parent, name, flags) < 0 && errno == ENOENT && reveal(parent, name))
		(void)unlinkat(parent, name, flags);
}

/* CREATE; of a file also what a first write shows. */
static void repeat_insert(int parent, const char *name, enum store_kind kind)
{
	if (kind == STORE_DIR)
		(void)mkdirat(parent, name, 0755);
	else if (kind == STORE_LINK)
		(void)!symlinkat("-", parent, name);
	else if (mknodat(parent, name, S_IFREG | 0644, 0) == 0)
		repeat_update(parent, name, true);
}

/* What can't be moved (any more) goes here and comes there. */
static void repeat_move(
	int root, int parent, const char *name, const char *new_path, enum store_kind kind)
{
	const char *new_name;
	int new_parent = open_parent(root, new_path, &new_name);
	if (new_parent < 0)
		return;
	int r = renameat2(parent, name, new_parent, new_name, RENAME_NOREPLACE);
	if (r < 0 && errno == ENOENT && reveal(parent, name))
		r = renameat2(parent, name, new_parent, new_name, RENAME_NOREPLACE);
	if (r < 0) {
		repeat_delete(parent, name, kind);
		repeat_insert(new_parent, new_name, kind);
	}
	close(new_parent);
}

static void repeat(int root, const struct echo_order *order, const char *path, const char *new_path)
{
	const char *name;
	int parent = open_parent(root, path, &name);
	if (parent < 0)
		return;
	enum store_kind kind = (enum store_kind)order->kind;
	switch ((enum echo_op)order->op) {
	case ECHO_INSERT:
		repeat_insert(parent, name, kind);
		break;
	case ECHO_UPDATE:
		repeat_update(parent, name, false);
		break;
	case ECHO_DELETE:
		repeat_delete(parent, name, kind);
		break;
	case ECHO_MOVE:
		repeat_move(root, parent, name, new_path, kind);
		break;
	case ECHO_ATTR:
		(void)utimensat(parent, name, NULL, AT_SYMLINK_NOFOLLOW);
		break;
	case ECHO_REPLACED: /* ATTRIB and DELETE_SELF: the path is one in ECHO_DIR */
		(void)unlinkat(parent, name, 0);
		break;
	}
	close(parent);
}

static void carry_out(struct process *process, const struct echo_order *order, const char *path)
{
	int root = open_root(process);
	if (root < 0)
		return;
	repeat(root, order, path, path + strlen(path) + 1);
	close(root);
}

void process_let_go(int *fd)
{
	signal(SIGINT, SIG_IGN);
	signal(SIGTERM, SIG_IGN);
	signal(SIGHUP, SIG_IGN);
	int high = fcntl(*fd, F_DUPFD, 4), null = open("/dev/null", O_RDWR);
	for (int i = 0; i <= 2; i++)
		dup2(null, i);
	*fd = dup2(high, 3);
	close_range(4, ~0U, 0);
	if (chdir("/") < 0)
		_exit(1);
}

_Noreturn void echo_process_run(int socket, const char *mountpoint, struct echo_shared *shared)
{
	struct process process = {.mountpoint = mountpoint, .shared = shared};
	union {
		struct echo_order order;
		char bytes[ECHO_ORDER_MAX + 2];
	} message;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	prctl(PR_SET_NAME, "pymodfs-echo");
	process_let_go(&socket);
	for (;;) {
		ssize_t n = recv(socket, &message, ECHO_ORDER_MAX, 0);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= (ssize_t)sizeof(message.order))
			_exit(0); /* the daemon is gone, which also is so if it was before prctl() */
		memset(message.bytes + n, 0, 2);
		carry_out(&process, &message.order, message.bytes + sizeof(message.order));
		atomic_store(&shared->done, message.order.seq);
	}
}
