/* SPDX-License-Identifier: MIT */
/*
 * A file that was modified and is not closed yet is being written, and half of it is nothing to load. One
 * that is kept open (a log, an editor that never closes) has to be taken as it is after a while.
 */
#include "written.h"
#include "clock.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <uthash.h>

#define LEFT_OPEN_SECONDS 0.5

struct written_file {
	char *path; /* key */
	double since;
	bool structure; /* it is new */
	UT_hash_handle hh;
};

static void written_forget(struct written *written, struct written_file *file)
{
	HASH_DEL(written->files, file);
	free(file->path);
	free(file);
}

void written_finish(struct written *written)
{
	struct written_file *file, *next;

	HASH_ITER (hh, written->files, file, next)
		written_forget(written, file);
}

int written_add(struct written *written, const char *path, bool structure)
{
	struct written_file *file;

	HASH_FIND_STR(written->files, path, file);
	if (file)
		return 0;
	file = calloc(1, sizeof(*file));
	if (!file || !(file->path = strdup(path))) {
		free(file);
		return -ENOMEM;
	}
	file->since = clock_seconds();
	file->structure = structure;
	HASH_ADD_KEYPTR(hh, written->files, file->path, strlen(file->path), file);
	return 0;
}

bool written_remove(struct written *written, const char *path)
{
	struct written_file *file;
	bool structure;

	HASH_FIND_STR(written->files, path, file);
	structure = file && file->structure;
	if (file)
		written_forget(written, file);
	return structure;
}

int written_take_old(struct written *written, const struct watch_sink *sink)
{
	struct written_file *file, *next;
	double before = clock_seconds() - LEFT_OPEN_SECONDS;
	int result = 0;

	HASH_ITER (hh, written->files, file, next)
		if (result >= 0 && file->since < before) {
			result = watch_report(sink, file->path, file->structure);
			written_forget(written, file);
		}
	return result < 0 ? result : 0;
}
