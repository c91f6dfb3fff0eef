/* SPDX-License-Identifier: MIT */
/* Patterns of the shell against paths; `pymodfs help patterns` says what they mean. */
#include "choice.h"

#include <fnmatch.h>
#include <limits.h>
#include <string.h>

/* A pattern without a slash is compared with each name on the way. */
static bool matches_name(const char *pattern, const char *path)
{
	char name[NAME_MAX + 1];
	while (*path) {
		size_t size = strcspn(path, "/");
		snprintf(name, sizeof(name), "%.*s", (int)size, path);
		if (!fnmatch(pattern, name, 0))
			return true;
		path += size + (path[size] == '/');
	}
	return false;
}

static bool matches(const struct cli_words *patterns, const char *path)
{
	for (size_t i = 0; i < patterns->n; i++) {
		const char *pattern = patterns->words[i];
		if (strchr(pattern, '/') ? !fnmatch(pattern, path, 0) : matches_name(pattern, path))
			return true;
	}
	return false;
}

bool choice_is_made(const struct choice *choice)
{
	return choice->include.n || choice->exclude.n;
}

bool choice_has(const struct choice *choice, const char *path)
{
	return (!choice->include.n || matches(&choice->include, path)) &&
	       !matches(&choice->exclude, path);
}
