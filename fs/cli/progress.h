/* SPDX-License-Identifier: MIT */
/* progress.h - a progress bar for people, on a terminal only. */
#ifndef PYMODFS_CLI_PROGRESS_H
#define PYMODFS_CLI_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>

struct progress {
	const char *what;
	int64_t total, started, drawn; /* items; monotonic ns */
	bool terminal, visible;
};

/* One at a time. */

/* Nothing shows unless stderr is a terminal and the work looks like taking over a second. */
void progress_init(struct progress *progress, const char *what, int64_t total);
void progress_show(struct progress *progress, int64_t done);
/* The same where the whole is known later; a store_progress_fn that ends the work after a signal (interrupt.h): -EINTR. */
int progress_count(void *progress, int64_t done, int64_t total);
/*
 * Takes the bar away, if there is one, until it is drawn anew, and ends a waiting (waiting.h): something else is about to be
 * printed.
 */
void progress_hide(void);
/* Output begins: what is seen as it comes needs no bar any more. One that goes to a file does. */
void progress_give_way(struct progress *progress);
/* Ends the line of a bar that is visible, at 100 % if the work was done, and a waiting (waiting.h), as its first drawing does. */
void progress_finish(struct progress *progress, bool complete);

#endif
