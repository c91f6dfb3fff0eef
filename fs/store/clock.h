/* SPDX-License-Identifier: MIT */
/* clock.h - times as nanoseconds, the unit of the store and of all deadlines here. */
#ifndef PYMODFS_CLOCK_H
#define PYMODFS_CLOCK_H

#include <stdint.h>
#include <time.h>

#define NANOSECONDS INT64_C(1000000000) /* in a second */
#define MILLISECOND INT64_C(1000000)    /* in nanoseconds */

/* Before and after 1970; what is further away becomes that, with room for the whole seconds by which times grow. */
#define CLOCK_SECONDS_MAX INT64_C(9000000000)

static inline int64_t clock_join(const struct timespec *time)
{
	if (time->tv_sec >= CLOCK_SECONDS_MAX)
		return CLOCK_SECONDS_MAX * NANOSECONDS;
	if (time->tv_sec < -CLOCK_SECONDS_MAX)
		return -CLOCK_SECONDS_MAX * NANOSECONDS;
	return time->tv_sec * NANOSECONDS + time->tv_nsec;
}

static inline int64_t clock_read(clockid_t clock)
{
	struct timespec now;
	clock_gettime(clock, &now);
	return clock_join(&now);
}

static inline int64_t clock_monotonic(void)
{
	return clock_read(CLOCK_MONOTONIC);
}

static inline int64_t clock_monotonic_ms(void)
{
	return clock_monotonic() / MILLISECOND;
}

static inline int64_t clock_real(void)
{
	return clock_read(CLOCK_REALTIME);
}

static inline struct timespec clock_split(int64_t ns)
{
	int64_t seconds = ns / NANOSECONDS, rest = ns % NANOSECONDS;
	if (rest < 0) {
		seconds--;
		rest += NANOSECONDS;
	}
	return (struct timespec){.tv_sec = seconds, .tv_nsec = rest};
}

#endif
