/* SPDX-License-Identifier: MIT */
/*
 * background.h - going on without the terminal: the process forks, and its parent stays until the child is ready or has
 * failed and said why.
 */
#ifndef PYMODFS_BACKGROUND_H
#define PYMODFS_BACKGROUND_H

struct background {
	int pipe; /* write end, -1: in the foreground */
};

/*
 * Returns in the child; the parent exits with what the child's end, or background_ready(), tells it. To be called before
 * the database is opened: SQLite's connections and locks don't survive a fork. -EAGAIN, -EMFILE and what else pipe(2) and
 * fork(2) say.
 */
int background_start(struct background *background);
/* The parent may go, and the terminal is not ours any more. In the foreground, or the second time: nothing. */
void background_ready(struct background *background);

#endif
