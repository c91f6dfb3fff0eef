/* SPDX-License-Identifier: MIT */
/*
 * waiting.h - a word to who waits for something of which nobody knows how long it takes: "reading the files, 3 s", from the
 * first second on, on a terminal only. Where the end is known there is a bar (progress.h), which takes such a word away.
 */
#ifndef PYMODFS_CLI_WAITING_H
#define PYMODFS_CLI_WAITING_H

/* One at a time, on one thread; what is there already ends. Between begin and end nothing may be printed. */
void waiting_begin(const char *what);
/* Takes the word away. Nothing happens where none was begun. */
void waiting_end(void);
/* Takes a line of so many columns from the terminal; 0 or less: there is none. */
void waiting_erase(int columns);

#endif
