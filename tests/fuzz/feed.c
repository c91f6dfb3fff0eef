/* SPDX-License-Identifier: MIT */
/*
 * The feed of a mount: batches with any names, read by streams in pieces of any size. Whatever is read is whole lines
 * that the host's parser takes, with the name that went in, and generations never go back.
 */
#include "input.h"

#include "../../embedhost/watch/watch.h"
#include "../../fs/tree/feed.h"

#undef NDEBUG
#include <assert.h>
#include <errno.h>
#include <stdio.h>

#define STREAMS 3
#define LIMIT 2000 /* bytes: little enough that streams fall behind */

struct reading {
	struct feed_stream *stream;
	uint64_t generation;
};

/* The name that the newest line must have; known while nothing else was added after it. */
static char newest[600];

static void check_line(struct reading *reading, char *text)
{
	struct feed_line line;
	assert(feed_parse(text, &line) == 0);
	assert(line.generation >= reading->generation);
	reading->generation = line.generation;
	if (line.kind == FEED_CHANGE && *newest && !strncmp(line.name, "last", 4))
		assert(!strcmp(line.name, newest));
}

static void read_some(struct reading *reading, size_t size)
{
	char buffer[8192];
	long n = feed_stream_read(reading->stream, buffer, size);
	assert(n <= (long)size);
	if (n <= 0) {
		assert(n == 0 || n == -EINVAL);
		assert(n == -EINVAL || !feed_stream_readable(reading->stream));
		return;
	}
	assert(buffer[n - 1] == '\n');
	buffer[n - 1] = '\0';
	for (char *text = buffer, *line; (line = strsep(&text, "\n"));)
		check_line(reading, line);
}

static void add(struct feed *feed, struct input *input, int64_t id)
{
	static const enum store_op ops[] = {STORE_INSERT, STORE_UPDATE, STORE_DELETE, STORE_ATTR};
	char name[560];
	snprintf(name, 5, "last");
	input_text(input, 0, name + 4, sizeof(name) - 4);
	bool module = input_byte(input) % 2;
	struct store_change change = {
		.id = id,
		.op = ops[input_byte(input) % 4],
		.kind = module ? STORE_MODULE : STORE_FILE,
		.version = (int64_t)input_number(input, 2),
		.name = name,
		.path = name,
		.module = module ? name : NULL,
	};
	feed_add(feed, &change);
	if (module)
		snprintf(newest, sizeof(newest), "%s", name);
}

static void batch(struct feed *feed, struct input *input, int64_t *id)
{
	unsigned count = input_byte(input) % 4;
	*newest = '\0';
	for (unsigned i = 0; i < count; i++)
		add(feed, input, ++*id);
	/* Several names in a batch: which line is whose is not told apart here. */
	if (count != 1)
		*newest = '\0';
	feed_end(feed, *id);
}

static void drain(struct reading *reading)
{
	for (int i = 0; i < 100 && feed_stream_readable(reading->stream); i++)
		read_some(reading, 8192);
	assert(!feed_stream_readable(reading->stream));
}

static void reopen(struct feed *feed, struct reading *reading)
{
	feed_stream_destroy(reading->stream);
	*reading = (struct reading){.generation = 0};
	assert(feed_stream_create(feed, &reading->stream) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input input = {data, data + size};
	struct reading readings[STREAMS] = {{NULL, 0}};
	struct feed *feed;
	int64_t id = 70, generation, most;
	assert(feed_create(id, LIMIT, &feed) == 0);
	for (int i = 0; i < STREAMS; i++)
		reopen(feed, &readings[i]);
	while (input.at < input.end) {
		struct reading *reading = &readings[input_byte(&input) % STREAMS];
		switch (input_byte(&input) % 4) {
		case 0:
			/* Nobody is behind, so that the lines of this batch are the next to be read. */
			for (int i = 0; i < STREAMS; i++)
				drain(&readings[i]);
			batch(feed, &input, &id);
			break;
		case 1:
			read_some(reading, input_number(&input, 2) % 8192);
			break;
		case 2:
			reopen(feed, reading);
			break;
		default:
			most = (int64_t)input_number(&input, 2);
			assert((feed_find_generation(feed, most, &generation) == 0) ==
				(most >= 70));
			assert(most < 70 ||
				(generation >= 70 && generation <= most && generation <= id));
			break;
		}
	}
	for (int i = 0; i < STREAMS; i++) {
		drain(&readings[i]);
		feed_stream_destroy(readings[i].stream);
	}
	feed_destroy(feed);
	return 0;
}
