/* SPDX-License-Identifier: MIT */
/* escape.h - names and other texts that somebody else wrote, as they may be shown on a terminal and in a log. */
#ifndef PYMODFS_STORE_ESCAPE_H
#define PYMODFS_STORE_ESCAPE_H

#include <stddef.h>
#include <stdio.h>

/*
 * Prints the text with \xNN for each byte of a control character (also of those above ASCII, which some terminals obey) and for
 * each byte that isn't UTF-8.
 */
void escape_print(FILE *out, const char *text, size_t size);
/* The same into a buffer of `room` bytes, one of them for the NUL; what doesn't fit is left out, by whole characters. */
void escape_copy(char *to, size_t room, const char *text);

#endif
