// SPDX-License-Identifier: MIT
/* The name of a PostgreSQL database as others may see it. No state. */
#include "postgres.h"

#include <stdlib.h>
#include <string.h>

/* A copy with *** in place of n bytes at from; what is shorter than that was no password. */
static char *replace(char *text, char *from, size_t n)
{
	static const char stars[] = "***";
	size_t before = (size_t)(from - text), after = strlen(from + n);
	char *copy = malloc(before + sizeof(stars) + after);
	if (copy) {
		memcpy(copy, text, before);
		memcpy(copy + before, stars, sizeof(stars) - 1);
		memcpy(copy + before + sizeof(stars) - 1, from + n, after + 1);
	}
	free(text);
	return copy;
}

char *postgres_shown_url(const char *url)
{
	char *text = strdup(url);
	char *authority = text ? strstr(text, "://") : NULL;
	if (!authority)
		return text;
	authority += 3;
	char *end = authority + strcspn(authority, "/?#");
	char *at = memrchr(authority, '@', (size_t)(end - authority));
	char *colon = at ? memchr(authority, ':', (size_t)(at - authority)) : NULL;
	if (colon)
		text = replace(text, colon + 1, (size_t)(at - colon - 1));
	char *password = text ? strstr(text, "password=") : NULL;
	if (password) {
		password += strlen("password=");
		text = replace(text, password, strcspn(password, "&"));
	}
	return text;
}
