/* SPDX-License-Identifier: MIT */
/*
 * Decides whether bytes are text. The ranges are those of table 3-7 of the Unicode
 * standard (well-formed UTF-8 byte sequences). No state, any thread.
 */
#include "utf8.h"

#include <stdint.h>
#include <string.h>

size_t utf8_sequence_length(const unsigned char *p, size_t left)
{
	unsigned char low = 0x80, high = 0xbf;
	size_t length;
	if (p[0] < 0x80)
		return p[0] ? 1 : 0;
	if (p[0] >= 0xc2 && p[0] <= 0xdf)
		length = 2;
	else if (p[0] >= 0xe0 && p[0] <= 0xef)
		length = 3;
	else if (p[0] >= 0xf0 && p[0] <= 0xf4)
		length = 4;
	else
		return 0;
	if (p[0] == 0xe0)
		low = 0xa0;
	else if (p[0] == 0xed)
		high = 0x9f;
	else if (p[0] == 0xf0)
		low = 0x90;
	else if (p[0] == 0xf4)
		high = 0x8f;
	if (left < length || p[1] < low || p[1] > high)
		return 0;
	for (size_t i = 2; i < length; i++)
		if ((p[i] & 0xc0) != 0x80)
			return 0;
	return length;
}

/* Eight bytes of ASCII without NUL at once: sources are nearly all of that. */
static bool is_ascii_word(const unsigned char *p)
{
	const uint64_t highs = 0x8080808080808080u, ones = 0x0101010101010101u;
	uint64_t word;
	memcpy(&word, p, sizeof(word));
	return !((word | (word - ones)) & highs);
}

bool utf8_is_text(const void *data, size_t size)
{
	const unsigned char *p = data, *end = p + size;
	while (p < end) {
		if (end - p >= 8 && is_ascii_word(p)) {
			p += 8;
			continue;
		}
		size_t length = utf8_sequence_length(p, (size_t)(end - p));
		if (!length)
			return false;
		p += length;
	}
	return true;
}
