/* SPDX-License-Identifier: MIT */
/* Files that somebody writes at this moment: they are reported when they are closed. */
#ifndef WATCH_WRITTEN_H
#define WATCH_WRITTEN_H

#include "watch.h"

struct written_file;

struct written {
	struct written_file *files;
};

void written_finish(struct written *written);

/* structure: the file is new. */
int written_add(struct written *written, const char *path, bool structure);

/* It was closed, or is gone. Returns whether it was new when the writing began. */
bool written_remove(struct written *written, const char *path);

/* Reports and forgets those that have been left open for a while. */
int written_take_old(struct written *written, const struct watch_sink *sink);

#endif
