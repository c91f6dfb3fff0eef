/* SPDX-License-Identifier: MIT */
/*
 * The clock that is shown while one call is under way, a statement of the database for example. A thread draws it, because
 * the call doesn't come back meanwhile; it exists from begin to end. The lock protects `over`. The rest belongs to the
 * one who begins, and to the thread while there is one.
 */
#include "waiting.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_t thread;
static pthread_cond_t ended; /* over has become true; monotonic */
static bool running, over;
static const char *what_for;
static int width; /* of what stands on the terminal; 0: nothing */

static bool is_over_by(const struct timespec *time)
{
	int err = 0;
	pthread_mutex_lock(&lock);
	while (!over && err != ETIMEDOUT)
		err = pthread_cond_timedwait(&ended, &lock, time);
	bool is = over;
	pthread_mutex_unlock(&lock);
	return is;
}

static void *tell(void *arg)
{
	(void)arg;
	struct timespec time;
	clock_gettime(CLOCK_MONOTONIC, &time);
	for (int seconds = 1; time.tv_sec++, !is_over_by(&time); seconds++)
		width = fprintf(stderr, "\r%s, %d s", what_for, seconds) - 1;
	return NULL;
}

/* Signals are for the thread that works. */
static int start(void)
{
	sigset_t all, before;
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	int err = pthread_create(&thread, NULL, tell, NULL);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return err;
}

void waiting_begin(const char *what)
{
	pthread_condattr_t attr;
	waiting_end();
	if (!isatty(STDERR_FILENO))
		return;
	what_for = what;
	over = false;
	width = 0;
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&ended, &attr);
	pthread_condattr_destroy(&attr);
	running = !start();
	if (!running)
		pthread_cond_destroy(&ended);
}

void waiting_erase(int columns)
{
	/* The terminal may have put a ^C behind it. */
	if (columns > 0)
		fprintf(stderr, "\r%*s\r", columns + 2, "");
}

void waiting_end(void)
{
	if (!running)
		return;
	pthread_mutex_lock(&lock);
	over = true;
	pthread_cond_signal(&ended);
	pthread_mutex_unlock(&lock);
	pthread_join(thread, NULL);
	pthread_cond_destroy(&ended);
	running = false;
	waiting_erase(width);
}
