/* SPDX-License-Identifier: MIT */
/*
 * control_list.c - listings of the control directory.
 *
 * The entries of a directory are collected when its first part is asked for, and the following parts come from there,
 * unless another directory was listed in between.
 */
#include "control.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define READDIR_SIZE 65536

void control_listing_clear(struct control_listing *listing)
{
	for (size_t i = 0; i < listing->count; i++)
		free(listing->items[i].name);
	free(listing->items);
	*listing = (struct control_listing){0};
}

int control_listing_add(struct control_listing *listing, const char *name, mode_t type)
{
	if (listing->count == listing->room) {
		size_t room = listing->room ? 2 * listing->room : 64;
		struct control_item *items = realloc(listing->items, room * sizeof(*items));
		if (!items)
			return -ENOMEM;
		listing->items = items;
		listing->room = room;
	}
	struct control_item item = {.name = strdup(name), .type = type};
	if (!item.name)
		return -ENOMEM;
	listing->items[listing->count++] = item;
	return 0;
}

int control_listing_add_name(struct control_listing *listing, const char *name, mode_t type)
{
	return store_check_name(name) ? 0 : control_listing_add(listing, name, type);
}

static int list_root(struct control_listing *listing)
{
	static const struct {
		const char *name;
		mode_t type;
	} items[] = {
		{"generation", S_IFREG},
		{"feed", S_IFREG},
		{"status", S_IFREG},
		{"at", S_IFDIR},
		{"history", S_IFDIR},
	};
	int error = 0;
	for (size_t i = 0; !error && i < sizeof(items) / sizeof(*items); i++)
		error = control_listing_add(listing, items[i].name, items[i].type);
	return error;
}

static int collect(
	struct control *control, const struct control_node *dir, struct control_listing *listing)
{
	int error = control_listing_add(listing, ".", S_IFDIR);
	if (!error)
		error = control_listing_add(listing, "..", S_IFDIR);
	if (error)
		return error;
	switch (dir->kind) {
	case CONTROL_ROOT:
		return list_root(listing);
	case CONTROL_AT:
	case CONTROL_AT_DIR:
		return control_at_list(control, dir, listing);
	case CONTROL_HISTORY:
	case CONTROL_HISTORY_DIR:
		return control_history_list(control, dir, listing);
	default:
		return -ENOTDIR;
	}
}

/* The listing to take entries from position offset on from. */
static int prepare(struct control *control, const struct control_node *dir, off_t offset)
{
	struct control_listing *listing = &control->listing;
	if (offset > 0 && listing->ino == control_ino(dir))
		return 0;
	control_listing_clear(listing);
	int error = collect(control, dir, listing);
	if (error)
		control_listing_clear(listing);
	else
		listing->ino = control_ino(dir);
	return error;
}

/* Adds an entry without its attributes: the kernel asks for those it wants. Returns the room that it takes. */
static size_t add(fuse_req_t req, char *to, size_t room, const struct control_item *item,
	off_t next, bool plus)
{
	struct fuse_entry_param e = {.attr.st_mode = item->type, .attr.st_ino = ino_synthetic(0)};
	if (plus)
		return fuse_add_direntry_plus(req, to, room, item->name, &e, next);
	return fuse_add_direntry(req, to, room, item->name, &e.attr, next);
}

static size_t fill(fuse_req_t req, const struct control_listing *listing, char *data, size_t room,
	off_t offset, bool plus)
{
	size_t done = 0;
	for (size_t i = (size_t)offset; i < listing->count; i++) {
		size_t size =
			add(req, data + done, room - done, &listing->items[i], (off_t)i + 1, plus);
		if (size > room - done)
			break;
		done += size;
	}
	return done;
}

static void reply_list(fuse_req_t req, fuse_ino_t ino, size_t size, off_t offset, bool plus)
{
	struct mount *mount = fuse_req_userdata(req);
	struct control *control = mount->control;
	const struct control_node *dir = control_find(control, ino);
	int error = dir ? prepare(control, dir, offset) : -ESTALE;
	size_t room = size < READDIR_SIZE ? size : READDIR_SIZE;
	char *data = error ? NULL : malloc(room);
	if (!data) {
		reply_error(req, error ? error : -ENOMEM);
		return;
	}
	fuse_reply_buf(req, data, fill(req, &control->listing, data, room, offset, plus));
	free(data);
}

void control_readdir(
	fuse_req_t req, fuse_ino_t ino, size_t size, off_t offset, struct fuse_file_info *fi)
{
	reply_list(req, ino, size, offset, false);
}

void control_readdirplus(
	fuse_req_t req, fuse_ino_t ino, size_t size, off_t offset, struct fuse_file_info *fi)
{
	reply_list(req, ino, size, offset, true);
}
