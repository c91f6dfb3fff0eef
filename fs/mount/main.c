// SPDX-License-Identifier: MIT
/*
 * `pymodfs mount`: puts the parts of a mount together, runs it, takes it apart.
 *
 * The process goes to the background before it opens the database (background.h) and is ready when it has answered the kernel
 * for the first time.
 */
#include <errno.h>
#include <grp.h>
#include <malloc.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <syslog.h>
#include <unistd.h>

#include "attach.h"
#include "background.h"
#include "beneath.h"
#include "mount.h"
#include "mountpoint.h"
#include "notify.h"
#include "options.h"
#include "session.h"

#define FILES_MIN 64 /* with room for the first files that are open at once in __pycache__ */
#define FOREVER (10 * 365 * 86400.0)
#define SERVER_SILENCE_MS 10000 /* nobody else is answered while the session waits for one answer */
#define CONNECTIONS \
	4 /* those that read or write: the session's, the writer's two, the publisher's */

/* Room that a thread may keep instead of giving it back to the kernel. */
#define KEPT_ROOM (4 << 20)
#define ROOM_AT_ONCE (256 << 10)

/* ---- who is told that the mount answers ---- */

struct ready {
	struct background background;
	const struct mount *mount;
};

static void tell_ready(void *arg)
{
	struct ready *ready = arg;
	const struct mount *mount = ready->mount;
	background_ready(&ready->background);
	mount_log(LOG_INFO, "%s is mounted on %s%s", mount->name, mount->mountpoint,
		mount->read_only ? " read-only" : "");
	notify_manager("READY=1\nSTATUS=%s is mounted on %s", mount->name, mount->mountpoint);
}

/* ---- the parts ---- */

static bool may_echo(void)
{
	int r = beneath_check();
	if (r < 0)
		mount_log(LOG_WARNING,
			"watchers will learn nothing of changes by other programs: openat2() is "
			"refused here: %s",
			strerror(-r));
	return r == 0;
}

/* First of all, because it forks. */
static int create_processes(struct mount *mount, const struct mount_options *options)
{
	int r = guard_create(mount->mountpoint, &mount->guard);
	if (r == 0 && options->echo && !options->read_only && may_echo())
		r = echo_create(mount->mountpoint, &mount->echo);
	if (r < 0)
		mount_log(LOG_ERR, "can't start a process: %s", strerror(-r));
	return r;
}

static int open_store(struct mount *mount, const struct mount_options *options)
{
	struct store_options store_options = {
		.read_only = options->read_only,
		.busy_timeout_ms = options->busy_timeout_ms,
		.silence_ms = SERVER_SILENCE_MS,
		.cache_max = options->cache_max / CONNECTIONS,
	};
	int r = store_open(options->url, &store_options, &mount->store);
	if (r == 0)
		r = store_reader_create(mount->store, &mount->reader);
	if (r == 0)
		r = store_reader_create(mount->store, &mount->writer_reader);
	if (r < 0)
		mount_log(LOG_ERR, "%s", store_error());
	return r;
}

/* What can't be written is shown all the same: saves that fail only at close would be noticed by few. */
static int settle_read_only(struct mount *mount, const struct mount_options *options)
{
	const char *refusal = store_refusal(mount->store);
	if (!refusal)
		return 0;
	if (options->read_write) {
		mount_log(LOG_ERR, "%s can't be mounted read-write: %s", mount->name, refusal);
		return -EROFS;
	}
	mount_log(LOG_WARNING, "%s is mounted read-only: %s", mount->name, refusal);
	mount->read_only = true;
	echo_destroy(mount->echo);
	mount->echo = NULL;
	return 0;
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
		r = feed_create(change, options->feed_max, &mount->feed);
	return r;
}

static int create_rooms(struct mount *mount)
{
	int r = control_create(mount, &mount->control);
	if (r == 0)
		r = pycache_create(mount, &mount->pycache);
	if (r == 0)
		r = giver_create(&mount->giver);
	return r;
}

static void take_apart(struct mount *mount)
{
	crew_destroy(mount->crew);
	publisher_destroy(mount->publisher);
	echo_destroy(mount->echo);
	giver_destroy(mount->giver);
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
	if (r == 0)
		r = settle_read_only(mount, options);
	if (r < 0)
		return r;
	r = create_tree(mount, options);
	if (r == 0)
		r = session_create(mount, options);
	if (r == 0)
		r = create_rooms(mount);
	if (r == 0)
		r = session_run(mount);
	if (r < 0 && r != -ECANCELED)
		mount_log(LOG_ERR, "can't mount %s on %s: %s", mount->name, mount->mountpoint,
			strerror(-r));
	return r;
}

/* For all that follows, so that the database and the mount point need be open to that user only. */
static int become_user(const char *name)
{
	const struct passwd *user = name ? getpwnam(name) : NULL;
	if (!user || user->pw_uid == geteuid())
		return 0;
	if (initgroups(name, user->pw_gid) < 0 || setgid(user->pw_gid) < 0 ||
		setuid(user->pw_uid) < 0) {
		int r = -errno;
		mount_log(LOG_ERR, "can't become the user %s: %s", name, strerror(-r));
		return r;
	}
	setenv("HOME", user->pw_dir, 1);
	unsetenv("XDG_CACHE_HOME"); /* both say where bytecode is kept */
	return 0;
}

/* libfuse can't tell: it is fusermount3 that refuses, on a stderr that may be lost. */
static bool may_let_others_in(const struct mount_options *options)
{
	char line[256], word[32];
	bool allowed = attach_is_privileged() || !(options->allow_other || options->allow_root);
	FILE *file = allowed ? NULL : fopen("/etc/fuse.conf", "re");
	while (file && !allowed && fgets(line, sizeof(line), file))
		allowed = sscanf(line, "%31s", word) == 1 && !strcmp(word, "user_allow_other");
	if (file)
		fclose(file);
	if (!allowed)
		mount_log(LOG_ERR,
			"allow_other and allow_root are for root only here; let root put a "
			"line user_allow_other into /etc/fuse.conf");
	return allowed;
}

/* The database's path has to hold when the daemon's working directory is / . */
static char *absolute_url(const char *url)
{
	if (strstr(url, "://"))
		return strdup(url);
	char *path = realpath(url, NULL);
	return path ? path : strdup(url);
}

static int run_mount(const struct mount_options *options, char *mountpoint, const char *name)
{
	struct ready ready = {.background = {.pipe = -1}};
	struct mount mount = {
		.mountpoint = mountpoint,
		.name = name,
		.uid = options->uid,
		.gid = options->gid,
		.read_only = options->read_only,
		.allow_other = options->allow_other,
		.busy_timeout_ms = options->busy_timeout_ms,
		.spin_ns = options->spin_us * INT64_C(1000),
		.timeout = FOREVER,
		.ready = tell_ready,
		.ready_arg = &ready,
	};
	ready.mount = &mount;
	int r = options->foreground ? 0 : background_start(&ready.background);
	if (r == 0)
		r = run(&mount, options);
	take_apart(&mount);
	return r;
}

static int check_and_mount(struct mount_options *options)
{
	char *name = NULL, *url = NULL;
	int r = become_user(options->user);
	if (r < 0)
		return r;
	if (!may_let_others_in(options))
		return -EPERM;
	char *mountpoint = mountpoint_prepare(options->mountpoint, options->nonempty);
	if (!mountpoint)
		return -EINVAL;
	r = -EINVAL;
	if (mountpoint_holds(mountpoint, options->url)) {
		mount_log(LOG_ERR,
			"the database %s is inside %s, where it could not be reached any more",
			options->url, options->mountpoint);
		goto free_mountpoint;
	}
	r = -ENOMEM;
	url = absolute_url(options->url);
	name = url ? store_shown_url(url) : NULL;
	if (!name)
		goto free_mountpoint;
	options->url = url;
	r = run_mount(options, mountpoint, name);
free_mountpoint:
	free(name);
	free(url);
	free(mountpoint);
	return r;
}

/* By default a transaction's room goes back to the kernel, to be faulted in again by the next: a fifth of what a save took. */
static void keep_room(void)
{
	mallopt(M_TRIM_THRESHOLD, KEPT_ROOM);
	mallopt(M_TOP_PAD, ROOM_AT_ONCE);
}

/* Each file that is open in __pycache__ is one of ours too, so as many as we may have. */
static int allow_files(void)
{
	struct rlimit limit;
	if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
		return 0;
	if (limit.rlim_max < FILES_MIN) {
		mount_log(LOG_ERR,
			"no more than %llu files may be open at once; a mount needs %d: raise the "
			"limit (ulimit -Hn; LimitNOFILE= of a unit)",
			(unsigned long long)limit.rlim_max, FILES_MIN);
		return -EMFILE;
	}
	limit.rlim_cur = limit.rlim_max;
	(void)setrlimit(RLIMIT_NOFILE, &limit);
	return 0;
}

int mount_run(const struct mount_options *wanted)
{
	struct mount_options options = *wanted;
	log_set_level(options.debug ? LOG_DEBUG : options.log_level);
	if (!options.debug)
		log_take_libfuse();
	keep_room();
	/* A write beyond RLIMIT_FSIZE is an error of one save, not the daemon's end. */
	signal(SIGXFSZ, SIG_IGN);
	return allow_files() < 0 || check_and_mount(&options) < 0 ? 1 : 0;
}
