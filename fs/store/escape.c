/* SPDX-License-Identifier: MIT */
/* No state, any thread. */
#include "escape.h"

#include "utf8.h"

#include <stdbool.h>
#include <string.h>

#define SHOWN_MAX 9 /* of one character, with a NUL: two bytes as \xNN */

static bool is_control(const unsigned char *p, size_t length)
{
	return (length == 1 && (p[0] < ' ' || p[0] == 0x7f)) ||
	       (length == 2 && p[0] == 0xc2 && p[1] < 0xa0);
}

/* The first character as it is shown; returns how many bytes of the text it was. */
static size_t show_next(const char *text, size_t size, char shown[SHOWN_MAX])
{
	const unsigned char *p = (const unsigned char *)text;
	size_t length = utf8_sequence_length(p, size);
	size_t taken = length ? length : 1;
	if (length && !is_control(p, length)) {
		memcpy(shown, text, length);
		shown[length] = '\0';
		return taken;
	}
	for (size_t i = 0; i < taken; i++)
		snprintf(shown + 4 * i, SHOWN_MAX - 4 * i, "\\x%02x", p[i]);
	return taken;
}

void escape_print(FILE *out, const char *text, size_t size)
{
	char shown[SHOWN_MAX];
	for (size_t at = 0; at < size;) {
		at += show_next(text + at, size - at, shown);
		fputs(shown, out);
	}
}

void escape_copy(char *to, size_t room, const char *text)
{
	char shown[SHOWN_MAX];
	size_t size = strlen(text);
	while (size) {
		size_t taken = show_next(text, size, shown), n = strlen(shown);
		if (n >= room)
			break;
		to = (char *)memcpy(to, shown, n) + n;
		room -= n;
		text += taken;
		size -= taken;
	}
	*to = '\0';
}
