/* SPDX-License-Identifier: MIT */
/* Filling lines. Text is ASCII: a byte is a column. No state. */
#include "wrap.h"

#include <ctype.h>
#include <stdbool.h>
#include <string.h>
#include <sys/ioctl.h>

#define COLUMNS 80
#define COLUMNS_MIN 20
#define TEXT_MIN 24 /* a second column narrower than this begins on a line of its own ... */
#define INDENT 8    /* ... here */

int wrap_columns(int fd)
{
	struct winsize size;
	if (ioctl(fd, TIOCGWINSZ, &size) || !size.ws_col)
		return COLUMNS;
	return size.ws_col < COLUMNS_MIN ? COLUMNS_MIN : size.ws_col;
}

/* Where the second column of an indented line of this length begins; the indentation, where it has none. */
static size_t find_column(const char *line, size_t size)
{
	size_t indent = strspn(line, " ");
	for (size_t i = indent; i + 2 < size; i++)
		if (line[i] == ' ' && line[i + 1] == ' ')
			return i + strspn(line + i, " ");
	return indent;
}

/* Fills lines from words that begin at this column; the following ones are indented to it. */
static void fill(FILE *out, const char *text, size_t size, int column, int columns)
{
	const char *end = text + size;
	int at = column;
	bool first = true;
	while (text < end) {
		const char *word = text;
		while (text < end && !isspace((unsigned char)*text))
			text++;
		int length = (int)(text - word);
		if (!first && at + 1 + length > columns) {
			fprintf(out, "\n%*s", column, "");
			at = column;
		} else if (!first) {
			fputc(' ', out);
			at++;
		}
		fprintf(out, "%.*s", length, word);
		at += length;
		first = false;
		while (text < end && isspace((unsigned char)*text))
			text++;
	}
	fputc('\n', out);
}

static void print_indented(FILE *out, const char *line, size_t size, int columns)
{
	size_t column = find_column(line, size);
	bool has_column = column > strspn(line, " ");
	if (has_column && (int)size > columns && (int)column + TEXT_MIN > columns) {
		while (column && line[column - 1] == ' ')
			column--;
		fprintf(out, "%.*s\n%*s", (int)column, line, INDENT, "");
		column += strspn(line + column, " ");
		fill(out, line + column, size - column, INDENT, columns);
		return;
	}
	fprintf(out, "%.*s", (int)column, line);
	fill(out, line + column, size - column, (int)column, columns);
}

/* The length of the paragraph: up to an empty line or an indented one. */
static size_t paragraph_size(const char *text)
{
	const char *end = text;
	do {
		end += strcspn(end, "\n");
		end += *end == '\n';
	} while (*end && *end != '\n' && *end != ' ');
	return (size_t)(end - text);
}

void wrap_print(FILE *out, const char *text, int columns)
{
	while (*text) {
		size_t size = strcspn(text, "\n");
		if (!size) {
			fputc('\n', out);
		} else if (*text == ' ') {
			print_indented(out, text, size, columns);
		} else {
			size = paragraph_size(text);
			fill(out, text, size, 0, columns);
			text += size;
			continue;
		}
		text += size + (text[size] == '\n');
	}
}
