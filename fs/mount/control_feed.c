/* SPDX-License-Identifier: MIT */
/*
 * control_feed.c - the file `feed`: one stream an open, and the waking of those who poll.
 *
 * A poll leaves a handle with the stream, which the publisher's thread takes when it has published and gives to the kernel.
 * The handle is left before the stream is asked whether it is readable, so no publication falls between. control->lock
 * guards the list of streams and their handles; it is not held when the kernel is told.
 */
#include "control.h"

#include "../store/clock.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>

#define READ_MAX (1u << 20)

struct control_stream {
	struct feed_stream *stream;
	struct fuse_pollhandle *poll; /* NULL: nobody waits */
	struct control_stream *next, **link;
};

int control_stream_create(struct control *control, struct control_stream **ret_stream)
{
	struct control_stream *stream = calloc(1, sizeof(*stream));
	if (!stream)
		return -ENOMEM;
	int error = feed_stream_create(control->mount->feed, &stream->stream);
	if (error) {
		free(stream);
		return error;
	}
	pthread_mutex_lock(&control->lock);
	stream->next = control->streams;
	stream->link = &control->streams;
	if (stream->next)
		stream->next->link = &stream->next;
	control->streams = stream;
	pthread_mutex_unlock(&control->lock);
	*ret_stream = stream;
	return 0;
}

void control_stream_destroy(struct control *control, struct control_stream *stream)
{
	pthread_mutex_lock(&control->lock);
	*stream->link = stream->next;
	if (stream->next)
		stream->next->link = stream->link;
	pthread_mutex_unlock(&control->lock);
	if (stream->poll)
		fuse_pollhandle_destroy(stream->poll);
	feed_stream_destroy(stream->stream);
	free(stream);
}

void control_stream_read(struct control_stream *stream, fuse_req_t req, size_t size)
{
	if (size > READ_MAX)
		size = READ_MAX;
	char *data = malloc(size);
	long done = data ? feed_stream_read(stream->stream, data, size) : -ENOMEM;
	if (done < 0)
		reply_error(req, (int)done);
	else
		fuse_reply_buf(req, data, (size_t)done);
	free(data);
}

void control_stream_poll(struct control *control, struct control_stream *stream, fuse_req_t req,
	struct fuse_pollhandle *handle)
{
	if (handle) {
		pthread_mutex_lock(&control->lock);
		struct fuse_pollhandle *old = stream->poll;
		stream->poll = handle;
		pthread_mutex_unlock(&control->lock);
		if (old)
			fuse_pollhandle_destroy(old);
	}
	fuse_reply_poll(req, feed_stream_readable(stream->stream) ? POLLIN | POLLRDNORM : 0);
}

/* A handle that waits, or NULL. */
static struct fuse_pollhandle *take_poll(struct control *control)
{
	struct fuse_pollhandle *handle = NULL;
	pthread_mutex_lock(&control->lock);
	for (struct control_stream *s = control->streams; s && !handle; s = s->next) {
		handle = s->poll;
		s->poll = NULL;
	}
	pthread_mutex_unlock(&control->lock);
	return handle;
}

void control_wake_streams(void *arg)
{
	struct control *control = arg;
	atomic_store(&control->changed, clock_real());
	if (atomic_exchange(&control->at_known, false))
		fuse_lowlevel_notify_inval_inode(
			control->mount->session, control_ino(&control->fixed[CONTROL_AT]), -1, 0);
	for (struct fuse_pollhandle *handle; (handle = take_poll(control));) {
		fuse_lowlevel_notify_poll(handle);
		fuse_pollhandle_destroy(handle);
	}
}
