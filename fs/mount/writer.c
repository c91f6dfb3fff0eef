// SPDX-License-Identifier: MIT
/*
 * The writer's thread: a queue of work, run one after the other, because the database has one writer at a time
 * anyway. A session thread never waits for it.
 */
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>

#include "mount.h"

struct work {
	void (*fn)(void *arg);
	void *arg;
	struct work *next;
};

struct writer {
	pthread_t thread;
	pthread_mutex_t lock; /* guards all below */
	pthread_cond_t changed;
	struct work *first, **last;
	bool stopping;
	bool stopped; /* for those who stop it only */
};

/* The next piece of work; NULL: there is none and there will be none. */
static struct work *writer_next(struct writer *writer)
{
	pthread_mutex_lock(&writer->lock);
	while (!writer->first && !writer->stopping)
		pthread_cond_wait(&writer->changed, &writer->lock);
	struct work *work = writer->first;
	if (work) {
		writer->first = work->next;
		if (!writer->first)
			writer->last = &writer->first;
	}
	pthread_mutex_unlock(&writer->lock);
	return work;
}

static void *writer_main(void *arg)
{
	struct writer *writer = arg;
	for (struct work *work; (work = writer_next(writer));) {
		work->fn(work->arg);
		free(work);
	}
	return NULL;
}

int writer_create(struct mount *mount, struct writer **ret_writer)
{
	struct writer *writer = calloc(1, sizeof(*writer));
	if (!writer)
		return -ENOMEM;
	writer->last = &writer->first;
	pthread_mutex_init(&writer->lock, NULL);
	pthread_cond_init(&writer->changed, NULL);
	int r = pthread_create(&writer->thread, NULL, writer_main, writer);
	if (r) {
		free(writer);
		return -r;
	}
	pthread_setname_np(writer->thread, "writer");
	*ret_writer = writer;
	return 0;
}

void writer_stop(struct writer *writer)
{
	if (!writer || writer->stopped)
		return;
	pthread_mutex_lock(&writer->lock);
	writer->stopping = true;
	pthread_cond_signal(&writer->changed);
	pthread_mutex_unlock(&writer->lock);
	pthread_join(writer->thread, NULL);
	writer->stopped = true;
}

void writer_destroy(struct writer *writer)
{
	if (!writer)
		return;
	writer_stop(writer);
	pthread_cond_destroy(&writer->changed);
	pthread_mutex_destroy(&writer->lock);
	free(writer);
}

int mount_submit(struct mount *mount, void (*fn)(void *arg), void *arg)
{
	struct writer *writer = mount->writer;
	struct work *work = malloc(sizeof(*work));
	if (!work)
		return -ENOMEM;
	*work = (struct work){.fn = fn, .arg = arg};
	pthread_mutex_lock(&writer->lock);
	bool open = !writer->stopping;
	if (open) {
		*writer->last = work;
		writer->last = &work->next;
		pthread_cond_signal(&writer->changed);
	}
	pthread_mutex_unlock(&writer->lock);
	if (open)
		return 0;
	free(work);
	return -ENOTCONN;
}
