/* SPDX-License-Identifier: MIT */
/*
 * feed.c - keeps the lines of the newest batches and hands them to streams.
 *
 * A published batch is one block of text, which never changes. Batches stand in a list, oldest
 * first, with ascending generations up to the present one: where a batch could not be kept, all
 * before it go as well, so the list never has a hole. A stream is a position: the generation that it has read
 * whole, and the offset in the text of the batch after it. A position below the generation that was dropped last
 * has lost lines and reads an `overflow` line first.
 *
 * A batch's generation is known when it ends, so its lines are numbered then.
 *
 * Besides the lines, the last GENERATIONS_MAX generations are kept in a ring, ascending.
 *
 * feed->lock guards everything but the batch under construction: one thread at a time makes one, under a lock of the publisher's.
 */
#include "feed.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#define GENERATIONS_MAX 65536
#define LINE_ROOM 128 /* a line without its name: two numbers, an operation, tabs */

struct batch {
	struct batch *next;
	int64_t before; /* the generation before it, whether that is kept or not */
	int64_t generation;
	size_t lines, size, room;
	char *text; /* whole lines, not NUL-terminated; without their first field before the batch's end */
};

struct feed {
	pthread_mutex_t lock;
	uint64_t mount; /* the random number that names this mount */
	size_t limit, size;
	int64_t generation;
	int64_t dropped; /* batches up to this generation are not kept (or were before the mount) */
	struct batch *oldest, *newest;

	int64_t *ring; /* the n-th generation, counted from 0, is at n % ring_room */
	size_t ring_room, ring_first, ring_end;

	void (*listener)(void *arg);
	void *listener_arg;

	struct batch *pending; /* NULL: no line yet, or lost */
	bool lost;             /* the batch under construction can't be kept */
};

struct feed_stream {
	struct feed *feed;
	int64_t opened;     /* the generation at the time of the open */
	int64_t generation; /* which is read */
	size_t offset;      /* in the batch after it */
	bool greeted;       /* the first line has been read */
};

static void batch_destroy(struct batch *batch)
{
	if (batch)
		free(batch->text);
	free(batch);
}

int feed_create(int64_t generation, size_t limit, struct feed **ret_feed)
{
	struct feed *feed = calloc(1, sizeof(*feed));
	if (!feed)
		return -ENOMEM;
	feed->ring_room = 64;
	feed->ring = malloc(feed->ring_room * sizeof(*feed->ring));
	if (!feed->ring) {
		free(feed);
		return -ENOMEM;
	}
	if (getrandom(&feed->mount, sizeof(feed->mount), 0) != sizeof(feed->mount)) {
		int error = -errno;
		free(feed->ring);
		free(feed);
		return error;
	}
	pthread_mutex_init(&feed->lock, NULL);
	feed->limit = limit;
	feed->generation = feed->dropped = generation;
	feed->ring[feed->ring_end++] = generation;
	*ret_feed = feed;
	return 0;
}

static void drop_oldest(struct feed *feed)
{
	struct batch *batch = feed->oldest;
	feed->oldest = batch->next;
	if (!feed->oldest)
		feed->newest = NULL;
	feed->size -= batch->room;
	feed->dropped = batch->generation;
	batch_destroy(batch);
}

void feed_destroy(struct feed *feed)
{
	if (!feed)
		return;
	while (feed->oldest)
		drop_oldest(feed);
	batch_destroy(feed->pending);
	free(feed->ring);
	pthread_mutex_destroy(&feed->lock);
	free(feed);
}

/* ---- the publisher's side ---- */

static void lose_pending(struct feed *feed)
{
	batch_destroy(feed->pending);
	feed->pending = NULL;
	feed->lost = true;
}

/* Makes room for size more bytes in the batch under construction. */
static bool reserve(struct feed *feed, size_t size)
{
	struct batch *batch = feed->pending;
	if (!batch) {
		batch = feed->pending = calloc(1, sizeof(*batch));
		if (!batch)
			return false;
	}
	if (batch->size + size <= batch->room)
		return true;
	size_t room = batch->room ? batch->room : 256;
	while (room < batch->size + size)
		room *= 2;
	char *text = realloc(batch->text, room);
	if (!text)
		return false;
	batch->text = text;
	batch->room = room;
	return true;
}

static const char *name_op(enum store_op op)
{
	switch (op) {
	case STORE_INSERT:
		return "insert";
	case STORE_UPDATE:
		return "update";
	case STORE_DELETE:
		return "delete";
	case STORE_ATTR:
		break;
	}
	return "attr";
}

/* At most two bytes for each of name; returns the end. */
static char *escape(char *to, const char *name)
{
	static const char from[] = "\t\n\r\\", letters[] = "tnr\\";
	for (; *name; name++) {
		const char *found = strchr(from, *name);
		if (found) {
			*to++ = '\\';
			*to++ = letters[found - from];
		} else {
			*to++ = *name;
		}
	}
	return to;
}

void feed_add(struct feed *feed, const struct store_change *change)
{
	const char *name = change->module ? change->module : change->path;
	if (feed->lost)
		return;
	if (!reserve(feed, 2 * strlen(name) + LINE_ROOM)) {
		lose_pending(feed);
		return;
	}
	struct batch *batch = feed->pending;
	assert(batch->text);
	char *to = batch->text + batch->size;
	to += sprintf(to, "%s\t%s", name_op(change->op), change->module ? "" : "./");
	to = escape(to, name);
	bool made = change->op == STORE_INSERT || change->op == STORE_UPDATE;
	if (made && change->version > 0)
		to += sprintf(to, "\t%" PRId64 "\n", change->version);
	else
		to += sprintf(to, "\t-\n");
	batch->size = (size_t)(to - batch->text);
	batch->lines++;
	if (batch->size > feed->limit)
		lose_pending(feed);
}

/* A ring of twice the size; where memory is short the old one goes on and forgets earlier. */
static void grow_ring(struct feed *feed)
{
	size_t room = feed->ring_room * 2;
	int64_t *ring = malloc(room * sizeof(*ring));
	if (!ring)
		return;
	for (size_t n = feed->ring_first; n < feed->ring_end; n++)
		ring[n % room] = feed->ring[n % feed->ring_room];
	free(feed->ring);
	feed->ring = ring;
	feed->ring_room = room;
}

static void raise_generation(struct feed *feed, int64_t generation)
{
	if (feed->ring_end - feed->ring_first == feed->ring_room &&
		feed->ring_room < GENERATIONS_MAX)
		grow_ring(feed);
	if (feed->ring_end - feed->ring_first == feed->ring_room)
		feed->ring_first++;
	feed->ring[feed->ring_end++ % feed->ring_room] = generation;
	feed->generation = generation;
}

/* Gives the batch's lines their first field, in a block that is no larger than they are. */
static int number_lines(struct batch *batch)
{
	char number[32];
	size_t length = (size_t)sprintf(number, "%" PRId64 "\t", batch->generation);
	size_t size = batch->size + batch->lines * length;
	char *text = malloc(size), *to = text;
	if (!text)
		return -ENOMEM;
	for (const char *from = batch->text, *end = from + batch->size; from < end;) {
		const char *next = (const char *)memchr(from, '\n', (size_t)(end - from)) + 1;
		to = mempcpy(mempcpy(to, number, length), from, (size_t)(next - from));
		from = next;
	}
	free(batch->text);
	batch->text = text;
	batch->size = batch->room = size;
	return 0;
}

static void keep_pending(struct feed *feed)
{
	struct batch *batch = feed->pending;
	feed->pending = NULL;
	if (feed->newest)
		feed->newest->next = batch;
	else
		feed->oldest = batch;
	feed->newest = batch;
	feed->size += batch->room;
	while (feed->size > feed->limit && feed->oldest != feed->newest)
		drop_oldest(feed);
}

void feed_end(struct feed *feed, int64_t generation)
{
	struct batch *batch = feed->pending;
	if (!batch && !feed->lost)
		return;
	if (batch) {
		batch->before = feed->generation;
		batch->generation = generation;
		if (number_lines(batch))
			lose_pending(feed);
	}
	pthread_mutex_lock(&feed->lock);
	raise_generation(feed, generation);
	if (feed->lost) {
		while (feed->oldest)
			drop_oldest(feed);
		feed->dropped = generation;
	} else {
		keep_pending(feed);
	}
	void (*listener)(void *arg) = feed->listener;
	void *arg = feed->listener_arg;
	pthread_mutex_unlock(&feed->lock);
	feed->lost = false;
	if (listener)
		listener(arg);
}

void feed_set_listener(struct feed *feed, void (*fn)(void *arg), void *arg)
{
	pthread_mutex_lock(&feed->lock);
	feed->listener = fn;
	feed->listener_arg = arg;
	pthread_mutex_unlock(&feed->lock);
}

/* ---- the readers' side ---- */

int64_t feed_generation(struct feed *feed)
{
	pthread_mutex_lock(&feed->lock);
	int64_t generation = feed->generation;
	pthread_mutex_unlock(&feed->lock);
	return generation;
}

int feed_find_generation(struct feed *feed, int64_t most, int64_t *ret_generation)
{
	int error = -ENOENT;
	pthread_mutex_lock(&feed->lock);
	size_t low = feed->ring_first, high = feed->ring_end; /* it is the one before high */
	while (low < high) {
		size_t middle = low + (high - low) / 2;
		if (feed->ring[middle % feed->ring_room] > most)
			high = middle;
		else
			low = middle + 1;
	}
	if (high > feed->ring_first) {
		*ret_generation = feed->ring[(high - 1) % feed->ring_room];
		error = 0;
	}
	pthread_mutex_unlock(&feed->lock);
	return error;
}

int feed_stream_create(struct feed *feed, struct feed_stream **ret_stream)
{
	struct feed_stream *stream = calloc(1, sizeof(*stream));
	if (!stream)
		return -ENOMEM;
	stream->feed = feed;
	stream->opened = stream->generation = feed_generation(feed);
	*ret_stream = stream;
	return 0;
}

void feed_stream_destroy(struct feed_stream *stream)
{
	free(stream);
}

/* The line that is due before those of a batch, if one is; returns its length, 0: none. */
static int pending_line(const struct feed_stream *stream, char *line, size_t size)
{
	const struct feed *feed = stream->feed;
	if (!stream->greeted)
		return snprintf(line, size, "%" PRId64 "\tnow\t-\t%016" PRIx64 "\n", stream->opened,
			feed->mount);
	if (stream->generation < feed->dropped)
		return snprintf(line, size, "%" PRId64 "\toverflow\t-\t-\n", feed->dropped);
	return 0;
}

static void pass_pending_line(struct feed_stream *stream)
{
	if (stream->greeted) {
		stream->generation = stream->feed->dropped;
		stream->offset = 0;
	}
	stream->greeted = true;
}

/* How many of the first size bytes of text are whole lines. */
static size_t whole_lines(const char *text, size_t size)
{
	const char *end = memrchr(text, '\n', size);
	return end ? (size_t)(end + 1 - text) : 0;
}

/* Copies lines of the batch at the stream's position. */
static size_t read_batch(
	struct feed_stream *stream, const struct batch *batch, char *buffer, size_t room)
{
	const char *text = batch->text + stream->offset;
	size_t left = batch->size - stream->offset;
	size_t size = left <= room ? left : whole_lines(text, room);
	memcpy(buffer, text, size);
	stream->offset += size;
	if (size == left) {
		stream->generation = batch->generation;
		stream->offset = 0;
	}
	return size;
}

/* The batch at the stream's position, or NULL when there is nothing new. */
static const struct batch *find_batch(const struct feed_stream *stream)
{
	const struct batch *batch = stream->feed->newest;
	if (!batch || stream->generation >= batch->generation)
		return NULL;
	if (stream->generation >= batch->before)
		return batch;
	for (batch = stream->feed->oldest; batch->generation <= stream->generation;)
		batch = batch->next;
	return batch;
}

long feed_stream_read(struct feed_stream *stream, char *buffer, size_t size)
{
	size_t done = 0;
	bool full = false;
	char line[LINE_ROOM];

	pthread_mutex_lock(&stream->feed->lock);
	for (int length; !full && (length = pending_line(stream, line, sizeof(line))) > 0;) {
		full = (size_t)length > size - done;
		if (full)
			break;
		memcpy(buffer + done, line, (size_t)length);
		done += (size_t)length;
		pass_pending_line(stream);
	}
	const struct batch *batch = full ? NULL : find_batch(stream);
	for (; batch && !full; batch = batch->next) {
		done += read_batch(stream, batch, buffer + done, size - done);
		full = stream->generation < batch->generation;
	}
	pthread_mutex_unlock(&stream->feed->lock);
	return full && done == 0 ? -EINVAL : (long)done;
}

bool feed_stream_readable(struct feed_stream *stream)
{
	pthread_mutex_lock(&stream->feed->lock);
	bool readable = !stream->greeted || stream->generation < stream->feed->generation;
	pthread_mutex_unlock(&stream->feed->lock);
	return readable;
}
