/* SPDX-License-Identifier: MIT */
/* Prints the changes between two texts as `diff -u` does, so that patch(1) understands it. */
#include "output.h"
#include "text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CONTEXT 3

struct sides {
	const struct text *old, *new;
};

static void print_line(char sign, const struct text *text, size_t line)
{
	size_t size = text->starts[line + 1] - text->starts[line];
	const char *data = text->data + text->starts[line];
	bool newline = size && data[size - 1] == '\n';
	const char *style = sign == '-'   ? output_style(STYLE_OLD)
			    : sign == '+' ? output_style(STYLE_NEW)
					  : "";
	printf("%s%c", style, sign);
	fwrite(data, 1, size - newline, stdout);
	printf("%s\n%s", *style ? output_plain() : "",
		newline ? "" : "\\ No newline at end of file\n");
}

/* "3", "3,0" or "3,5"; an empty range is that behind the line before it. */
static void print_range(char sign, size_t start, size_t n)
{
	if (n == 1)
		printf("%c%zu", sign, start + 1);
	else
		printf("%c%zu,%zu", sign, start + (n > 0), n);
}

/* The changes first to last, with the lines about them. */
static void print_hunk(
	const struct sides *sides, const struct text_change *first, const struct text_change *last)
{
	size_t before = first->old < CONTEXT ? first->old : CONTEXT;
	size_t a = first->old - before, b = first->new - before;
	size_t behind = sides->old->n - last->old - last->old_n;
	behind = behind < CONTEXT ? behind : CONTEXT;
	size_t a_end = last->old + last->old_n + behind, b_end = last->new + last->new_n + behind;
	printf("%s@@ ", output_style(STYLE_PLACE));
	print_range('-', a, a_end - a);
	putchar(' ');
	print_range('+', b, b_end - b);
	printf(" @@%s\n", output_plain());
	for (const struct text_change *c = first; c <= last; c++) {
		while (a < c->old)
			print_line(' ', sides->old, a++);
		for (size_t i = 0; i < c->old_n; i++)
			print_line('-', sides->old, a++);
		for (size_t i = 0; i < c->new_n; i++)
			print_line('+', sides->new, c->new + i);
	}
	while (a < a_end)
		print_line(' ', sides->old, a++);
}

static void print_hunks(const struct sides *sides, const struct text_change *changes, size_t n)
{
	for (size_t i = 0; i < n;) {
		size_t last = i;
		while (last + 1 < n &&
			changes[last + 1].old - changes[last].old - changes[last].old_n <=
				2 * (size_t)CONTEXT)
			last++;
		print_hunk(sides, &changes[i], &changes[last]);
		i = last + 1;
	}
}

static void print_names(const char *old_name, const char *new_name)
{
	const char *names[] = {old_name, new_name};
	for (int i = 0; i < 2; i++) {
		printf("%s%s ", output_style(STYLE_HEAD), i ? "+++" : "---");
		output_name(names[i]);
		printf("%s\n", output_plain());
	}
}

int text_print_diff(
	const char *old_name, const struct text *old, const char *new_name, const struct text *new)
{
	const struct sides sides = {old, new};
	struct text_change *changes;
	size_t n;
	if (text_is_binary(old) || text_is_binary(new)) {
		fputs("Binary files ", stdout);
		output_name(old_name);
		fputs(" and ", stdout);
		output_name(new_name);
		fputs(" differ\n", stdout);
		return 0;
	}
	int err = text_compare(old, new, &changes, &n);
	if (err)
		return err;
	print_names(old_name, new_name);
	print_hunks(&sides, changes, n);
	free(changes);
	return 0;
}
