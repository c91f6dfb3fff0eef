/* SPDX-License-Identifier: MIT */
/* store-private.h - the store's own structures, shared by the files of fs/store. */
#ifndef PYMODFS_STORE_PRIVATE_H
#define PYMODFS_STORE_PRIVATE_H

#include "db.h"
#include "store.h"

#include <pthread.h>
#include <stdatomic.h>

/*
 * The schema that this program reads and writes, and that init makes. 2: the content of a plain file may be without its zeros
 * (content.c). 3: a change knows its transaction. upgrade.c brings earlier ones here.
 */
#define STORE_SCHEMA 3

struct store {
	const struct db_engine *engine;
	char *url;        /* to be shown: a path, or a URL without its password */
	char *connection; /* what PostgreSQL connects to; NULL with SQLite */
	dev_t device;     /* SQLite's file, which all connections must be to */
	ino_t inode;
	struct db_setting setting;
	struct store_options options;
	char *refusal; /* why it can't be written, in words; NULL: it can, or nobody asked */
	/* One transaction at a time, which owns writer: from store_begin() to commit or abort. */
	pthread_mutex_t lock; /* protects writing */
	pthread_cond_t ended; /* a transaction has; monotonic */
	bool writing;
	struct db *writer;        /* opened by the first store_begin() */
	pthread_mutex_t own_lock; /* protects own */
	struct own_range *own;    /* own.c */
	_Atomic uint64_t commits; /* see store_commits() */
};

struct store_reader {
	struct db *db;
	bool snapshot; /* between begin and end, or inside a write transaction */
};

struct store_txn {
	struct store *store;
	struct store_reader reader;
	int64_t since; /* the newest change before it */
};

/* ---- store.c ---- */

/* Takes a row of pymodfs_setting, of which either may be NULL; what is there already stays. */
void setting_take(struct db_setting *setting, const char *key, const char *value);
/* Is everything there, and of a schema that this program can use? shown: the database, for what is said otherwise. */
int setting_check(const struct db_setting *setting, const char *shown, bool old_too);
/* The table has lost its triggers: -EIO, and what is to be done. */
int setting_fail_triggers(const struct db_setting *setting, const char *shown);
/* err: what is the matter is in store_error(), and -EROFS is noted as why nothing can be written. What is left of err. */
int store_note_refusal(struct store *store, int err);
void setting_finish(struct db_setting *setting);

/* ---- upgrade.c ---- */

/* Refuses, in words, a number that this program can't use. -EPROTO */
int store_check_schema(const char *shown, int64_t schema, bool old_too);

/* ---- own.c ---- */

/* A transaction that makes the changes first to last is about to be committed; it was not, after all. */
void own_add(struct store *store, int64_t first, int64_t last);
void own_remove(struct store *store, int64_t first);
void own_finish(struct store *store);

/* ---- node.c ---- */

/* A db_row_fn for a row of node columns; arg is a struct node_result. */
struct node_result {
	struct store_node node;
	bool found;
};
int node_take(void *arg, const struct db_row *row);
void node_from_row(struct store_node *ret_node, const struct db_row *row);
/* Runs a statement that gives a node; `missing` is the errno when it gives none. */
int node_find(struct db *db, enum sql sql, const struct db_value *values, size_t n_values,
	int missing, struct store_node *ret_node);

/* ---- name.c ---- */

/* dir + '/' + base, without the slash in the root; the caller frees. NULL: no memory. */
char *name_join(const char *dir, const char *base);
/* Splits a path: its last segment, and in *ret_dir (the caller frees) what is before it. */
int name_split(const char *path, char **ret_dir, const char **ret_base);
/*
 * The dotted name of the module that a file `base` in the directory with path `dir` would be; the caller frees.
 * *ret_module is NULL where it would be none.
 */
int name_module(const char *dir, const char *base, char **ret_module);

/* ---- write.c ---- */

/* Makes the directory and all above it last although they become empty. */
int write_make_explicit(struct db *db, int64_t dir);
/* A file that is no module. mtime etc. as for a new version. */
int write_create_resource(struct db *db, int64_t parent, const char *name, enum store_kind kind,
	const struct store_content *content, int64_t *ret_id);
int write_create_module(struct db *db, const char *module, const void *data, size_t size,
	int64_t parent, const char *name, int64_t *ret_id);
/* After a statement on the row of the module: did it do that? */
int write_check_row(struct db *db, const char *module);
/* Removes a file of whatever kind and shows what it was hiding. */
int write_remove_file(struct db *db, const struct store_node *node);
/* Shows modules that could not be shown while something was in their place. */
int write_unhide(struct db *db, const char *path);
int write_attr(struct db *db, int64_t id, const struct store_attr *attr);
/* The name is fit and free, the parent is a directory. */
int write_check_place(struct db *db, int64_t parent, const char *name);

/* ---- content.c ---- */

/* The content with its zeros, and one more; the caller frees. -EFBIG */
int content_fill(const struct store_content *content, void **ret_data);
/* What is stored of a plain file. */
struct stored {
	const void *data;
	size_t size;
	bool sparse; /* it is without its zeros */
	void *made;  /* to be freed, or NULL */
};
int stored_init(struct stored *stored, const struct store_content *content);
void stored_finish(struct stored *stored);
/* What was stored, of which data is changed, of a file of this length. -EUCLEAN */
int content_init(struct store_content *content, void *data, size_t size, int64_t length);

/* ---- read.c ---- */

/* The text that a statement gives for an id; the caller frees. -ESTALE where it gives none. */
int read_text(struct db *db, enum sql sql, int64_t id, char **ret_text);
/* A path of a node on this connection; the caller frees. */
int read_path(struct db *db, int64_t id, char **ret_path);

#endif
