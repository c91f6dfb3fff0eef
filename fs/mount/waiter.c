// SPDX-License-Identifier: MIT
/*
 * A list of answers that are held back, and the thread that gives those whose patience is over. It sleeps without a
 * time-out while nobody's patience is bounded. Whoever takes a waiter off the list, under the lock, calls it, without the lock.
 */
#include "../store/clock.h"
#include "waiter.h"

#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <time.h>

#define NEVER INT64_MAX

struct waiter {
	int64_t change;
	int64_t until; /* CLOCK_MONOTONIC, ns; or NEVER */
	void (*done)(void *arg);
	void *arg;
	struct waiter *next;
};

struct waiters {
	pthread_t thread;
	pthread_mutex_t lock; /* guards all below */
	pthread_cond_t changed;
	struct waiter *first;
	int64_t armed; /* until when the thread sleeps */
	bool stopping;
};

/* Takes those off whose change is published or whose time is over. Wants the lock. */
static struct waiter *take(struct waiters *waiters, int64_t published, int64_t now)
{
	struct waiter *taken = NULL;
	for (struct waiter **p = &waiters->first; *p;) {
		struct waiter *waiter = *p;
		if (waiter->change > published && waiter->until > now) {
			p = &waiter->next;
			continue;
		}
		*p = waiter->next;
		waiter->next = taken;
		taken = waiter;
	}
	return taken;
}

static void call(struct waiter *waiter)
{
	while (waiter) {
		struct waiter *next = waiter->next;
		waiter->done(waiter->arg);
		free(waiter);
		waiter = next;
	}
}

/* Sleeps until somebody's patience is over, or there is another one. Wants the lock. */
static void sleep_on(struct waiters *waiters)
{
	waiters->armed = NEVER;
	for (struct waiter *waiter = waiters->first; waiter; waiter = waiter->next)
		if (waiter->until < waiters->armed)
			waiters->armed = waiter->until;
	if (waiters->armed == NEVER) {
		pthread_cond_wait(&waiters->changed, &waiters->lock);
		return;
	}
	struct timespec until = clock_split(waiters->armed);
	pthread_cond_timedwait(&waiters->changed, &waiters->lock, &until);
}

static void *waiters_main(void *arg)
{
	struct waiters *waiters = arg;
	pthread_mutex_lock(&waiters->lock);
	while (!waiters->stopping) {
		struct waiter *taken = take(waiters, -1, clock_monotonic());
		if (!taken) {
			sleep_on(waiters);
			continue;
		}
		pthread_mutex_unlock(&waiters->lock);
		call(taken);
		pthread_mutex_lock(&waiters->lock);
	}
	pthread_mutex_unlock(&waiters->lock);
	return NULL;
}

int waiters_create(struct waiters **ret_waiters)
{
	struct waiters *waiters = calloc(1, sizeof(*waiters));
	if (!waiters)
		return -ENOMEM;
	pthread_condattr_t attr;
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&waiters->changed, &attr);
	pthread_condattr_destroy(&attr);
	pthread_mutex_init(&waiters->lock, NULL);
	int r = pthread_create(&waiters->thread, NULL, waiters_main, waiters);
	if (r) {
		free(waiters);
		return -r;
	}
	pthread_setname_np(waiters->thread, "patience");
	*ret_waiters = waiters;
	return 0;
}

void waiters_destroy(struct waiters *waiters)
{
	if (!waiters)
		return;
	pthread_mutex_lock(&waiters->lock);
	waiters->stopping = true;
	pthread_cond_signal(&waiters->changed);
	pthread_mutex_unlock(&waiters->lock);
	pthread_join(waiters->thread, NULL);
	pthread_cond_destroy(&waiters->changed);
	pthread_mutex_destroy(&waiters->lock);
	free(waiters);
}

void waiters_add(struct waiters *waiters, int64_t change, int patience_ms, void (*done)(void *arg),
	void *arg)
{
	struct waiter *waiter = malloc(sizeof(*waiter));
	if (!waiter) {
		done(arg);
		return;
	}
	*waiter = (struct waiter){.change = change, .until = NEVER, .done = done, .arg = arg};
	if (patience_ms >= 0)
		waiter->until = clock_monotonic() + patience_ms * MILLISECOND;
	pthread_mutex_lock(&waiters->lock);
	waiter->next = waiters->first;
	waiters->first = waiter;
	if (waiter->until < waiters->armed)
		pthread_cond_signal(&waiters->changed);
	pthread_mutex_unlock(&waiters->lock);
}

void waiters_finish(struct waiters *waiters, int64_t published)
{
	pthread_mutex_lock(&waiters->lock);
	struct waiter *taken = take(waiters, published, -1);
	pthread_mutex_unlock(&waiters->lock);
	call(taken);
}
