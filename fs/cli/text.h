/* SPDX-License-Identifier: MIT */
/* text.h - contents as lines, and what changed between two of them. */
#ifndef PYMODFS_CLI_TEXT_H
#define PYMODFS_CLI_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Lines keep their newline; the last one may have none. The data is the caller's and must last. */
struct text {
	const char *data;
	size_t size;
	size_t n;
	size_t *starts; /* n + 1 of them: where each line begins, and the end */
};

/* -ENOMEM */
int text_init(struct text *text, const void *data, size_t size);
void text_finish(struct text *text);
/* A NUL, or a single line of enormous length: nothing to compare line by line. */
bool text_is_binary(const struct text *text);

/* In the place of old_n lines at old there are new_n at new. One of them may be 0. */
struct text_change {
	size_t old, old_n, new, new_n;
};

/* The changes that make one text of the other, in order, few and small; the caller frees. -ENOMEM */
int text_compare(const struct text *old, const struct text *new, struct text_change **ret_changes,
	size_t *ret_n);

/* How many lines a change of contents adds and removes; -ENOMEM. */
int text_count(const void *old, size_t old_size, const void *new, size_t new_size,
	size_t *ret_added, size_t *ret_removed);

/* Prints what changed as diff -u does, with colours where there are some. -ENOMEM */
int text_print_diff(
	const char *old_name, const struct text *old, const char *new_name, const struct text *new);

#endif
