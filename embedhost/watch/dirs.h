/* SPDX-License-Identifier: MIT */
/* Directories of a local file system, each watched with inotify. */
#ifndef WATCH_DIRS_H
#define WATCH_DIRS_H

#include "watch.h"
#include "written.h"

struct watched_dir;

struct dirs {
	int inotify; /* the descriptor */
	struct watched_dir *by_wd, *by_path;
	struct written written;
};

int dirs_init(struct dirs *dirs);
void dirs_finish(struct dirs *dirs);

bool dirs_has(const struct dirs *dirs, const char *path);

/* -ENOENT or -ENOTDIR if there is none; -ENOSPC and others: it can't be watched. */
int dirs_add(struct dirs *dirs, const char *path);

/* Reports what the kernel has told since. Directories that appeared are added to `watch`.
 * *ret_overrun: some of it is lost. */
int dirs_take(
	struct dirs *dirs, struct watch *watch, const struct watch_sink *sink, bool *ret_overrun);

/* In a child of fork(): the same directories, with a descriptor of its own under the same number.
 * *ret_lost: not all can be watched. */
int dirs_after_fork(struct dirs *dirs, bool *ret_lost);

#endif
