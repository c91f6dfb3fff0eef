// SPDX-License-Identifier: MIT
/*
 * Which file names mean something to the tree. Pure functions of the name.
 */
#include "names.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

static bool starts(const char *name, const char *with)
{
	return strncmp(name, with, strlen(with)) == 0;
}

static bool ends(const char *name, const char *with)
{
	size_t n = strlen(name), w = strlen(with);
	return n >= w && strcmp(name + n - w, with) == 0;
}

/* vim tries whether it may write here: 4913, and when that exists 123 more (vim, src/bufwrite.c). */
static bool is_vim_probe(const char *name)
{
	if (strlen(name) < 4 || strlen(name) > 5 || strspn(name, "0123456789") != strlen(name))
		return false;
	long number = strtol(name, NULL, 10);
	return number >= 4913 && (number - 4913) % 123 == 0;
}

/* .x.py.swp, .swo, ... (vim; nano's locks too) */
static bool is_vim_swap(const char *name)
{
	size_t n = strlen(name);
	return name[0] == '.' && n > 5 && strncmp(name + n - 4, ".sw", 3) == 0 &&
	       islower((unsigned char)name[n - 1]);
}

/* #x.py# (auto-save) and .#x.py (lock) */
static bool is_emacs(const char *name)
{
	size_t n = strlen(name);
	return (n > 2 && name[0] == '#' && name[n - 1] == '#') || (n > 2 && starts(name, ".#"));
}

static bool is_jetbrains(const char *name)
{
	return ends(name, "___jb_tmp___") || ends(name, "___jb_old___") ||
	       ends(name, "___jb_bak___");
}

bool name_is_dropping(const char *name)
{
	size_t n = strlen(name);
	return (n > 1 && name[n - 1] == '~') || is_vim_probe(name) || is_vim_swap(name) ||
	       is_emacs(name) || is_jetbrains(name) || starts(name, ".goutputstream-") ||
	       (name[0] == '.' && ends(name, ".kate-swp"));
}

static bool is_random(const char *text, size_t least, size_t most)
{
	size_t n = strlen(text);
	for (size_t i = 0; i < n; i++)
		if (!isalnum((unsigned char)text[i]))
			return false;
	return n >= least && n <= most;
}

bool name_is_temporary(const char *name)
{
	if (starts(name, "sed") && is_random(name, 9, 9)) /* sed -i: sedXXXXXX */
		return true;
	const char *suffix = NULL;
	for (const char *at = name; (at = strstr(at, ".py.")); at++)
		suffix = at + strlen(".py.");
	return suffix && is_random(suffix, 6, 8); /* x.py.XXXXXX, .x.py.XXXXXX */
}

bool name_is_python(const char *name)
{
	return strlen(name) > 3 && ends(name, ".py");
}
