/* SPDX-License-Identifier: MIT */
/* export.h - what the files of export share: how far it is, and a place on both sides. */
#ifndef PYMODFS_CLI_EXPORT_H
#define PYMODFS_CLI_EXPORT_H

#include "progress.h"
#include "record.h"
#include "store.h"
#include "transfer.h"

#include <sys/stat.h>

/* What is in the way of an export. */
enum export_obstacle {
	EXPORT_STRANGER,     /* the database has nothing there */
	EXPORT_DIFFERENT,    /* a file that was not exported */
	EXPORT_NO_FILE,      /* where one is to be */
	EXPORT_NO_DIRECTORY, /* likewise */
	EXPORT_N_OBSTACLES,
};
#define EXPORT_NAMED_MAX 10 /* of one sort; the others are counted */

struct export
{
	/* options */
	bool overwrite, remove;
	struct transfer transfer;

	const char *dir;
	int top; /* -1: it isn't there */
	struct store_reader *reader;
	mode_t umask;
	struct progress progress;
	struct record record, fresh; /* of before; of afterwards */
	int64_t obstacles[EXPORT_N_OBSTACLES];
	int64_t done, written, kept, deleted, conflicts, hidden;
};

/* A directory on both sides. */
struct export_level {
	int fd; /* -1 while it isn't there */
	const char *path;
	int depth;
};

/* What the database has in it. */
struct export_item {
	struct store_node node;
	char *name;
};

/*
 * What is visited is only looked at first (`write` false): obstacles and conflicts are named, and end the export. Then it is
 * written. All return the exit status; what is wrong has been said.
 */

/* ---- export_tree.c ---- */

/* A directory of the database with all below it; the level's is opened where it is there. */
int export_visit_dir(
	struct export *export, int64_t id, const struct export_level *level, bool write);
bool export_is_empty(int fd);
/* "PATH/NAME: words" */
int export_fail_at(const struct export_level *level, const char *name, const char *words);
/* Counts what is in the way, and names it unless many of its sort have been. */
void export_note_obstacle(struct export *export, enum export_obstacle obstacle,
	const struct export_level *level, const char *name);

/* ---- export_file.c ---- */

int export_visit_file(struct export *export, const struct export_level *level,
	const struct export_item *item, bool write);
/* Files that were exported and that the database has no more. */
int export_visit_gone(struct export *export, bool write);

#endif
