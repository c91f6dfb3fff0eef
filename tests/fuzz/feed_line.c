/* SPDX-License-Identifier: MIT */
/* The lines of a mount's feed, as the host reads them. The input is what stands in the feed. */
#include "input.h"

#include "../../embedhost/watch/watch.h"

#undef NDEBUG
#include <assert.h>
#include <errno.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char text[4096], path[512];
	struct input input = {data, data + size};
	while (input.at < input.end) {
		struct feed_line line = {.name = NULL};
		size_t length = input_text(&input, '\n', text, sizeof(text));
		int err = feed_parse(text, &line);
		assert(err == 0 || err == -EBADMSG);
		assert(err == 0 || !line.name);
		if (err == 0) {
			assert(line.name >= text && line.version <= text + length);
			assert(strlen(line.name) <= length && !strchr(line.version, '\t'));
			if (feed_path("/mnt", line.name, path, sizeof(path)))
				assert(!strncmp(path, "/mnt/", 5));
		}
	}
	return 0;
}
