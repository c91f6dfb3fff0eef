/* SPDX-License-Identifier: MIT */
/*
 * control.h - what the files of the control directory share; nobody else includes it.
 *
 * All of it belongs to the session's thread, except where polls are concerned (control_feed.c).
 */
#ifndef PYMODFS_CONTROL_H
#define PYMODFS_CONTROL_H

#include "../store/table.h"
#include "mount.h"

#include <pthread.h>
#include <stdatomic.h>

enum control_kind {
	CONTROL_ROOT = 1, /* these first six have their kind as their number */
	CONTROL_GENERATION,
	CONTROL_FEED,
	CONTROL_STATUS,
	CONTROL_AT,
	CONTROL_HISTORY,
	CONTROL_AT_DIR,      /* a directory at a generation */
	CONTROL_HISTORY_DIR, /* a path that has, or had, something, or may */
	CONTROL_VERSION,     /* a version's content, below either of these */
	CONTROL_CHANGED,     /* what a generation changed */
};

/* An inode that the kernel knows. The first six always exist, the others as long as the kernel counts look-ups. */
struct control_node {
	int64_t id;
	enum control_kind kind;
	char *key;        /* by which it is found */
	const char *path; /* of a directory, below its generation or `history`; part of key */
	int64_t number;   /* the generation; the version */
	struct stat attr;
	uint64_t lookups;
	bool given; /* the kernel has its content (give.c) */
	UT_hash_handle by_id, by_key;
};

/* The entries of one directory, so that a listing in several requests is made once and is of one moment. */
struct control_listing {
	uint64_t ino; /* 0: none */
	struct control_item {
		char *name;
		mode_t type; /* S_IFDIR, S_IFREG, S_IFLNK */
	} * items;
	size_t count, room;
};

struct control_file;

struct control {
	struct mount *mount;
	struct control_node fixed[CONTROL_HISTORY + 1];
	struct control_node *by_id, *by_key;
	int64_t last_id;
	struct control_listing listing;
	struct control_file *files;
	_Atomic int64_t changed; /* when the last generation was published; nanoseconds */
	atomic_bool at_known;    /* the kernel has the attributes of `at` */

	pthread_mutex_t lock; /* guards all below, and the polls of streams */
	struct control_stream *streams;
};

/* ---- nodes (control_node.c) ---- */

void control_init_nodes(struct control *control);
void control_finish_nodes(struct control *control);
struct control_node *control_find(struct control *control, uint64_t ino);
/* Does not answer: that is done for all forgotten inodes together. */
void control_forget_multi(fuse_req_t req, size_t count, struct fuse_forget_data *forgets);
uint64_t control_ino(const struct control_node *node);
/*
 * The node of a kind, number and path (NULL: none), made if it isn't there, with one more look-up. attr is what it has from now
 * on; st_ino is set here. NULL: no memory.
 */
struct control_node *control_look_up(struct control *control, enum control_kind kind,
	int64_t number, const char *path, const struct stat *attr);
/* Its attributes now; *ret_lasting: they never change. */
void control_get_attr(struct control *control, const struct control_node *node,
	struct stat *ret_attr, bool *ret_lasting);
/* A decimal number written in the one way that is allowed; false: it is none. */
bool control_parse_number(const char *text, int64_t *ret_number);
/* path and name with a slash between them, in a buffer of PATH_MAX bytes. -ENAMETOOLONG. */
int control_join(char *buffer, const char *path, const char *name);
/*
 * Attributes of a store's node as they are seen here: read-only; what the store no longer has, and thus has no
 * owner, is for the mount's owner only.
 */
void control_stat_node(struct mount *mount, const struct store_node *node, struct stat *ret_attr);

/* ---- directories: entries and listings ---- */

/* Finds a name in a directory. *ret_node has one more look-up; -ENOENT. */
int control_at_look_up(struct control *control, const struct control_node *dir, const char *name,
	struct control_node **ret_node);
/* Is it the name of what a generation changed? */
bool control_is_changed_name(const char *name, int64_t *ret_generation);
int control_changed_look_up(
	struct control *control, int64_t generation, struct control_node **ret_node);
int control_history_look_up(struct control *control, const struct control_node *dir,
	const char *name, struct control_node **ret_node);
/* Adds the entries of a directory. */
int control_at_list(
	struct control *control, const struct control_node *dir, struct control_listing *listing);
int control_history_list(
	struct control *control, const struct control_node *dir, struct control_listing *listing);

/* (control_list.c) */
int control_listing_add(struct control_listing *listing, const char *name, mode_t type);
/* Likewise a name that the database has; one that can't be a file's is left out: the kernel would refuse the whole listing. */
int control_listing_add_name(struct control_listing *listing, const char *name, mode_t type);
void control_listing_clear(struct control_listing *listing);
void control_readdir(
	fuse_req_t req, fuse_ino_t ino, size_t size, off_t offset, struct fuse_file_info *fi);
void control_readdirplus(
	fuse_req_t req, fuse_ino_t ino, size_t size, off_t offset, struct fuse_file_info *fi);

/* ---- files ---- */

/* The whole content of a file that is made at its open; the caller frees. */
int control_print_generation(struct control *control, char **ret_text, size_t *ret_size);
int control_print_status(
	struct control *control, char **ret_text, size_t *ret_size); /* control_status.c */
int control_print_changed(struct control *control, int64_t generation, char **ret_text,
	size_t *ret_size); /* control_changed.c */

/* The feed (control_feed.c). */
int control_stream_create(struct control *control, struct control_stream **ret_stream);
void control_stream_destroy(struct control *control, struct control_stream *stream);
void control_stream_read(struct control_stream *stream, fuse_req_t req, size_t size);
void control_stream_poll(struct control *control, struct control_stream *stream, fuse_req_t req,
	struct fuse_pollhandle *handle);
/* Wakes those who poll; the listener of the mount's feed. On the publisher's thread. */
void control_wake_streams(void *arg);

#endif
