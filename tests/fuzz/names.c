/* SPDX-License-Identifier: MIT */
/*
 * A path, and back: what is a module's file has one dotted name, from which the host makes the same path again. The
 * input is the path.
 */
#include "input.h"

#include "../../embedhost/watch/watch.h"
#include "../../fs/store/store-private.h"
#include "../../fs/tree/names.h"

#undef NDEBUG
#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

static void check_file_name(const char *name)
{
	int err = store_check_name(name);
	assert(err == 0 || err == -ENOENT || err == -EINVAL || err == -ENAMETOOLONG);
	if (err == 0)
		assert(*name && !strchr(name, '/') && strlen(name) <= STORE_NAME_MAX);
	/* Saved under such a name nothing would be kept. */
	if (name_is_dropping(name))
		assert(!name_is_python(name) || strchr(name, '.') == name);
	name_is_temporary(name);
}

static void check_module(const char *path, const char *module)
{
	char back[8192], expected[8192];
	assert(*module);
	assert(feed_path("/m", module, back, sizeof(back)));
	snprintf(expected, sizeof(expected), "/m/%s", path);
	assert(!strcmp(back, expected));
}

static void check_path(const char *path)
{
	char *dir, *joined, *module;
	const char *base;
	assert(name_split(path, &dir, &base) == 0);
	assert(!strchr(base, '/'));
	check_file_name(base);
	assert(name_module(dir, base, &module) == 0);
	joined = name_join(dir, base);
	assert(joined);
	/* No path of the tree begins with a slash. */
	assert(path[0] == '/' || !strcmp(joined, path));
	if (module && path[0] != '/')
		check_module(path, module);
	free(module);
	free(joined);
	free(dir);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char path[5000];
	struct input input = {data, data + size};
	input_text(&input, 0, path, sizeof(path));
	check_path(path);
	return 0;
}
