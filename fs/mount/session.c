// SPDX-License-Identifier: MIT
/*
 * The session, from mount to unmount.
 *
 * At the end libfuse closes /dev/fuse, which the writer uses for its answers and the publisher for its notifications, so both end
 * first. Somebody has to answer the kernel meanwhile: a notification may be waiting for a directory's lock whose holder
 * waits for an answer. So when a signal ends the mount, the crew goes on serving until a thread of its own has ended what
 * writes and publishes. When the mount is gone already, the kernel has ended all waits.
 */
#include "session.h"

#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <syslog.h>

#include "attach.h"
#include "job.h"
#include "notify.h"

/* Commas and backslashes in a value of libfuse's option list. */
static void add_escaped(FILE *out, const char *text)
{
	for (; *text; text++) {
		if (*text == ',' || *text == '\\')
			fputc('\\', out);
		fputc(*text, out);
	}
}

static char *session_options(const struct mount *mount, const struct mount_options *options)
{
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);
	if (!out)
		return NULL;
	fputs("default_permissions,subtype=pymodfs,fsname=", out);
	add_escaped(out, options->fsname ? options->fsname : mount->name);
	fputs(options->suid ? ",suid" : ",nosuid", out);
	fputs(options->dev ? ",dev" : ",nodev", out);
	fputs(mount->read_only ? ",ro" : "", out);
	fputs(options->noexec ? ",noexec" : "", out);
	fputs(options->noatime ? ",noatime" : "", out);
	fputs(options->allow_other    ? ",allow_other"
		: options->allow_root ? ",allow_root"
				      : "",
		out);
	if (fclose(out)) {
		free(text);
		return NULL;
	}
	return text;
}

int session_create(struct mount *mount, const struct mount_options *options)
{
	char *list = session_options(mount, options);
	if (!list)
		return -ENOMEM;
	char *argv[] = {
		(char *)"pymodfs", (char *)"-o", list, options->debug ? (char *)"-d" : NULL, NULL};
	struct fuse_args args = FUSE_ARGS_INIT(options->debug ? 4 : 3, argv);
	mount->session = fuse_session_new(&args, &mount_ops, sizeof(mount_ops), mount);
	fuse_opt_free_args(&args);
	free(list);
	return mount->session ? 0 : -EINVAL;
}

struct ending {
	struct mount *mount;
	pthread_t thread;
	sem_t begin;
	bool ready; /* the thread is there */
	bool begun; /* a signal came; set before begin is posted */
};

/* What was asked for is done, what stays in memory for a while is settled, and nobody uses the session after that. */
static void end_work(struct mount *mount)
{
	notify_manager("STOPPING=1\nSTATUS=saving what is in memory");
	if (mount->publisher && !mount->read_only)
		job_settle(mount);
	crew_drain(mount->crew);
	publisher_stop(mount->publisher);
}

static void *ending_main(void *arg)
{
	struct ending *ending = arg;
	while (sem_wait(&ending->begin) < 0)
		;
	if (!ending->begun)
		return NULL;
	end_work(ending->mount);
	crew_close(ending->mount->crew);
	return NULL;
}

/* A signal came: the mount is still there, and is served until all is done. */
static void begin_ending(void *arg)
{
	struct ending *ending = arg;
	ending->begun = true;
	sem_post(&ending->begin);
}

/* The thread is made ahead, since at the end there may be no memory for one, and without it nobody would answer meanwhile. */
static int ending_init(struct ending *ending, struct mount *mount)
{
	*ending = (struct ending){.mount = mount};
	sem_init(&ending->begin, 0, 0);
	int r = -pthread_create(&ending->thread, NULL, ending_main, ending);
	ending->ready = r == 0;
	if (ending->ready)
		pthread_setname_np(ending->thread, "ending");
	return r;
}

/* The session is over. Does what is left to do, where no signal began it. */
static void ending_finish(struct ending *ending)
{
	bool begun = ending->begun;
	if (ending->ready) {
		sem_post(&ending->begin);
		pthread_join(ending->thread, NULL);
	}
	sem_destroy(&ending->begin);
	if (!begun)
		end_work(ending->mount);
}

/* Signals are for who serves (crew.c). */
static int start_threads(struct mount *mount, struct ending *ending)
{
	sigset_t all, old;
	sigfillset(&all);
	pthread_sigmask(SIG_BLOCK, &all, &old);
	int r = ending_init(ending, mount);
	if (r == 0)
		r = crew_create(mount, &mount->crew);
	if (r == 0)
		r = publisher_create(mount, &mount->publisher);
	if (r == 0)
		r = echo_start(mount->echo);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	return r;
}

int session_run(struct mount *mount)
{
	int r = fuse_set_signal_handlers(mount->session) ? -EIO : 0;
	if (r < 0)
		return r;
	/* The kernel waits for answers from now on; nothing of ours may touch the mount before the loop runs. */
	r = attach_session(mount);
	if (r == 0) {
		struct ending ending;
		guard_mounted(mount->guard);
		r = start_threads(mount, &ending);
		if (r == 0)
			r = crew_serve(mount->crew, begin_ending, &ending);
		ending_finish(&ending);
		fuse_session_unmount(mount->session);
		mount_log(LOG_INFO, "%s is unmounted", mount->mountpoint);
	}
	/* What is left to do is quick; a signal that comes now is about an end that is under way. */
	sigset_t all;
	sigfillset(&all);
	pthread_sigmask(SIG_BLOCK, &all, NULL);
	fuse_remove_signal_handlers(mount->session);
	return r < 0 ? r : 0;
}
