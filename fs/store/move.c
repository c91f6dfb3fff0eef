/* SPDX-License-Identifier: MIT */
/*
 * Renames: of a file, of a tree, onto a file, and two for one another. A module keeps its row's identity
 * and history over a rename as long as it stays a module; where the new place makes a module a plain
 * file or the reverse (a directory with a dot in its name, another suffix), it is read, removed and
 * created anew, with its attributes.
 *
 * A file's mtime moves with it, with one exception: bytecode is judged by whole seconds and size, so
 * a content whose time nobody set by hand never takes a whole second that its new name has had.
 * Everything happens in the txn's connection, which is the transaction's alone.
 */
#include "store-private.h"

#include "clock.h"
#include "error.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int get_node(struct db *db, int64_t id, struct store_node *ret_node)
{
	return node_find(db, SQL_NODE, DB_VALUES(db_int(id)), -ESTALE, ret_node);
}

/*
 * The mtime that a file moved over one with mtime `before` shall have. A time set by hand differs from when
 * the version was made; only a later one can come from making it.
 */
static int mtime_after(
	struct db *db, const struct store_node *node, int64_t before, int64_t *ret_mtime)
{
	int64_t made, mtime = node->mtime;
	int err = db_number(db, SQL_VERSION_TIME, DB_VALUES(db_int(node->id)), INT64_MAX, &made);
	if (err)
		return err;
	if (mtime >= made && mtime / NANOSECONDS <= before / NANOSECONDS &&
		before < INT64_MAX - NANOSECONDS)
		mtime = (before / NANOSECONDS + 1) * NANOSECONDS;
	*ret_mtime = mtime;
	return 0;
}

static struct store_attr attr_of(const struct store_node *node, int64_t mtime)
{
	struct store_attr attr = {
		.set = STORE_SET_ATIME | STORE_SET_MTIME,
		.mode = node->mode,
		.uid = node->uid,
		.gid = node->gid,
		.atime = node->atime,
		.mtime = mtime,
	};
	if (node->mode >= 0)
		attr.set |= STORE_SET_MODE;
	if (node->uid >= 0)
		attr.set |= STORE_SET_UID;
	if (node->gid >= 0)
		attr.set |= STORE_SET_GID;
	return attr;
}

/* After a move: the new name may have had the same whole second before. */
static int renew_mtime(
	struct db *db, const struct store_node *node, int64_t parent, const char *name)
{
	int64_t before, mtime;
	int err = db_number(
		db, SQL_NAME_MTIME, DB_VALUES(db_int(parent), db_text(name)), INT64_MIN, &before);
	if (!err && before == INT64_MIN)
		return 0;
	if (!err)
		err = mtime_after(db, node, before, &mtime);
	if (err || mtime == node->mtime)
		return err;
	struct store_attr attr = {.set = STORE_SET_MTIME, .mtime = mtime};
	return write_attr(db, node->id, &attr);
}

/* A module becomes a plain file or the reverse, at the same or at another place. */
static int convert_file(struct db *db, const struct store_node *node, int64_t parent,
	const char *name, const char *module)
{
	struct store_reader reader = {.db = db, .snapshot = true};
	struct store_attr attr = attr_of(node, node->mtime);
	void *data;
	size_t size;
	int64_t id;
	int err = store_read(&reader, node->version, &data, &size);
	if (err)
		return err;
	err = write_remove_file(db, node);
	if (!err && module)
		err = write_create_module(db, module, data, size, parent, name, &id);
	else if (!err)
		err = write_create_resource(db, parent, name, STORE_FILE,
			&(struct store_content){data, size, 0, (int64_t)size}, &id);
	if (!err)
		err = write_attr(db, id, &attr);
	free(data);
	return err;
}

static int rename_module(struct db *db, int64_t id, const char *module)
{
	char *old;
	int err = read_text(db, SQL_NAME, id, &old);
	if (err)
		return err;
	err = db_do(db, SQL_RENAME_MODULE, DB_VALUES(db_text(old), db_text(module)));
	if (!err)
		err = write_check_row(db, old);
	free(old);
	return err;
}

static int move_resource(struct db *db, int64_t id, int64_t parent, const char *name)
{
	char *path;
	int err = read_path(db, id, &path);
	if (err)
		return err;
	err = db_do(db, SQL_PLACE_NODE, DB_VALUES(db_int(id), db_int(parent), db_text(name)));
	if (!err)
		err = write_unhide(db, path);
	free(path);
	return err;
}

static int move_file(struct db *db, const struct store_node *node, int64_t parent, const char *dir,
	const char *name)
{
	char *module = NULL;
	int err = node->kind == STORE_LINK ? 0 : name_module(dir, name, &module);
	if (err)
		return err;
	if (node->kind != STORE_LINK && (node->kind == STORE_MODULE) != (module != NULL))
		err = convert_file(db, node, parent, name, module);
	else if (module)
		err = rename_module(db, node->id, module);
	else
		err = move_resource(db, node->id, parent, name);
	if (!err && node->kind == STORE_MODULE && module)
		err = renew_mtime(db, node, parent, name);
	free(module);
	return err;
}

/* ---- trees ---- */

struct file_list {
	struct found_file {
		struct store_node node;
		char *name;
	} * files;
	size_t n, room;
};

static void file_list_finish(struct file_list *list)
{
	for (size_t i = 0; i < list->n; i++)
		free(list->files[i].name);
	free(list->files);
}

static int take_file(void *arg, const struct db_row *row)
{
	struct file_list *list = arg;
	if (list->n == list->room) {
		size_t room = list->room ? 2 * list->room : 64;
		void *files = realloc(list->files, room * sizeof(*list->files));
		if (!files)
			return store_fail(-ENOMEM, "out of memory");
		list->files = files;
		list->room = room;
	}
	struct found_file *file = &list->files[list->n];
	file->name = strdup(db_get_text(row, 11));
	if (!file->name)
		return store_fail(-ENOMEM, "out of memory");
	node_from_row(&file->node, row);
	list->n++;
	return 0;
}

/* What a file below the tree would be after the tree's path changes from `from` to `to`. */
static int module_after_move(struct db *db, const struct found_file *file, const char *from,
	const char *to, char **ret_module)
{
	char *dir, *moved;
	int err = read_path(db, file->node.parent, &dir);
	if (err)
		return err;
	if (asprintf(&moved, "%s%s", to, dir + strlen(from)) < 0) {
		free(dir);
		return store_fail(-ENOMEM, "out of memory");
	}
	err = name_module(moved, file->name, ret_module);
	free(moved);
	free(dir);
	return err;
}

/*
 * Converts the files of kind `kind` below the tree that would no longer be of this kind under the path `to`.
 * Modules are converted before the tree moves, plain files after it, for rows have no dots in their directories.
 */
static int convert_below(
	struct db *db, int64_t id, enum store_kind kind, const char *from, const char *to)
{
	struct file_list list = {.n = 0};
	int err = db_run(db, SQL_FILES_BELOW, DB_VALUES(db_int(id)), take_file, &list);
	for (size_t i = 0; i < list.n && !err; i++) {
		struct found_file *file = &list.files[i];
		char *module;
		if (file->node.kind != kind)
			continue;
		err = module_after_move(db, file, from, to, &module);
		if (err)
			break;
		if ((module != NULL) != (kind == STORE_MODULE))
			err = convert_file(db, &file->node, file->node.parent, file->name, module);
		free(module);
	}
	file_list_finish(&list);
	return err;
}

/* The dotted form of a directory's path; in place. */
static void dot_path(char *path)
{
	for (; *path; path++)
		if (*path == '/')
			*path = '.';
}

/* See write_check_row(): is a row that should have been renamed still there? */
static int check_renamed(struct db *db, const char *old)
{
	int64_t left;
	int err = db_number(db, SQL_COUNT_NAMED_BELOW, DB_VALUES(db_text(old)), 0, &left);
	if (!err && left)
		err = store_fail(-EINVAL, "the table's own triggers kept %lld modules in %s",
			(long long)left, old);
	return err;
}

static int rename_below(struct db *db, const char *from, const char *to)
{
	char *old = strdup(from), *new = strdup(to);
	int err = -ENOMEM;
	if (old && new) {
		dot_path(old);
		dot_path(new);
		err = db_do(db, SQL_RENAME_MODULES_BELOW, DB_VALUES(db_text(old), db_text(new)));
		if (!err)
			err = check_renamed(db, old);
	} else {
		store_fail(err, "out of memory");
	}
	free(new);
	free(old);
	return err;
}

static int move_paths(struct db *db, int64_t id, int64_t parent, const char *name, const char *from,
	const char *to)
{
	int err = db_do(db, SQL_NOTE_TREE, DB_VALUES(db_text("d"), db_int(id)));
	if (!err)
		err = db_do(db, SQL_MOVE_DIR,
			DB_VALUES(db_int(id), db_int(parent), db_text(name), db_text(to)));
	if (!err)
		err = db_do(db, SQL_MOVE_DIRS_BELOW, DB_VALUES(db_text(from), db_text(to)));
	if (!err && !strchr(from, '.') && !strchr(to, '.'))
		err = rename_below(db, from, to);
	if (!err)
		err = db_do(db, SQL_NOTE_TREE, DB_VALUES(db_text("i"), db_int(id)));
	return err;
}

static bool is_inside(const char *path, const char *dir)
{
	size_t size = strlen(dir);
	return !strncmp(path, dir, size) && (path[size] == '/' || !path[size]);
}

static int move_tree(struct db *db, int64_t id, int64_t parent, const char *from, const char *dir,
	const char *name)
{
	char *to = name_join(dir, name);
	if (!to)
		return store_fail(-ENOMEM, "out of memory");
	int err = convert_below(db, id, STORE_MODULE, from, to);
	if (!err)
		err = move_paths(db, id, parent, name, from, to);
	if (!err)
		err = convert_below(db, id, STORE_FILE, to, to);
	if (!err)
		err = write_unhide(db, from);
	free(to);
	return err;
}

static int move_dir(struct db *db, const struct store_node *node, int64_t parent, const char *dir,
	const char *name)
{
	char *from;
	int err = read_path(db, node->id, &from);
	if (err)
		return err;
	if (node->id == STORE_ROOT || is_inside(dir, from))
		err = store_fail(-EINVAL, "a directory can't go into itself");
	if (!err)
		err = write_make_explicit(db, node->id);
	if (!err)
		err = move_tree(db, node->id, parent, from, dir, name);
	free(from);
	return err;
}

int store_move(struct store_txn *txn, int64_t id, int64_t parent, const char *name)
{
	struct db *db = txn->reader.db;
	struct store_node node;
	char *dir;
	int err = get_node(db, id, &node);
	if (!err)
		err = write_check_place(db, parent, name);
	if (!err)
		err = read_path(db, parent, &dir);
	if (err)
		return err;
	if (id != STORE_ROOT)
		err = write_make_explicit(db, node.parent);
	if (!err)
		err = write_make_explicit(db, parent);
	if (!err)
		err = node.kind == STORE_DIR ? move_dir(db, &node, parent, dir, name)
					     : move_file(db, &node, parent, dir, name);
	free(dir);
	return err;
}

/* ---- onto a file ---- */

static int check_files(const struct store_node *node, const struct store_node *target)
{
	if (node->kind == STORE_DIR || target->kind == STORE_DIR)
		return store_fail(-EISDIR, "is a directory");
	return node->id == target->id ? store_fail(-EINVAL, "a file can't replace itself") : 0;
}

/* The one goes, the other takes its place, as on a local disk. */
static int replace_node(struct store_txn *txn, const struct store_node *node,
	const struct store_node *target, struct store_node *ret_node)
{
	struct db *db = txn->reader.db;
	char *path, *dir;
	const char *base;
	int err = read_path(db, target->id, &path);
	if (err)
		return err;
	err = name_split(path, &dir, &base);
	if (!err) {
		err = write_remove_file(db, target);
		if (!err)
			err = store_move(txn, node->id, target->parent, base);
		if (!err)
			err = store_lookup(&txn->reader, target->parent, base, ret_node);
		free(dir);
	}
	free(path);
	return err;
}

static int replace_content(struct store_txn *txn, const struct store_node *node,
	const struct store_node *target, struct store_node *ret_node)
{
	struct db *db = txn->reader.db;
	struct store_node after;
	void *data;
	size_t size;
	int64_t mtime;
	int err = store_read(&txn->reader, node->version, &data, &size);
	if (err)
		return err;
	err = mtime_after(db, node, target->mtime, &mtime);
	if (!err)
		err = write_remove_file(db, node);
	if (!err)
		err = store_write(txn, target->id, data, size, &after);
	if (!err) {
		struct store_attr attr = attr_of(node, mtime);
		err = write_attr(db, target->id, &attr);
	}
	free(data);
	return err ? err : get_node(db, target->id, ret_node);
}

int store_replace(struct store_txn *txn, int64_t id, int64_t target, struct store_node *ret_node)
{
	struct db *db = txn->reader.db;
	struct store_node node, old;
	int err = get_node(db, id, &node);
	if (!err)
		err = get_node(db, target, &old);
	if (!err)
		err = check_files(&node, &old);
	if (err)
		return err;
	bool links = node.kind == STORE_LINK || old.kind == STORE_LINK;
	bool modules = node.kind == STORE_MODULE || old.kind == STORE_MODULE;
	return modules && !links ? replace_content(txn, &node, &old, ret_node)
				 : replace_node(txn, &node, &old, ret_node);
}
