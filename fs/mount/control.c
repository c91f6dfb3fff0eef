/* SPDX-License-Identifier: MIT */
/*
 * control.c - requests for the control directory (docs/control-directory.md). Read-only.
 *
 * `generation`, `status` and what a generation changed are made when they are opened and have no size that stat could tell: they
 * are read directly. A
 * version's content is read when it is opened and stays in the kernel's cache.
 */
#include "control.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

/* An open file: a stream, or text. They stand in a list, because the end of a mount may come before that of its files. */
struct control_file {
	struct control_file *next, **link;
	struct control_stream *stream;
	char *text;
	size_t size;
};

static struct control *control_of(fuse_req_t req)
{
	struct mount *mount = fuse_req_userdata(req);
	return mount->control;
}

int control_create(struct mount *mount, struct control **ret_control)
{
	struct control *control = calloc(1, sizeof(*control));
	if (!control)
		return -ENOMEM;
	control->mount = mount;
	pthread_mutex_init(&control->lock, NULL);
	control_init_nodes(control);
	control_wake_streams(control);
	feed_set_listener(mount->feed, control_wake_streams, control);
	*ret_control = control;
	return 0;
}

static void reply_node(fuse_req_t req, const struct control_node *node)
{
	struct control *control = control_of(req);
	struct tree_entry entry = {.ino = control_ino(node)};
	control_get_attr(control, node, &entry.attr, &entry.lasting);
	reply_entry(control->mount, req, &entry);
}

void control_reply_root(struct mount *mount, fuse_req_t req)
{
	reply_node(req, &mount->control->fixed[CONTROL_ROOT]);
}

static int look_up_root(struct control *control, const char *name, struct control_node **ret_node)
{
	static const char *const names[] = {
		[CONTROL_GENERATION] = "generation",
		[CONTROL_FEED] = "feed",
		[CONTROL_STATUS] = "status",
		[CONTROL_AT] = "at",
		[CONTROL_HISTORY] = "history",
	};
	for (int kind = CONTROL_GENERATION; kind <= CONTROL_HISTORY; kind++)
		if (!strcmp(names[kind], name)) {
			*ret_node = &control->fixed[kind];
			return 0;
		}
	return -ENOENT;
}

static int look_up(struct control *control, const struct control_node *dir, const char *name,
	struct control_node **ret_node)
{
	switch (dir->kind) {
	case CONTROL_ROOT:
		return look_up_root(control, name, ret_node);
	case CONTROL_AT:
	case CONTROL_AT_DIR:
		return control_at_look_up(control, dir, name, ret_node);
	case CONTROL_HISTORY:
	case CONTROL_HISTORY_DIR:
		return control_history_look_up(control, dir, name, ret_node);
	default:
		return -ENOTDIR;
	}
}

static void op_lookup(fuse_req_t req, fuse_ino_t parent, const char *name)
{
	struct control *control = control_of(req);
	struct control_node *node, *dir = control_find(control, parent);
	int error = dir ? look_up(control, dir, name, &node) : -ESTALE;
	/* What isn't in a generation never will be. */
	const struct tree_entry none = {.lasting = dir && dir->kind == CONTROL_AT_DIR};
	if (error == -ENOENT)
		reply_entry(control->mount, req, &none);
	else if (error)
		reply_error(req, error);
	else
		reply_node(req, node);
}

static void op_getattr(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	struct control *control = control_of(req);
	const struct control_node *node = control_find(control, ino);
	struct stat attr;
	bool lasting;
	if (!node) {
		reply_error(req, -ESTALE);
		return;
	}
	control_get_attr(control, node, &attr, &lasting);
	reply_attr(control->mount, req, &attr, lasting);
}

static void op_readlink(fuse_req_t req, fuse_ino_t ino)
{
	struct control *control = control_of(req);
	const struct control_node *node = control_find(control, ino);
	char target[PATH_MAX];
	void *data;
	size_t size;
	int error = -EINVAL;
	if (node && S_ISLNK(node->attr.st_mode))
		error = store_read(control->mount->reader, node->number, &data, &size);
	if (error) {
		reply_error(req, error);
		return;
	}
	if (size >= sizeof(target))
		size = sizeof(target) - 1;
	memcpy(target, data, size);
	target[size] = '\0';
	free(data);
	fuse_reply_readlink(req, target);
}

/* ---- open files ---- */

static int fill_file(
	struct control *control, const struct control_node *node, struct control_file *file)
{
	void *data;
	int error;
	switch (node->kind) {
	case CONTROL_GENERATION:
		return control_print_generation(control, &file->text, &file->size);
	case CONTROL_STATUS:
		return control_print_status(control, &file->text, &file->size);
	case CONTROL_FEED:
		return control_stream_create(control, &file->stream);
	case CONTROL_CHANGED:
		return control_print_changed(control, node->number, &file->text, &file->size);
	case CONTROL_VERSION:
		error = store_read(control->mount->reader, node->number, &data, &file->size);
		file->text = error ? NULL : data;
		return error;
	default:
		return -EISDIR;
	}
}

static void file_destroy(struct control *control, struct control_file *file)
{
	if (file->link)
		*file->link = file->next;
	if (file->next)
		file->next->link = file->link;
	if (file->stream)
		control_stream_destroy(control, file->stream);
	free(file->text);
	free(file);
}

static int file_create(
	struct control *control, const struct control_node *node, struct control_file **ret_file)
{
	struct control_file *file = calloc(1, sizeof(*file));
	int error = file ? fill_file(control, node, file) : -ENOMEM;
	if (error) {
		free(file);
		return error;
	}
	file->next = control->files;
	file->link = &control->files;
	if (file->next)
		file->next->link = &file->next;
	control->files = file;
	*ret_file = file;
	return 0;
}

static struct control_file *file_of(const struct fuse_file_info *fi)
{
	return (struct control_file *)(uintptr_t)fi->fh;
}

static void op_open(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	struct control *control = control_of(req);
	struct control_node *node = control_find(control, ino);
	int error = node ? 0 : -ESTALE;
	if (!error && ((fi->flags & O_ACCMODE) != O_RDONLY || fi->flags & O_TRUNC))
		error = -EROFS;
	struct control_file *file = NULL;
	if (!error)
		error = file_create(control, node, &file);
	if (error) {
		reply_error(req, error);
		return;
	}
	if (node->kind == CONTROL_VERSION && !node->given) {
		node->given = true;
		giver_put(control->mount, ino, file->text, file->size);
	}
	fi->fh = (uintptr_t)file;
	fi->noflush = 1;
	fi->keep_cache = node->kind == CONTROL_VERSION;
	fi->direct_io = node->kind != CONTROL_VERSION;
	fi->nonseekable = node->kind == CONTROL_FEED;
	if (fuse_reply_open(req, fi) == -ENOENT) /* interrupted: the kernel didn't take it */
		file_destroy(control, file);
}

static void op_read(
	fuse_req_t req, fuse_ino_t ino, size_t size, off_t offset, struct fuse_file_info *fi)
{
	const struct control_file *file = file_of(fi);
	if (file->stream) {
		control_stream_read(file->stream, req, size);
		return;
	}
	if ((size_t)offset >= file->size)
		size = 0;
	else if (size > file->size - (size_t)offset)
		size = file->size - (size_t)offset;
	fuse_reply_buf(req, size ? file->text + offset : NULL, size);
}

static void op_poll(
	fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi, struct fuse_pollhandle *handle)
{
	const struct control_file *file = file_of(fi);
	if (file->stream) {
		control_stream_poll(control_of(req), file->stream, req, handle);
		return;
	}
	if (handle)
		fuse_pollhandle_destroy(handle);
	fuse_reply_poll(req, POLLIN | POLLRDNORM);
}

static void op_release(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	file_destroy(control_of(req), file_of(fi));
	reply_error(req, 0);
}

void control_destroy(struct control *control)
{
	if (!control)
		return;
	feed_set_listener(control->mount->feed, NULL, NULL);
	while (control->files)
		file_destroy(control, control->files);
	control_listing_clear(&control->listing);
	control_finish_nodes(control);
	pthread_mutex_destroy(&control->lock);
	free(control);
}

/* What would change something has no handler: ops.c answers it with EROFS. */
const struct fuse_lowlevel_ops control_ops = {
	.lookup = op_lookup,
	.forget_multi = control_forget_multi,
	.getattr = op_getattr,
	.readlink = op_readlink,
	.open = op_open,
	.read = op_read,
	.poll = op_poll,
	.release = op_release,
	.readdir = control_readdir,
	.readdirplus = control_readdirplus,
};
