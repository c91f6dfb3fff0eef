/* SPDX-License-Identifier: MIT */
/*
 * feed.c - keeps the lines of the newest batches and hands them to streams.
 *
 * A published batch is one block of text, which never changes. Batches stand in a list, oldest
 * first, with consecutive generations up to the present one: where a batch could not be kept, all
 * before it go as well, so the list never has a hole. A stream is a position: the generation of the
 * next line and the offset in that batch's text. A position below the oldest batch has lost lines and
 * reads an `overflow` line first.
 *
 * Besides the lines, the newest change of each of the last GENERATIONS_MAX generations is kept in a ring.
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
	int64_t generation;
	size_t size, room;
	char *text; /* whole lines, not NUL-terminated */
};

struct feed {
	pthread_mutex_t lock;
	uint64_t mount; /* the random number that names this mount */
	size_t limit, size;
	int64_t generation;
	struct batch *oldest, *newest;

	int64_t *changes; /* ring: the newest change of generation g is at g % changes_room */
	int64_t changes_room, changes_first;

	void (*listener)(void *arg);
	void *listener_arg;

	struct batch *pending; /* NULL: no line yet, or lost */
	bool lost;             /* the batch under construction can't be kept */
};

struct feed_stream {
	struct feed *feed;
	int64_t opened;     /* the generation at the time of the open */
	int64_t generation; /* of the next line */
	size_t offset;      /* in that batch */
	bool greeted;       /* the first line has been read */
};

static void batch_destroy(struct batch *batch)
{
	if (batch)
		free(batch->text);
	free(batch);
}

int feed_create(int64_t generation, int64_t change, size_t limit, struct feed **ret_feed)
{
	struct feed *feed = calloc(1, sizeof(*feed));
	if (!feed)
		return -ENOMEM;
	feed->changes = malloc(64 * sizeof(*feed->changes));
	if (!feed->changes) {
		free(feed);
		return -ENOMEM;
	}
	if (getrandom(&feed->mount, sizeof(feed->mount), 0) != sizeof(feed->mount)) {
		int error = -errno;
		free(feed->changes);
		free(feed);
		return error;
	}
	pthread_mutex_init(&feed->lock, NULL);
	feed->changes_room = 64;
	feed->limit = limit;
	feed->generation = generation;
	feed->changes_first = generation;
	feed->changes[generation % feed->changes_room] = change;
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
	batch_destroy(batch);
}

void feed_destroy(struct feed *feed)
{
	if (!feed)
		return;
	while (feed->oldest)
		drop_oldest(feed);
	batch_destroy(feed->pending);
	free(feed->changes);
	pthread_mutex_destroy(&feed->lock);
	free(feed);
}

/* ---- the publisher's side ---- */

void feed_begin(struct feed *feed)
{
	batch_destroy(feed->pending);
	feed->pending = NULL;
	feed->lost = false;
}

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
		batch->generation = feed->generation + 1;
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
	to += sprintf(to, "%" PRId64 "\t%s\t%s", batch->generation, name_op(change->op),
		change->module ? "" : "./");
	to = escape(to, name);
	bool made = change->op == STORE_INSERT || change->op == STORE_UPDATE;
	if (made && change->version > 0)
		to += sprintf(to, "\t%" PRId64 "\n", change->version);
	else
		to += sprintf(to, "\t-\n");
	batch->size = (size_t)(to - batch->text);
	if (batch->size > feed->limit)
		lose_pending(feed);
}

/* A ring of twice the size; where memory is short the old one goes on and forgets earlier. */
static void grow_changes(struct feed *feed)
{
	int64_t room = feed->changes_room * 2;
	int64_t *changes = malloc((size_t)room * sizeof(*changes));
	if (!changes)
		return;
	for (int64_t g = feed->changes_first; g <= feed->generation; g++)
		changes[g % room] = feed->changes[g % feed->changes_room];
	free(feed->changes);
	feed->changes = changes;
	feed->changes_room = room;
}

static void note_change(struct feed *feed, int64_t change)
{
	int64_t next = feed->generation + 1;
	if (next - feed->changes_first == feed->changes_room &&
		feed->changes_room < GENERATIONS_MAX)
		grow_changes(feed);
	if (next - feed->changes_first == feed->changes_room)
		feed->changes_first++;
	feed->changes[next % feed->changes_room] = change;
	feed->generation = next;
}

static void keep_pending(struct feed *feed)
{
	struct batch *batch = feed->pending;
	feed->pending = NULL;
	char *text = realloc(batch->text, batch->size);
	if (text) {
		batch->text = text;
		batch->room = batch->size;
	}
	if (feed->newest)
		feed->newest->next = batch;
	else
		feed->oldest = batch;
	feed->newest = batch;
	feed->size += batch->room;
	while (feed->size > feed->limit && feed->oldest != feed->newest)
		drop_oldest(feed);
}

void feed_end(struct feed *feed, int64_t change)
{
	if (!feed->pending && !feed->lost)
		return;
	pthread_mutex_lock(&feed->lock);
	note_change(feed, change);
	if (feed->lost) {
		while (feed->oldest)
			drop_oldest(feed);
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

int feed_find_generation(struct feed *feed, int64_t generation, int64_t *ret_change)
{
	int error = -ENOENT;
	pthread_mutex_lock(&feed->lock);
	if (generation >= feed->changes_first && generation <= feed->generation) {
		*ret_change = feed->changes[generation % feed->changes_room];
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
	stream->opened = feed_generation(feed);
	stream->generation = stream->opened + 1;
	*ret_stream = stream;
	return 0;
}

void feed_stream_destroy(struct feed_stream *stream)
{
	free(stream);
}

/* The oldest batch's generation; without batches the one that the next batch will have. */
static int64_t oldest_kept(const struct feed *feed)
{
	return feed->oldest ? feed->oldest->generation : feed->generation + 1;
}

/* The line that is due before those of a batch, if one is; returns its length, 0: none. */
static int pending_line(const struct feed_stream *stream, char *line, size_t size)
{
	const struct feed *feed = stream->feed;
	if (!stream->greeted)
		return snprintf(line, size, "%" PRId64 "\tnow\t-\t%016" PRIx64 "\n", stream->opened,
			feed->mount);
	if (stream->generation < oldest_kept(feed))
		return snprintf(line, size, "%" PRId64 "\toverflow\t-\t-\n", oldest_kept(feed) - 1);
	return 0;
}

static void pass_pending_line(struct feed_stream *stream)
{
	if (stream->greeted) {
		stream->generation = oldest_kept(stream->feed);
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
		stream->generation++;
		stream->offset = 0;
	}
	return size;
}

/* The batch at the stream's position, or NULL when there is nothing new. */
static const struct batch *find_batch(const struct feed_stream *stream)
{
	const struct batch *batch = stream->feed->newest;
	if (!batch || stream->generation > batch->generation)
		return NULL;
	if (stream->generation == batch->generation)
		return batch;
	for (batch = stream->feed->oldest; batch->generation < stream->generation;)
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
		full = stream->generation == batch->generation;
	}
	pthread_mutex_unlock(&stream->feed->lock);
	return full && done == 0 ? -EINVAL : (long)done;
}

bool feed_stream_readable(struct feed_stream *stream)
{
	pthread_mutex_lock(&stream->feed->lock);
	bool readable = !stream->greeted || stream->generation <= stream->feed->generation;
	pthread_mutex_unlock(&stream->feed->lock);
	return readable;
}
