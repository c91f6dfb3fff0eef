/* SPDX-License-Identifier: MIT */
/*
 * File names, paths and module names. The rule that ties them: row a.b is the file a/b.py, and nothing
 * else is. No state, no lock.
 */
#include "store-private.h"

#include "error.h"
#include "utf8.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* As in the view pymodfs_place: with ".py" the path fits into PATH_MAX. */
#define MODULE_NAME_MAX 4092

int store_check_name(const char *name)
{
	size_t size = strlen(name);
	if (!size)
		return store_fail(-ENOENT, "a file name must not be empty");
	if (size > STORE_NAME_MAX)
		return store_fail(
			-ENAMETOOLONG, "a file name has at most %d bytes", STORE_NAME_MAX);
	if (strchr(name, '/') || !strcmp(name, ".") || !strcmp(name, ".."))
		return store_fail(-EINVAL, "not a file name: %s", name);
	return 0;
}

char *name_join(const char *dir, const char *base)
{
	char *path;
	if (asprintf(&path, "%s%s%s", dir, *dir ? "/" : "", base) < 0)
		return NULL;
	return path;
}

int name_split(const char *path, char **ret_dir, const char **ret_base)
{
	const char *slash = strrchr(path, '/');
	char *dir = slash ? strndup(path, (size_t)(slash - path)) : strdup("");
	if (!dir)
		return store_fail(-ENOMEM, "out of memory");
	*ret_dir = dir;
	*ret_base = slash ? slash + 1 : path;
	return 0;
}

/* UTF-8 without the characters that a module's name must not have, as in the view pymodfs_place. */
static bool is_module_text(const char *text)
{
	for (const char *c = text; *c; c++)
		if ((unsigned char)*c < ' ')
			return false;
	return utf8_is_text(text, strlen(text));
}

/* Is base a segment without a dot, and ".py"? */
static bool is_module_file(const char *base, size_t size)
{
	return is_module_text(base) && size > 3 && size <= STORE_NAME_MAX &&
	       !strcmp(base + size - 3, ".py") && !memchr(base, '.', size - 3);
}

int name_module(const char *dir, const char *base, char **ret_module)
{
	size_t size = strlen(base);
	char *module = NULL;
	if (!strchr(dir, '.') && is_module_text(dir) && is_module_file(base, size) &&
		strlen(dir) + size - 2 <= MODULE_NAME_MAX) {
		module = name_join(dir, base);
		if (!module)
			return store_fail(-ENOMEM, "out of memory");
		module[strlen(module) - 3] = '\0';
		for (char *c = module; *c; c++)
			if (*c == '/')
				*c = '.';
	}
	*ret_module = module;
	return 0;
}
