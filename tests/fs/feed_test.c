/* SPDX-License-Identifier: MIT */
/*
 * feed_test.c - runs a script on a feed, for tests/test_feed.py: one command a line from standard input, what
 * it gives on standard output.
 *
 *   new GENERATION LIMIT   batch GENERATION [OP MODULE|- PATH VERSION]...   burst GENERATION COUNT LENGTH
 *   open N   close N   read N SIZE   readable N   generation   find MOST   race BATCHES LINES
 *
 * In MODULE and PATH, %XX stands for a byte.
 */
#include "../../fs/tree/feed.h"

#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define STREAMS 16
#define STEP 3 /* from one generation to the next in a race */

static struct feed *feed;
static struct feed_stream *streams[STREAMS];
static int published;

static void count_published(void *arg)
{
	(void)arg;
	published++;
	/* The listener may use the feed. */
	feed_generation(feed);
}

static void die(const char *what)
{
	fprintf(stderr, "feed_test: %s\n", what);
	exit(2);
}

static const char *next_word(void)
{
	const char *word = strtok(NULL, " \n");
	if (!word)
		die("a word is missing");
	return word;
}

static long long next_number(void)
{
	return strtoll(next_word(), NULL, 10);
}

static struct feed_stream **next_stream(void)
{
	long long n = next_number();
	if (n < 0 || n >= STREAMS)
		die("no such stream");
	return &streams[n];
}

static void unescape(char *text)
{
	char *to = text;
	for (; *text; text++) {
		unsigned byte;
		if (*text == '%' && sscanf(text + 1, "%2x", &byte) == 1) {
			*to++ = (char)byte;
			text += 2;
		} else {
			*to++ = *text;
		}
	}
	*to = '\0';
}

static void run_new(void)
{
	int64_t generation = next_number();
	if (feed_create(generation, (size_t)next_number(), &feed) < 0)
		die("feed_create failed");
	feed_set_listener(feed, count_published, NULL);
}

static void add(char op, const char *module, const char *path, int64_t version)
{
	struct store_change change = {.op = (enum store_op)op, .kind = STORE_MODULE, .path = path};
	change.version = version;
	change.module = module;
	feed_add(feed, &change);
}

static void run_batch(void)
{
	int64_t generation = next_number();
	for (const char *op; (op = strtok(NULL, " \n"));) {
		char *module = strdup(next_word()), *path = strdup(next_word());
		unescape(module);
		unescape(path);
		add(*op, strcmp(module, "-") ? module : NULL, path, next_number());
		free(module);
		free(path);
	}
	feed_end(feed, generation);
	printf("%d published\n", published);
}

/* A batch of COUNT updates of modules whose names are LENGTH long. */
static void run_burst(void)
{
	int64_t generation = next_number();
	long long count = next_number();
	size_t length = (size_t)next_number();
	char *name = malloc(length + 1);
	memset(name, 'm', length);
	name[length] = '\0';
	for (long long i = 0; i < count; i++)
		add(STORE_UPDATE, name, "", i + 1);
	feed_end(feed, generation);
	free(name);
}

static void run_read(void)
{
	struct feed_stream *stream = *next_stream();
	size_t size = (size_t)next_number();
	char *buffer = malloc(size);
	long done = feed_stream_read(stream, buffer, size);
	if (done == -EINVAL)
		printf("EINVAL\n");
	else
		fwrite(buffer, 1, (size_t)done, stdout);
	printf("= %ld\n", done < 0 ? -1 : done);
	free(buffer);
}

static void run_find(void)
{
	int64_t generation = -1;
	int error = feed_find_generation(feed, next_number(), &generation);
	if (error)
		printf("%s\n", error == -ENOENT ? "ENOENT" : "another error");
	else
		printf("%" PRId64 "\n", generation);
}

/* ---- one publisher against readers ---- */

struct race {
	int batches, lines;
	_Atomic bool over;
};

struct reader {
	struct race *race;
	struct feed_stream *stream;
	long lines, overflows, wrong;
};

/* Lines of a generation are all there and in order, or an overflow covers them. */
static void check_line(struct reader *reader, const char *line, int64_t *generation, int *seen)
{
	int64_t g = 0;
	long long version = 0;
	if (sscanf(line, "%" SCNd64 "\tupdate\tm\t%lld", &g, &version) == 2) {
		bool same = g == *generation && version == *seen + 1;
		bool next = g == *generation + STEP && version == 1 &&
			    (*seen == reader->race->lines || *seen == 0);
		reader->wrong += !same && !next;
		reader->lines++;
		*generation = g;
		*seen = (int)version;
	} else if (strstr(line, "\toverflow\t-\t-")) {
		*generation = strtoll(line, NULL, 10);
		*seen = 0;
		reader->overflows++;
	} else if (!strstr(line, "\tnow\t-\t")) {
		reader->wrong++;
	}
}

static void *read_all(void *arg)
{
	struct reader *reader = arg;
	int64_t generation = 0;
	int seen = 0;
	char buffer[301];
	for (;;) {
		bool over = reader->race->over;
		long size = feed_stream_read(reader->stream, buffer, sizeof(buffer) - 1);
		if (size < 0)
			reader->wrong++;
		if (size <= 0 && over)
			return NULL;
		buffer[size > 0 ? size : 0] = '\0';
		char *save = NULL;
		for (char *line = strtok_r(buffer, "\n", &save); line;
			line = strtok_r(NULL, "\n", &save))
			check_line(reader, line, &generation, &seen);
	}
}

static void run_race(void)
{
	struct race race = {.batches = (int)next_number()};
	race.lines = (int)next_number();
	struct reader readers[3] = {{0}};
	pthread_t threads[3];
	for (int i = 0; i < 3; i++) {
		readers[i].race = &race;
		if (feed_stream_create(feed, &readers[i].stream) < 0)
			die("feed_stream_create failed");
		pthread_create(&threads[i], NULL, read_all, &readers[i]);
	}
	for (int b = 0; b < race.batches; b++) {
		for (int i = 0; i < race.lines; i++)
			add(STORE_UPDATE, "m", "m.py", i + 1);
		feed_end(feed, (b + 1) * STEP);
	}
	race.over = true;
	for (int i = 0; i < 3; i++) {
		pthread_join(threads[i], NULL);
		printf("%ld wrong, %s\n", readers[i].wrong,
			readers[i].lines + readers[i].overflows > 0 ? "read" : "nothing read");
		feed_stream_destroy(readers[i].stream);
	}
}

static void run(const char *command)
{
	if (!strcmp(command, "new"))
		run_new();
	else if (!strcmp(command, "batch"))
		run_batch();
	else if (!strcmp(command, "burst"))
		run_burst();
	else if (!strcmp(command, "open"))
		feed_stream_create(feed, next_stream());
	else if (!strcmp(command, "close"))
		feed_stream_destroy(*next_stream());
	else if (!strcmp(command, "read"))
		run_read();
	else if (!strcmp(command, "readable"))
		printf("%s\n", feed_stream_readable(*next_stream()) ? "yes" : "no");
	else if (!strcmp(command, "generation"))
		printf("%" PRId64 "\n", feed_generation(feed));
	else if (!strcmp(command, "find"))
		run_find();
	else if (!strcmp(command, "race"))
		run_race();
	else
		die("no such command");
}

int main(void)
{
	static char line[1 << 16];
	while (fgets(line, sizeof(line), stdin)) {
		const char *command = strtok(line, " \n");
		if (command)
			run(command);
	}
	feed_destroy(feed);
	return 0;
}
