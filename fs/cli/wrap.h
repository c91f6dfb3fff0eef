/* SPDX-License-Identifier: MIT */
/* wrap.h - text for people, as wide as their terminal. */
#ifndef PYMODFS_CLI_WRAP_H
#define PYMODFS_CLI_WRAP_H

#include <stdio.h>

/* The columns of the terminal at fd; 80 where there is none, or it doesn't tell. */
int wrap_columns(int fd);
/*
 * Prints text in lines of at most `columns`. Lines that begin with a letter are one paragraph up to an empty one; an
 * indented line stands for itself, and what doesn't fit goes on below its second column, if it has one (behind two blanks).
 */
void wrap_print(FILE *out, const char *text, int columns);

#endif
