/* SPDX-License-Identifier: MIT */
/*
 * Single look-ups: a node, a version, its bytes, a path. Each is one statement, so that it sees one
 * state of the database also outside a snapshot. A reader belongs to one thread; no lock.
 */
#include "store-private.h"

#include "error.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

int store_lookup(
	struct store_reader *reader, int64_t parent, const char *name, struct store_node *ret_node)
{
	return node_find(reader->db, SQL_LOOKUP, DB_VALUES(db_int(parent), db_text(name)), -ENOENT,
		ret_node);
}

int store_get_node(struct store_reader *reader, int64_t id, struct store_node *ret_node)
{
	return node_find(reader->db, SQL_NODE, DB_VALUES(db_int(id)), -ESTALE, ret_node);
}

struct version_result {
	struct store_node node;
	bool found, current;
};

static int take_version(void *arg, const struct db_row *row)
{
	struct version_result *result = arg;
	node_from_row(&result->node, row);
	result->current = db_get_int(row, 13) != 0;
	result->found = true;
	return 0;
}

int store_get_version(struct store_reader *reader, int64_t version, struct store_node *ret_node,
	bool *ret_current)
{
	struct version_result result = {.found = false};
	int err =
		db_run(reader->db, SQL_VERSION, DB_VALUES(db_int(version)), take_version, &result);
	if (err)
		return err;
	if (!result.found)
		return store_fail(-ESTALE, "version %lld is gone", (long long)version);
	*ret_node = result.node;
	*ret_current = result.current;
	return 0;
}

/* Bytes copied out of a row. */
struct bytes {
	char *data;
	size_t size;
};

static int take_bytes(void *arg, const struct db_row *row)
{
	struct bytes *bytes = arg;
	size_t size;
	if (db_is_null(row, 0))
		return 0;
	const void *data = db_get_bytes(row, 0, &size);
	char *copy = malloc(size + 1);
	if (!copy)
		return store_fail(-ENOMEM, "out of memory");
	memcpy(copy, data, size);
	copy[size] = '\0';
	free(bytes->data);
	*bytes = (struct bytes){.data = copy, .size = size};
	return 0;
}

/* A content, and the size of its file. */
struct file_bytes {
	struct bytes bytes;
	int64_t length;
};

static int take_file_bytes(void *arg, const struct db_row *row)
{
	struct file_bytes *file = arg;
	int err = take_bytes(&file->bytes, row);
	file->length = db_get_int(row, 1);
	return err;
}

int store_read_sparse(struct store_reader *reader, int64_t version, void **ret_data,
	struct store_content *ret_content)
{
	struct file_bytes file = {.length = 0};
	struct bytes *bytes = &file.bytes;
	struct store_content content;
	int err = db_run(reader->db, SQL_READ, DB_VALUES(db_int(version)), take_file_bytes, &file);
	if (!err && !bytes->data)
		err = store_fail(
			-ESTALE, "the content of version %lld is gone", (long long)version);
	if (!err)
		err = content_init(&content, bytes->data, bytes->size, file.length);
	if (err) {
		free(bytes->data);
		return err;
	}
	*ret_data = bytes->data;
	*ret_content = content;
	return 0;
}

int store_read(struct store_reader *reader, int64_t version, void **ret_data, size_t *ret_size)
{
	void *data, *whole;
	struct store_content content;
	int err = store_read_sparse(reader, version, &data, &content);
	if (err)
		return err;
	if ((int64_t)content.size < content.length) {
		err = content_fill(&content, &whole);
		free(data);
		if (err)
			return err;
		data = whole;
	}
	*ret_data = data;
	*ret_size = (size_t)content.length;
	return 0;
}

int read_text(struct db *db, enum sql sql, int64_t id, char **ret_text)
{
	struct bytes bytes = {.data = NULL};
	int err = db_run(db, sql, DB_VALUES(db_int(id)), take_bytes, &bytes);
	if (err) {
		free(bytes.data);
		return err;
	}
	if (!bytes.data)
		return store_fail(-ESTALE, "no such file");
	*ret_text = bytes.data;
	return 0;
}

int read_path(struct db *db, int64_t id, char **ret_path)
{
	return read_text(db, SQL_PATH, id, ret_path);
}

int store_path(struct store_reader *reader, int64_t id, char **ret_path)
{
	return read_path(reader->db, id, ret_path);
}

int store_is_module(struct store_reader *reader, int64_t parent, const char *name, bool *ret_is)
{
	char *dir = NULL, *module;
	int err = read_path(reader->db, parent, &dir);
	if (err)
		return err;
	err = name_module(dir, name, &module);
	free(dir);
	if (err)
		return err;
	*ret_is = module != NULL;
	free(module);
	return 0;
}
