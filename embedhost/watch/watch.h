/* SPDX-License-Identifier: MIT */
/*
 * What may have changed below the watched directories. Knows files, not modules, and no Python.
 *
 * Three kinds of directory:
 *   plain   on a local file system: inotify, on the directories that were added one by one
 *   mount   of pymodfs: its feed (docs/control-directory.md) for the whole mount
 *   sweep   everything else (network file systems, other FUSE): no news at all, so the answer is
 *           "look at everything" each time, and the descriptor ticks once a second
 *
 * Not thread-safe, but for watch_fd(): the caller has a lock. Functions return 0 or -errno.
 */
#ifndef WATCH_WATCH_H
#define WATCH_WATCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct watch;

int watch_create(struct watch **ret_watch);
void watch_destroy(struct watch *watch);

/* Readable while something waits to be taken; for poll() only. */
int watch_fd(const struct watch *watch);

/* A directory below which everything is of interest. It need not be added again as a directory. */
int watch_add_root(struct watch *watch, const char *dir);

/* A directory that holds files of interest. Cheap if it is known or below a mount. Files of it that
 * change after this call are reported. */
int watch_add_dir(struct watch *watch, const char *dir);

/* From now on every look is at everything: for files that can't be watched. */
void watch_set_sweep(struct watch *watch);

struct watch_change {
	const char *path; /* absolute */
	bool structure;   /* it came, went, or is a directory */
};

/* Calls fn for each path that may have changed since the last call, in order, some more than once.
 * *ret_sweep: anything may have, whether reported or not. Stops at fn's first negative result,
 * which is returned. */
int watch_take(struct watch *watch, int (*fn)(const struct watch_change *change, void *data),
	void *data, bool *ret_sweep);

/* In a child of fork(): its own descriptors, under the same numbers, for those that it shares with
 * its parent are the parent's to read. What changed in between is found by a look at everything. */
int watch_after_fork(struct watch *watch);

/* Makes the descriptor readable once: the next watch_take() has a reason to be called. */
void watch_nudge(struct watch *watch);

/* Whether a path is below a mount that is not there at the moment: what is missing isn't gone. */
bool watch_is_lost(const struct watch *watch, const char *path);

/* Where to read a file so that all reads since the last watch_take() see one state: below a mount
 * its at/GENERATION, else the path itself. Returns path or buffer. */
const char *watch_read_path(const struct watch *watch, const char *path, char *buffer, size_t size);
#define WATCH_CHANGED ".changed"
/* The file in which the mount has what its at/GENERATION brought, in one piece: at/GENERATION.changed. */
bool watch_changed_path(const struct watch *watch, const char *path, char *buffer, size_t size);

/* ---- for the files of this room ---- */

/* Who is told. */
struct watch_sink {
	int (*fn)(const struct watch_change *change, void *data);
	void *data;
};
int watch_report(const struct watch_sink *sink, const char *path, bool structure);

/* Another open file under a number; takes fresh, which may be -1 with errno set. */
int watch_replace_fd(int fd, int fresh);

/* feed.c: the lines of a feed, apart from where they come from. */
struct feed_line {
	uint64_t generation;
	enum { FEED_NOW, FEED_CHANGE, FEED_ATTRIBUTE, FEED_OVERFLOW } kind;
	bool structure; /* insert or delete */
	char *name;     /* unescaped; of FEED_NOW empty */
	char *version;  /* of FEED_NOW the mount's number */
};

/* Takes a line without its newline apart, in place. -EBADMSG if it isn't one. */
int feed_parse(char *line, struct feed_line *ret_line);

/* The path of a feed's name below the mount; false if it doesn't fit. */
bool feed_path(const char *mount, const char *name, char *buffer, size_t size);

#endif
