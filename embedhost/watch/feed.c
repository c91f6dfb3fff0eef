/* SPDX-License-Identifier: MIT */
/* The text of a mount's feed; docs/control-directory.md specifies it. */
#include "watch.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int unescape(char *text)
{
	static const char codes[] = "tnr\\", chars[] = "\t\n\r\\";
	char *to = text;
	const char *code;

	for (; *text; text++) {
		if (*text != '\\') {
			*to++ = *text;
			continue;
		}
		code = text[1] ? strchr(codes, text[1]) : NULL;
		if (!code)
			return -EBADMSG;
		*to++ = chars[code - codes];
		text++;
	}
	*to = '\0';
	return 0;
}

static int parse_operation(const char *word, struct feed_line *line)
{
	line->structure = strcmp(word, "insert") == 0 || strcmp(word, "delete") == 0;
	if (line->structure || strcmp(word, "update") == 0)
		line->kind = FEED_CHANGE;
	else if (strcmp(word, "now") == 0)
		line->kind = FEED_NOW;
	else if (strcmp(word, "attr") == 0)
		line->kind = FEED_ATTRIBUTE;
	else if (strcmp(word, "overflow") == 0)
		line->kind = FEED_OVERFLOW;
	else
		return -EBADMSG;
	return 0;
}

int feed_parse(char *text, struct feed_line *ret_line)
{
	struct feed_line line = {0};
	char *fields[4], *end;
	int count = 0;

	while (count < 4 && (fields[count] = strsep(&text, "\t")))
		count++;
	if (count < 4 || text)
		return -EBADMSG;
	errno = 0;
	line.generation = strtoull(fields[0], &end, 10);
	if (errno || end == fields[0] || *end || parse_operation(fields[1], &line) < 0 ||
		!*fields[2] || unescape(fields[2]) < 0)
		return -EBADMSG;
	line.name = fields[2];
	line.version = fields[3];
	*ret_line = line;
	return 0;
}

bool feed_path(const char *mount, const char *name, char *buffer, size_t size)
{
	size_t start;
	int length;

	if (strncmp(name, "./", 2) == 0)
		return snprintf(buffer, size, "%s/%s", mount, name + 2) < (int)size;
	length = snprintf(buffer, size, "%s/%s.py", mount, name);
	if (length >= (int)size)
		return false;
	start = strlen(mount) + 1;
	for (size_t i = start; i < start + strlen(name); i++)
		if (buffer[i] == '.')
			buffer[i] = '/';
	return true;
}
