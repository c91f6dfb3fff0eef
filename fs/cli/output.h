/* SPDX-License-Identifier: MIT */
/* output.h - what a terminal gets besides the text: colours, a pager, no control characters. */
#ifndef PYMODFS_CLI_OUTPUT_H
#define PYMODFS_CLI_OUTPUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum output_color { OUTPUT_AUTO, OUTPUT_ALWAYS, OUTPUT_NEVER };

/* --color and --no-pager. */
struct output_options {
	int color;
	bool no_pager;
};

struct output_options *output_get_options(void);

/*
 * Before long output: where it goes to a terminal, a pager takes it. It is PYMODFS_PAGER, else PAGER, else less; an empty
 * one or `cat` is none. A pager that can't be started is done without.
 */
void output_begin(void);
/* Does it go to a terminal, through a pager or not? */
bool output_is_terminal(void);
/* Waits until the pager has ended. */
void output_end(void);

enum output_style { STYLE_HEAD, STYLE_PLACE, STYLE_OLD, STYLE_NEW, STYLE_DIM, STYLE_WARN };

/* What begins and ends a style on stdout; "" without colours. */
const char *output_style(enum output_style style);
const char *output_plain(void);

/* A moment in local time, as a column has it: 2026-11-25 17:30:05; "?" where the system knows none. */
struct output_time {
	char text[64];
};
struct output_time output_time(int64_t ns);

/* Prints a name, which somebody else may have chosen, as escape_print() does. */
void output_name(const char *name);

#endif
