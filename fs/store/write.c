/* SPDX-License-Identifier: MIT */
/*
 * Changes of single files and directories inside a write transaction. For modules the statement goes to
 * the user's table and the triggers of schema.sql do the rest, as for anybody's SQL; for other files the
 * same subroutines of the schema are called from here.
 *
 * A directory above a change made through the filesystem is made explicit: it stays when it becomes
 * empty, as in any filesystem. The txn's connection is the transaction's alone.
 */
#include "store-private.h"

#include "error.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

int write_make_explicit(struct db *db, int64_t dir)
{
	return db_do(db, SQL_MAKE_EXPLICIT, DB_VALUES(db_int(dir)));
}

static int get_node(struct db *db, int64_t id, struct store_node *ret_node)
{
	return node_find(db, SQL_NODE, DB_VALUES(db_int(id)), -ESTALE, ret_node);
}

static int check_free(struct db *db, int64_t parent, const char *name)
{
	int64_t id;
	int err = db_number(db, SQL_NODE_ID, DB_VALUES(db_int(parent), db_text(name)), 0, &id);
	if (!err && id)
		err = store_fail(-EEXIST, "%s is there already", name);
	return err;
}

int write_check_place(struct db *db, int64_t parent, const char *name)
{
	struct store_node dir;
	int err = store_check_name(name);
	if (!err)
		err = get_node(db, parent, &dir);
	if (!err && dir.kind != STORE_DIR)
		err = store_fail(-ENOTDIR, "not a directory");
	return err ? err : check_free(db, parent, name);
}

int write_create_module(struct db *db, const char *module, const void *data, size_t size,
	int64_t parent, const char *name, int64_t *ret_id)
{
	int64_t id;
	int err = db_do(db, SQL_INSERT_MODULE, DB_VALUES(db_text(module), db_source(data, size)));
	if (!err)
		err = db_number(db, SQL_NODE_ID, DB_VALUES(db_int(parent), db_text(name)), 0, &id);
	if (!err && !id)
		err = store_fail(-EINVAL, "the table's own triggers removed or renamed %s", module);
	if (!err)
		*ret_id = id;
	return err;
}

static int save_resource(struct db *db, int64_t id, const struct stored *stored, int64_t length)
{
	int err = db_do(
		db, SQL_SAVE_RESOURCE, DB_VALUES(db_int(id), db_blob(stored->data, stored->size)));
	if (!err)
		err = db_do(db, SQL_RENEW, DB_VALUES(db_int(id), db_int(length)));
	return err;
}

int write_create_resource(struct db *db, int64_t parent, const char *name, enum store_kind kind,
	const struct store_content *content, int64_t *ret_id)
{
	struct stored stored;
	const char letter[2] = {(char)kind, '\0'};
	int64_t id;
	int err = stored_init(&stored, content);
	if (err)
		return err;
	err = db_number(db, SQL_INSERT_NODE, DB_VALUES(db_text(letter)), 0, &id);
	if (!err)
		err = db_do(
			db, SQL_PLACE_NODE, DB_VALUES(db_int(id), db_int(parent), db_text(name)));
	if (!err)
		err = save_resource(db, id, &stored, content->length);
	stored_finish(&stored);
	if (!err)
		*ret_id = id;
	return err;
}

static int create_dir(struct db *db, const char *dir, const char *name, int64_t *ret_id)
{
	char *path = name_join(dir, name);
	if (!path)
		return store_fail(-ENOMEM, "out of memory");
	int err = db_number(db, SQL_INSERT_DIR, DB_VALUES(db_text(name), db_text(path)), 0, ret_id);
	free(path);
	return err;
}

static int create_in(struct db *db, int64_t parent, const char *dir, const char *name,
	enum store_kind kind, const struct store_content *content, int64_t *ret_id)
{
	char *module;
	void *whole;
	if (kind == STORE_DIR)
		return create_dir(db, dir, name, ret_id);
	if (kind == STORE_LINK)
		return write_create_resource(db, parent, name, kind, content, ret_id);
	int err = name_module(dir, name, &module);
	if (err)
		return err;
	if (!module)
		return write_create_resource(db, parent, name, STORE_FILE, content, ret_id);
	err = content_fill(content, &whole);
	if (!err) {
		err = write_create_module(
			db, module, whole, (size_t)content->length, parent, name, ret_id);
		free(whole);
	}
	free(module);
	return err;
}

/* Sets what attr says without a line in the feed. */
int write_attr(struct db *db, int64_t id, const struct store_attr *attr)
{
	static const struct db_value keep = {.type = DB_TYPE_NULL};
	if (!attr || !attr->set)
		return 0;
	int err = db_do(db, SQL_SET_ATTR,
		DB_VALUES(db_int(id),
			attr->set & STORE_SET_MODE ? db_int(attr->mode & 07777) : keep,
			attr->set & STORE_SET_UID ? db_int(attr->uid) : keep,
			attr->set & STORE_SET_GID ? db_int(attr->gid) : keep,
			attr->set & STORE_SET_ATIME ? db_int(attr->atime) : keep,
			attr->set & STORE_SET_MTIME ? db_int(attr->mtime) : keep));
	if (!err && attr->set & STORE_SET_MTIME)
		err = db_do(db, SQL_SET_VERSION_MTIME, DB_VALUES(db_int(id)));
	return err;
}

int store_create(struct store_txn *txn, int64_t parent, const char *name, enum store_kind kind,
	const struct store_attr *attr, const void *data, size_t size, struct store_node *ret_node)
{
	const struct store_content content = {data, size, 0, (int64_t)size};
	return store_create_sparse(txn, parent, name, kind, attr, &content, ret_node);
}

int store_create_sparse(struct store_txn *txn, int64_t parent, const char *name,
	enum store_kind kind, const struct store_attr *attr, const struct store_content *content,
	struct store_node *ret_node)
{
	struct db *db = txn->reader.db;
	char *dir;
	int64_t id;
	int err = write_check_place(db, parent, name);
	if (!err)
		err = read_path(db, parent, &dir);
	if (err)
		return err;
	err = write_make_explicit(db, parent);
	if (!err)
		err = create_in(db, parent, dir, name, kind, content, &id);
	if (!err)
		err = write_attr(db, id, attr);
	free(dir);
	return err ? err : get_node(db, id, ret_node);
}

/* A save of equal bytes makes no version, but a save it is: the mtime moves. */
static int touch_file(struct db *db, int64_t id)
{
	int err = db_do(db, SQL_TOUCH_FILE, DB_VALUES(db_int(id)));
	if (!err)
		err = db_do(db, SQL_SET_VERSION_MTIME, DB_VALUES(db_int(id)));
	if (!err)
		err = db_do(db, SQL_NOTE_ATTR, DB_VALUES(db_int(id)));
	return err;
}

/*
 * No error, and yet not done: a trigger of the table's own said RAISE(IGNORE), or gave NULL (PostgreSQL). Or the row is
 * gone: deleted meanwhile (PostgreSQL), or without our triggers.
 */
int write_check_row(struct db *db, const char *module)
{
	int64_t rows;
	if (db_affected(db) == 1)
		return 0;
	int err = db_number(db, SQL_COUNT_ROWS, DB_VALUES(db_text(module)), 0, &rows);
	if (err)
		return err;
	return rows ? store_fail(-EINVAL, "the table's own triggers kept %s as it was", module)
		    : store_fail(-ESTALE, "the row %s is gone", module);
}

static int write_module(struct db *db, int64_t id, const struct store_content *content)
{
	char *module;
	void *whole;
	int err = content_fill(content, &whole);
	if (err)
		return err;
	err = read_text(db, SQL_NAME, id, &module);
	if (err) {
		free(whole);
		return err;
	}
	err = db_do(db, SQL_UPDATE_MODULE,
		DB_VALUES(db_text(module), db_source(whole, (size_t)content->length)));
	if (!err)
		err = write_check_row(db, module);
	free(module);
	free(whole);
	return err;
}

static int write_resource(struct db *db, int64_t id, const struct store_content *content)
{
	int64_t same;
	struct stored stored;
	int err = stored_init(&stored, content);
	if (err)
		return err;
	err = db_number(db, SQL_SAME_RESOURCE,
		DB_VALUES(db_int(id), db_blob(stored.data, stored.size), db_int(content->length)),
		0, &same);
	if (!err && !same) {
		err = db_do(db, SQL_KEEP_RESOURCE, DB_VALUES(db_int(id)));
		if (!err)
			err = save_resource(db, id, &stored, content->length);
	}
	stored_finish(&stored);
	return err;
}

int store_write(struct store_txn *txn, int64_t id, const void *data, size_t size,
	struct store_node *ret_node)
{
	const struct store_content content = {data, size, 0, (int64_t)size};
	return store_write_sparse(txn, id, &content, ret_node);
}

int store_write_sparse(struct store_txn *txn, int64_t id, const struct store_content *content,
	struct store_node *ret_node)
{
	struct db *db = txn->reader.db;
	struct store_node before, after;
	int err = get_node(db, id, &before);
	if (err)
		return err;
	if (before.kind == STORE_DIR)
		return store_fail(-EISDIR, "is a directory");
	err = before.kind == STORE_MODULE ? write_module(db, id, content)
					  : write_resource(db, id, content);
	if (!err)
		err = get_node(db, id, &after);
	if (!err && after.version == before.version) {
		err = touch_file(db, id);
		if (!err)
			err = get_node(db, id, &after);
	}
	if (!err)
		*ret_node = after;
	return err;
}

int store_set_attr(struct store_txn *txn, int64_t id, const struct store_attr *attr,
	struct store_node *ret_node)
{
	struct db *db = txn->reader.db;
	struct store_node node;
	int err = get_node(db, id, &node);
	if (!err)
		err = write_attr(db, id, attr);
	if (!err)
		err = db_do(db, SQL_NOTE_ATTR, DB_VALUES(db_int(id)));
	return err ? err : get_node(db, id, ret_node);
}

int write_unhide(struct db *db, const char *path)
{
	size_t size = strlen(path);
	char *name = strdup(path);
	if (!name)
		return store_fail(-ENOMEM, "out of memory");
	if (size > 3 && !strcmp(path + size - 3, ".py"))
		name[size - 3] = '\0';
	for (char *c = name; *c; c++)
		if (*c == '/')
			*c = '.';
	int err = db_do(db, SQL_UNHIDE, DB_VALUES(db_text(name)));
	free(name);
	return err;
}

static int remove_module(struct db *db, int64_t id)
{
	char *module;
	int err = read_text(db, SQL_NAME, id, &module);
	if (err)
		return err;
	err = db_do(db, SQL_DELETE_MODULE, DB_VALUES(db_text(module)));
	if (!err)
		err = write_check_row(db, module);
	free(module);
	return err;
}

static int remove_resource(struct db *db, int64_t id)
{
	int err = db_do(db, SQL_KEEP_RESOURCE, DB_VALUES(db_int(id)));
	if (!err)
		err = db_do(db, SQL_DELETE_RESOURCE, DB_VALUES(db_int(id)));
	if (!err)
		err = db_do(db, SQL_DELETE_NODE, DB_VALUES(db_int(id)));
	return err;
}

int write_remove_file(struct db *db, const struct store_node *node)
{
	char *path;
	int err = write_make_explicit(db, node->parent);
	if (!err && node->kind == STORE_MODULE)
		return remove_module(db, node->id);
	if (!err)
		err = read_path(db, node->id, &path);
	if (err)
		return err;
	err = remove_resource(db, node->id);
	if (!err)
		err = write_unhide(db, path);
	free(path);
	return err;
}

int store_unlink(struct store_txn *txn, int64_t id)
{
	struct db *db = txn->reader.db;
	struct store_node node;
	int err = get_node(db, id, &node);
	if (!err && node.kind == STORE_DIR)
		err = store_fail(-EISDIR, "is a directory");
	return err ? err : write_remove_file(db, &node);
}

static int check_empty_dir(struct db *db, int64_t id, struct store_node *ret_node)
{
	int64_t children;
	int err = get_node(db, id, ret_node);
	if (!err && ret_node->kind != STORE_DIR)
		err = store_fail(-ENOTDIR, "not a directory");
	if (!err && id == STORE_ROOT)
		err = store_fail(-EBUSY, "the root can't be removed");
	if (!err)
		err = db_number(db, SQL_HAS_CHILDREN, DB_VALUES(db_int(id)), 0, &children);
	if (!err && children)
		err = store_fail(-ENOTEMPTY, "the directory is not empty");
	return err;
}

int store_rmdir(struct store_txn *txn, int64_t id)
{
	struct db *db = txn->reader.db;
	struct store_node node;
	char *path;
	int err = check_empty_dir(db, id, &node);
	if (!err)
		err = read_path(db, id, &path);
	if (err)
		return err;
	err = write_make_explicit(db, node.parent);
	if (!err)
		err = db_do(db, SQL_DELETE_NODE, DB_VALUES(db_int(id)));
	if (!err)
		err = write_unhide(db, path);
	free(path);
	return err;
}
