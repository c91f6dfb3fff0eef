/* SPDX-License-Identifier: MIT */
/*
 * record.h - what an export wrote to a directory, so that a later import or export can tell what has changed since, on which
 * side.
 *
 * It is the file .pymodfs-export in that directory: a line `pymodfs-export 1 UUID` that names the database, then for each
 * file a line of four fields parted by tabs: the version that it is, its size and its mtime (ns) as they were written, and
 * its path, in which tab, newline, carriage return and backslash are \t, \n, \r, \\.
 */
#ifndef PYMODFS_CLI_RECORD_H
#define PYMODFS_CLI_RECORD_H

#include "store.h"

#include <sys/types.h>

#define RECORD_NAME ".pymodfs-export"

struct record_entry {
	char *path;
	int64_t version, size, mtime;
};

struct record {
	bool there;                   /* the directory has one, of this database */
	struct record_entry *entries; /* by path */
	size_t n, room;
};

/* Does an export use this name for itself, in any directory? */
bool record_is_own_name(const char *name);

/* The following return the exit status; what is wrong has been said. */

/* A directory without one, or with that of another database, is no failure. */
int record_load(struct record *record, const char *dir, const char *uuid);
/* NULL where there is none. */
const struct record_entry *record_find(const struct record *record, const char *path);
/* Entries may be added in any order; a path once. */
int record_add(
	struct record *record, const char *path, int64_t version, int64_t size, int64_t mtime);
/* Adds those entries of another, loaded one that it has none for. */
int record_add_missing(struct record *record, const struct record *other);
/* Replaces the directory's; all of it or nothing. words: what has been done all the same when that fails; NULL: there is no
 * need to say that it did. */
int record_save(
	struct record *record, const char *dir, mode_t umask, const char *uuid, const char *words);
void record_finish(struct record *record);

/*
 * Is a file with this size, mtime and content other than the one that was recorded? Where size and mtime leave a doubt, the
 * content of the recorded version decides, while it is kept.
 */
bool record_is_changed(const struct record_entry *entry, struct store_reader *reader, int64_t mtime,
	const void *data, size_t size);

#endif
