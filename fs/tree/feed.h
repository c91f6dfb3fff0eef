/* SPDX-License-Identifier: MIT */
/*
 * feed.h - generations and the stream of changes (docs/control-directory.md), without FUSE.
 *
 * One thread (the publisher) writes: it adds a line for each change, then ends the batch. A batch's generation is the id of
 * its newest change. Any thread reads. The feed keeps the lines of the newest batches, within a bound in bytes; a reader that
 * is further behind gets an `overflow` line.
 */
#ifndef PYMODFS_FEED_H
#define PYMODFS_FEED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../store/store.h"

struct feed;
struct feed_stream; /* one open of the feed */

/* generation: the id of the newest change that is known already. limit: bytes of lines to keep. */
int feed_create(int64_t generation, size_t limit, struct feed **ret_feed);
void feed_destroy(struct feed *feed);

/* The publisher's side. A batch that could not be kept (-ENOMEM) reads as an overflow. */
void feed_add(struct feed *feed, const struct store_change *change);
/* Publishes what was added since the last end, as this generation; if nothing was, does nothing. */
void feed_end(struct feed *feed, int64_t generation);
/* Called (without the feed's lock) after each published batch, on the publisher's thread. */
void feed_set_listener(struct feed *feed, void (*fn)(void *arg), void *arg);

int64_t feed_generation(struct feed *feed);
/* The newest generation of this mount that is not above `most`; -ENOENT: there is none, or it is too old to be known. */
int feed_find_generation(struct feed *feed, int64_t most, int64_t *ret_generation);

int feed_stream_create(struct feed *feed, struct feed_stream **ret_stream);
void feed_stream_destroy(struct feed_stream *stream);
/* Copies whole lines, at most size bytes; returns how many bytes, 0: nothing new; -EINVAL: size is less than a line. */
long feed_stream_read(struct feed_stream *stream, char *buffer, size_t size);
bool feed_stream_readable(struct feed_stream *stream);

#endif
