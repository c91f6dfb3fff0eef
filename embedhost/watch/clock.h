/* SPDX-License-Identifier: MIT */
/*
 * The clock for waits and durations.
 */
#ifndef WATCH_CLOCK_H
#define WATCH_CLOCK_H

#include <time.h>

/* Seconds since some moment in the past, whatever happens to the time of day. */
static inline double clock_seconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

#endif
