/* SPDX-License-Identifier: MIT */
/* Words that people type: what a mistyped one may have been meant to be, and moments in time. */
#include "../store/clock.h"
#include "cli.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define WORD_MAX 64

/* ---- the nearest word ---- */

static size_t least(size_t a, size_t b)
{
	return a < b ? a : b;
}

/* How many letters must be put in, left out, changed or swapped with the next (Damerau, Levenshtein). */
static size_t distance(const char *a, const char *b)
{
	size_t n = strlen(a), m = strlen(b), rows[3][WORD_MAX + 1];
	size_t *before = rows[0], *last = rows[1], *row = rows[2];
	if (n > WORD_MAX || m > WORD_MAX)
		return SIZE_MAX;
	for (size_t j = 0; j <= m; j++)
		last[j] = j;
	for (size_t i = 1; i <= n; i++) {
		row[0] = i;
		for (size_t j = 1; j <= m; j++) {
			row[j] = least(last[j] + 1, row[j - 1] + 1);
			row[j] = least(row[j], last[j - 1] + (a[i - 1] != b[j - 1]));
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
				row[j] = least(row[j], before[j - 2] + 1);
		}
		size_t *spare = before;
		before = last;
		last = row;
		row = spare;
	}
	return last[m];
}

const char *cli_nearest(const char *word, const char *const *words, size_t n)
{
	size_t size = strlen(word);
	size_t limit = size < 4 ? 1 : size < 6 ? 2 : 3;
	const char *found = NULL;
	for (size_t i = 0; i < n; i++) {
		if (!words[i])
			continue;
		/* The beginning of a word is as good as one slip. */
		size_t d =
			size > 1 && !strncmp(words[i], word, size) ? 1 : distance(word, words[i]);
		/* Nothing in common is no likeness. */
		if (d <= limit && d < strlen(words[i]) && d < size) {
			limit = d - (d > 0);
			found = words[i];
			if (!d)
				break;
		}
	}
	return found;
}

/* ---- moments ---- */

/* 30d: so long ago. */
static int parse_age(const char *text, int64_t *ret_ns)
{
	static const struct {
		const char *name;
		int64_t seconds;
	} units[] = {
		{"s", 1}, {"min", 60}, {"h", 3600}, {"d", 86400}, {"w", 604800}, {"y", 31557600}};
	char *end;
	errno = 0;
	long long n = strtoll(text, &end, 10);
	if (errno || end == text || n < 0)
		return -EINVAL;
	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
		int64_t age;
		if (strcmp(end, units[i].name) != 0)
			continue;
		if (__builtin_mul_overflow(n, units[i].seconds * NANOSECONDS, &age))
			return -EINVAL;
		*ret_ns = clock_real() - age;
		return 0;
	}
	return -EINVAL;
}

static int parse_date(const char *text, int64_t *ret_ns)
{
	static const char *const formats[] = {"%Y-%m-%d", "%Y-%m-%d %H:%M", "%Y-%m-%dT%H:%M",
		"%Y-%m-%d %H:%M:%S", "%Y-%m-%dT%H:%M:%S"};
	for (size_t i = 0; i < sizeof(formats) / sizeof(formats[0]); i++) {
		struct tm tm = {.tm_isdst = -1};
		const char *end = strptime(text, formats[i], &tm);
		if (!end || *end)
			continue;
		tm.tm_isdst = -1;
		int day = tm.tm_mday;
		struct timespec time = {.tv_sec = mktime(&tm)};
		/* mktime(3) takes the 31st of February for the 3rd of March. */
		if (time.tv_sec == (time_t)-1 || tm.tm_mday != day)
			return -EINVAL;
		*ret_ns = clock_join(&time);
		return 0;
	}
	return -EINVAL;
}

int cli_parse_time(const char *text, int64_t *ret_ns)
{
	if (*text == '@') {
		char *end;
		errno = 0;
		long long seconds = strtoll(text + 1, &end, 10);
		if (errno || end == text + 1 || *end || seconds < 0 ||
			seconds > INT64_MAX / NANOSECONDS)
			return -EINVAL;
		*ret_ns = seconds * NANOSECONDS;
		return 0;
	}
	return parse_age(text, ret_ns) ? parse_date(text, ret_ns) : 0;
}
