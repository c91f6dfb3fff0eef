// SPDX-License-Identifier: MIT
/*
 * The guard: a process that sees to it that a killed daemon really ends. A daemon that is killed while its publisher is
 * inside a notification can't: that thread waits for a directory's lock whose holder waits for an answer of the daemon, and keeps
 * /dev/fuse open meanwhile, so that everybody who uses the mount hangs. Breaking the connection ends both waits.
 *
 * The kernel signals the guard when the daemon's main thread has ended (PR_SET_PDEATHSIG goes with the thread that forked). It never
 * asks the mount anything, or it could hang itself. A daemon that ends by itself kills its guard first.
 *
 * The number of a connection that is gone is soon another one's. So the guard opens what breaks it, sees then that the number is still its
 * mount's, and only waits after that: what it has open is of that connection and no other (fs/fuse/control.c, i_private).
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "mount.h"
#include "mountpoint.h"

#define DEATH SIGUSR1
#define END_TIMEOUT_MS 300 /* how long a killed daemon may take to end by itself */

static int open_abort(int connection)
{
	char path[64];
	snprintf(path, sizeof(path), "/sys/fs/fuse/connections/%d/abort", connection);
	return open(path, O_WRONLY | O_CLOEXEC);
}

/* Its owner may do the first, where the control file system is mounted; only root the second. The dead mount stays. */
static void break_connection(int abort, int connection, const char *mountpoint)
{
	if (abort >= 0 && write(abort, "1", 1) == 1)
		return;
	if (mountpoint_find_connection(mountpoint) == connection)
		(void)umount2(mountpoint, MNT_FORCE | UMOUNT_NOFOLLOW);
}

static _Noreturn void guard_run(
	int daemon, pid_t pid, const char *mountpoint, const sigset_t *death)
{
	struct pollfd ended = {.fd = daemon, .events = POLLIN};
	int signal_number;
	prctl(PR_SET_PDEATHSIG, DEATH);
	prctl(PR_SET_NAME, "pymodfs-guard");
	process_let_go(&ended.fd);
	if (getppid() == pid)
		sigwait(death, &signal_number);
	int connection = mountpoint_find_connection(mountpoint);
	int abort = connection < 0 ? -1 : open_abort(connection);
	if (connection >= 0 && mountpoint_find_connection(mountpoint) == connection &&
		poll(&ended, 1, END_TIMEOUT_MS) == 0)
		break_connection(abort, connection, mountpoint);
	_exit(0);
}

int guard_create(const char *mountpoint, pid_t *ret_pid)
{
	pid_t daemon = getpid();
	sigset_t death, old;
	sigemptyset(&death);
	sigaddset(&death, DEATH);
	int fd = pidfd_open(daemon, 0);
	if (fd < 0)
		return -errno;
	signal(SIGCHLD, SIG_DFL); /* so that its id stays its own until guard_destroy() */
	pthread_sigmask(SIG_BLOCK, &death, &old);
	pid_t pid = fork();
	if (pid == 0)
		guard_run(fd, daemon, mountpoint, &death);
	int r = pid < 0 ? -errno : 0;
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	close(fd);
	if (r == 0)
		*ret_pid = pid;
	return r;
}

void guard_destroy(pid_t pid)
{
	if (pid <= 0)
		return;
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}
