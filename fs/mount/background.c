// SPDX-License-Identifier: MIT
/*
 * Going to the background (background.h). Parent and child share a pipe: a byte in it is an exit status; its end without
 * one means that the child has ended, with a status of its own. One thread.
 */
#include "background.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/wait.h>
#include <syslog.h>
#include <unistd.h>

#include "mount.h"

/* The parent's part: exits with what the child says. */
static void wait_for_child(pid_t child, int pipe)
{
	char status;
	ssize_t n;
	do
		n = read(pipe, &status, 1);
	while (n < 0 && errno == EINTR);
	if (n == 1)
		_exit(status);
	int wait_status;
	waitpid(child, &wait_status, 0);
	_exit(WIFEXITED(wait_status) && WEXITSTATUS(wait_status) ? WEXITSTATUS(wait_status) : 1);
}

int background_start(struct background *background)
{
	int ends[2];
	if (pipe2(ends, O_CLOEXEC) < 0)
		return -errno;
	pid_t child = fork();
	if (child < 0) {
		int r = -errno;
		close(ends[0]);
		close(ends[1]);
		return r;
	}
	if (child > 0) {
		close(ends[1]);
		wait_for_child(child, ends[0]);
	}
	close(ends[0]);
	background->pipe = ends[1];
	return 0;
}

void background_ready(struct background *background)
{
	if (background->pipe < 0)
		return;
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	if (null >= 0) {
		dup2(null, STDIN_FILENO);
		dup2(null, STDOUT_FILENO);
		dup2(null, STDERR_FILENO);
		close(null);
	}
	log_use_syslog();
	if (setsid() < 0 || chdir("/") < 0)
		mount_log(LOG_DEBUG, "setsid or chdir: %s", strerror(errno));
	ssize_t n = write(background->pipe, "", 1);
	(void)n; /* a parent that was killed needs no answer */
	close(background->pipe);
	background->pipe = -1;
}
