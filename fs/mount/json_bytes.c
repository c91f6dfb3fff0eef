/* SPDX-License-Identifier: MIT */
/* No state, any thread. */
#include "json_bytes.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

json_t *json_bytes(const char *data, size_t size, size_t limit)
{
	bool cut = size > limit;
	json_t *plain = cut || memchr(data, '\0', size) ? NULL : json_stringn(data, size);
	if (plain)
		return plain;
	if (cut)
		size = limit;
	char *text = malloc(4 * size + 4), *to = text;
	if (!text)
		return NULL;
	for (size_t i = 0; i < size; i++) {
		unsigned char byte = (unsigned char)data[i];
		if (byte >= 0x20 && byte < 0x7f && byte != '\\')
			*to++ = (char)byte;
		else
			to += sprintf(to, "\\x%02x", byte);
	}
	if (cut)
		to = stpcpy(to, "...");
	json_t *json = json_stringn(text, (size_t)(to - text));
	free(text);
	return json;
}

json_t *json_text(const char *text)
{
	return text ? json_bytes(text, strlen(text), SIZE_MAX) : json_null();
}
