// SPDX-License-Identifier: MIT
/*
 * `pymodfs mount`: puts the parts of a mount together, runs it, takes it apart.
 *
 * The process forks before it opens the database (SQLite's connections and locks don't survive a fork); the parent stays
 * until the child has answered the kernel for the first time, or has failed and said why.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <syslog.h>
#include <unistd.h>

#include "mount.h"
#include "mountpoint.h"
#include "options.h"
#include "session.h"

#define FOREVER (10 * 365 * 86400.0)
#define FEED_LIMIT ((size_t)4 << 20)

/* ---- going to the background ---- */

struct background {
	int pipe; /* write end, -1: in the foreground */
};

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

static int background_start(struct background *background)
{
	int ends[2];
	if (pipe2(ends, O_CLOEXEC) < 0)
		return -errno;
	pid_t child = fork();
	if (child < 0)
		return -errno;
	if (child > 0) {
		close(ends[1]);
		wait_for_child(child, ends[0]);
	}
	close(ends[0]);
	background->pipe = ends[1];
	return 0;
}

/* The mount answers: the parent may go, and the terminal is not ours any more. */
static void background_ready(void *arg)
{
	struct background *background = arg;
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

/* ---- the parts ---- */

/* First of all, because it forks. */
static int create_processes(struct mount *mount, const struct mount_options *options)
{
	int r = guard_create(mount->mountpoint, &mount->guard);
	if (r == 0 && options->echo && !options->read_only)
		r = echo_create(mount->mountpoint, &mount->echo);
	if (r < 0)
		fprintf(stderr, "pymodfs: can't start a process: %s\n", strerror(-r));
	return r;
}

static int open_store(struct mount *mount, const struct mount_options *options)
{
	struct store_options store_options = {
		.read_only = options->read_only,
		.busy_timeout_ms = options->busy_timeout_ms,
	};
	int r = store_open(options->url, &store_options, &mount->store);
	if (r == 0)
		r = store_reader_create(mount->store, &mount->reader);
	if (r == 0)
		r = store_reader_create(mount->store, &mount->writer_reader);
	if (r < 0)
		fprintf(stderr, "pymodfs: %s\n", store_error());
	return r;
}

static int create_tree(struct mount *mount, const struct mount_options *options)
{
	struct tree_options tree_options = {
		.uid = options->uid,
		.gid = options->gid,
		.umask = options->umask,
		.file_max = options->file_max,
		.memory_max = options->memory_max,
	};
	int64_t change;
	int r = tree_create(mount->store, &tree_options, &mount->tree);
	if (r == 0)
		r = store_last_change(mount->reader, &change);
	if (r == 0)
		r = feed_create(change, change, FEED_LIMIT, &mount->feed);
	return r;
}

static int create_rooms(struct mount *mount)
{
	int r = control_create(mount, &mount->control);
	if (r == 0)
		r = pycache_create(mount, &mount->pycache);
	return r;
}

static void take_apart(struct mount *mount)
{
	writer_destroy(mount->writer);
	publisher_destroy(mount->publisher);
	echo_destroy(mount->echo);
	pycache_destroy(mount->pycache);
	control_destroy(mount->control);
	feed_destroy(mount->feed);
	tree_destroy(mount->tree);
	store_reader_destroy(mount->writer_reader);
	store_reader_destroy(mount->reader);
	if (mount->session)
		fuse_session_destroy(mount->session);
	store_close(mount->store);
	guard_destroy(mount->guard);
}

static int run(struct mount *mount, const struct mount_options *options)
{
	int r = create_processes(mount, options);
	if (r == 0)
		r = open_store(mount, options);
	if (r < 0)
		return r;
	r = create_tree(mount, options);
	if (r == 0)
		r = session_create(mount, options);
	if (r == 0)
		r = create_rooms(mount);
	if (r == 0)
		r = session_run(mount);
	if (r < 0)
		fprintf(stderr, "pymodfs: can't mount %s on %s: %s\n", options->url,
			options->mountpoint, strerror(-r));
	return r;
}

/* The database's path has to hold when the daemon's working directory is / . */
static char *absolute_url(const char *url)
{
	if (strstr(url, "://"))
		return strdup(url);
	char *path = realpath(url, NULL);
	return path ? path : strdup(url);
}

int mount_run(const struct mount_options *wanted)
{
	struct mount_options options = *wanted;
	struct background background = {.pipe = -1};
	char *mountpoint = mountpoint_prepare(options.mountpoint, options.nonempty);
	if (!mountpoint)
		return 1;
	if (mountpoint_holds(mountpoint, options.url)) {
		fprintf(stderr,
			"pymodfs: the database %s is inside %s, where it could not be reached any "
			"more\n",
			options.url, options.mountpoint);
		free(mountpoint);
		return 1;
	}
	char *url = absolute_url(options.url);
	options.url = url ? url : options.url;
	struct mount mount = {
		.mountpoint = mountpoint,
		.uid = options.uid,
		.gid = options.gid,
		.read_only = options.read_only,
		.allow_other = options.allow_other,
		.busy_timeout_ms = options.busy_timeout_ms,
		.timeout = FOREVER,
		.ready = background_ready,
		.ready_arg = &background,
	};
	int r = options.foreground ? 0 : background_start(&background);
	if (r == 0)
		r = run(&mount, &options);
	take_apart(&mount);
	free(url);
	free(mountpoint);
	return r < 0 ? 1 : 0;
}
