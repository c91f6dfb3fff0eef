/* SPDX-License-Identifier: MIT */
/*
 * What stands after -o on the command line of `pymodfs mount`. What is refused is refused in one line; what is taken is
 * within its bounds.
 */
#include "input.h"

#include "../../fs/mount/options.h"

#undef NDEBUG
#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

static void check_taken(const struct mount_options *options)
{
	assert(options->umask <= 0777 && options->busy_timeout_ms >= 0);
	assert(options->busy_timeout_ms <= 3600000);
	assert(!options->fsname || *options->fsname);
}

/* stderr goes into a buffer meanwhile. */
static int parse(char *list, struct mount_options *options, char **ret_words)
{
	size_t size;
	FILE *saved = stderr, *words = open_memstream(ret_words, &size);
	assert(words);
	stderr = words;
	int r = mount_options_parse_list(options, list);
	stderr = saved;
	fclose(words);
	return r;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char list[2048], *said;
	struct mount_options options;
	struct input input = {data, data + size};
	input_text(&input, '\n', list, sizeof(list));
	mount_options_init(&options);
	int r = parse(list, &options, &said);
	if (r == 0) {
		check_taken(&options);
		assert(!*said);
	} else {
		const char *end = strchr(said, '\n');
		assert(r == -EINVAL && end && !end[1]);
	}
	free(said);
	return 0;
}
