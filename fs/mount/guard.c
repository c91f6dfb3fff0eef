// SPDX-License-Identifier: MIT
/*
 * The guard: a process that sees to it that a killed daemon really ends. A daemon that is killed while its publisher is
 * inside a notification can't: that thread waits for a directory's lock whose holder waits for an answer of the daemon, and keeps
 * /dev/fuse open meanwhile, so that everybody who uses the mount hangs. Breaking the connection ends both waits.
 *
 * The kernel signals the guard when the daemon's main thread has ended (PR_SET_PDEATHSIG goes with the thread that forked).
 * It never asks the mount anything, or it could hang itself. A daemon that ends by itself kills its guard first.
 *
 * The guard opens what breaks the connection as soon as there is a mount, and holds it: at the end the mount may have been
 * taken from its place (umount -l), or another one may be there. What it has open is of that connection and no other, also
 * when the number is another one's by then (fs/fuse/control.c, i_private).
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mount.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "mount.h"
#include "mountpoint.h"

#define DEATH SIGUSR2
#define MOUNTED SIGUSR1    /* the lower number: where both are there it comes first */
#define END_TIMEOUT_MS 300 /* how long a killed daemon may take to end by itself */

/* The kernel's directory of connections where nobody has mounted it (in a container): of our own, for who may mount. */
static int open_connections(void)
{
	int context = fsopen("fusectl", FSOPEN_CLOEXEC);
	if (context < 0)
		return -1;
	int dir = fsconfig(context, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0
			  ? -1
			  : fsmount(context, FSMOUNT_CLOEXEC, 0);
	close(context);
	return dir;
}

/* What breaks the connection when something is written to it; its owner may open it. */
static int open_abort_in(int dir, int connection)
{
	char path[32];
	snprintf(path, sizeof(path), "%d/abort", connection);
	return openat(dir, path, O_WRONLY | O_CLOEXEC);
}

static int open_abort(int connection)
{
	int dir = open("/sys/fs/fuse/connections", O_PATH | O_DIRECTORY | O_CLOEXEC);
	int abort = dir < 0 ? -1 : open_abort_in(dir, connection);
	if (dir >= 0)
		close(dir);
	if (abort >= 0)
		return abort;
	dir = open_connections();
	abort = dir < 0 ? -1 : open_abort_in(dir, connection);
	if (dir >= 0)
		close(dir);
	return abort;
}

/* -1: there is no mount, or it can't be broken. */
static int open_abort_of_mount(const char *mountpoint)
{
	int connection = mountpoint_find_connection(mountpoint);
	int abort = connection < 0 ? -1 : open_abort(connection);
	if (abort < 0 || mountpoint_find_connection(mountpoint) == connection)
		return abort;
	close(abort);
	return -1;
}

static _Noreturn void guard_run(
	int daemon, pid_t pid, const char *mountpoint, const sigset_t *signals)
{
	struct pollfd ended = {.fd = daemon, .events = POLLIN};
	int signal_number = 0, abort = -1;
	prctl(PR_SET_PDEATHSIG, DEATH);
	prctl(PR_SET_NAME, "pymodfs-guard");
	process_let_go(&ended.fd);
	while (signal_number != DEATH && getppid() == pid)
		if (sigwait(signals, &signal_number) == 0 && signal_number == MOUNTED)
			abort = open_abort_of_mount(mountpoint);
	if (abort >= 0 && poll(&ended, 1, END_TIMEOUT_MS) == 0)
		_exit(write(abort, "1", 1) != 1);
	_exit(0);
}

int guard_create(const char *mountpoint, pid_t *ret_pid)
{
	pid_t daemon = getpid();
	sigset_t signals, old;
	sigemptyset(&signals);
	sigaddset(&signals, DEATH);
	sigaddset(&signals, MOUNTED);
	int fd = pidfd_open(daemon, 0);
	if (fd < 0)
		return -errno;
	signal(SIGCHLD, SIG_DFL); /* so that its id stays its own until guard_destroy() */
	pthread_sigmask(SIG_BLOCK, &signals, &old);
	pid_t pid = fork();
	if (pid == 0)
		guard_run(fd, daemon, mountpoint, &signals);
	int r = pid < 0 ? -errno : 0;
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	close(fd);
	if (r == 0)
		*ret_pid = pid;
	return r;
}

void guard_mounted(pid_t pid)
{
	if (pid > 0)
		kill(pid, MOUNTED);
}

void guard_destroy(pid_t pid)
{
	if (pid <= 0)
		return;
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}
