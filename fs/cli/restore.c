/* SPDX-License-Identifier: MIT */
/*
 * pymodfs restore: a version of a file becomes its content again, also of one that is deleted.
 *
 * It is one transaction, and a change like any other: the history grows by it, and what was there before can be
 * restored the same way.
 */
#include "cli.h"
#include "past.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Which version it is that is to come back. */
static int find(
	struct store_reader *reader, const struct past_name *name, struct past_version *ret_version)
{
	struct past_version version;
	int status = past_find(reader, name, &version);
	if (!status && !name->version && version.id)
		return cli_fail(
			"%s is there; name the version: %s@VERSION", name->word, name->word);
	if (!status && !version.id)
		status = past_find_before(reader, name, 0, &version);
	if (!status && !version.id)
		status = cli_fail("%s: no version of it is kept", name->word);
	if (!status)
		*ret_version = version;
	return status;
}

/* The directory with this path, made with all above it where it is missing. */
static int make_dir(struct store_txn *txn, const char *path, int64_t *ret_id)
{
	struct store_reader *reader = store_txn_reader(txn);
	struct store_node node = {.id = STORE_ROOT};
	char name[STORE_NAME_MAX + 1];
	while (*path) {
		int64_t parent = node.id;
		size_t size = strcspn(path, "/");
		if (size > STORE_NAME_MAX)
			return -ENAMETOOLONG;
		memcpy(name, path, size);
		name[size] = '\0';
		int err = store_lookup(reader, parent, name, &node);
		if (err == -ENOENT)
			err = store_create(txn, parent, name, STORE_DIR, NULL, NULL, 0, &node);
		if (err)
			return err;
		path += size + (path[size] == '/');
	}
	*ret_id = node.id;
	return 0;
}

static int create(struct store_txn *txn, const char *path, const void *data, size_t size,
	struct store_node *ret_node)
{
	const char *slash = strrchr(path, '/');
	char *dir = slash ? strndup(path, (size_t)(slash - path)) : strdup("");
	int64_t parent;
	if (!dir)
		return -ENOMEM;
	int err = make_dir(txn, dir, &parent);
	if (!err)
		err = store_create(txn, parent, slash ? slash + 1 : path, STORE_FILE, NULL, data,
			size, ret_node);
	free(dir);
	return err;
}

static bool is_same(struct store_reader *reader, int64_t version, const void *data, size_t size)
{
	void *now;
	size_t now_size;
	if (store_read(reader, version, &now, &now_size))
		return false;
	bool same = now_size == size && !memcmp(now, data, size);
	free(now);
	return same;
}

/* *ret_new: the version that this made, 0 where the content is there already. */
static int put(struct store_txn *txn, const struct past_name *name, const void *data, size_t size,
	int64_t *ret_new)
{
	struct store_reader *reader = store_txn_reader(txn);
	struct store_node node = {.version = 0};
	int err = store_at_lookup(reader, INT64_MAX, name->path, &node);
	if (!err && node.kind != STORE_DIR && is_same(reader, node.version, data, size))
		node.version = 0;
	else if (!err)
		err = store_write(txn, node.id, data, size, &node);
	else if (err == -ENOENT)
		err = create(txn, name->path, data, size, &node);
	if (err)
		return cli_fail("%s: %s; nothing has changed", name->word, store_error());
	*ret_new = node.version;
	return 0;
}

static int restore_name(struct store_txn *txn, const struct past_name *name,
	struct past_version *ret_version, int64_t *ret_new)
{
	struct store_reader *reader = store_txn_reader(txn);
	void *data;
	size_t size;
	int status = find(reader, name, ret_version);
	if (!status)
		status = past_read(reader, name, ret_version, &data, &size);
	if (status)
		return status;
	status = put(txn, name, data, size, ret_new);
	free(data);
	return status;
}

static int report(const struct past_name *name, int64_t version, int64_t new)
{
	if (new)
		printf("%s is as in version %lld again; that is version %lld\n", name->path,
			(long long)version, (long long)new);
	else
		printf("%s is as in version %lld already\n", name->path, (long long)version);
	return 0;
}

static int restore(struct store *store, const char *word)
{
	const struct store_origin origin = {
		.uid = getuid(), .pid = getpid(), .command = "pymodfs restore"};
	struct store_txn *txn;
	struct past_name name;
	struct past_version version;
	int64_t new = 0, change;
	if (store_begin(store, &origin, -1, &txn))
		return cli_fail("%s: %s", store_url(store), store_error());
	int status = past_name_init(&name, store_txn_reader(txn), word);
	if (status) {
		store_abort(txn);
		return status;
	}
	status = restore_name(txn, &name, &version, &new);
	if (status || !new)
		store_abort(txn);
	else if (store_commit(txn, &change))
		status = cli_fail("%s: %s; nothing has changed", store_url(store), store_error());
	if (!status)
		status = report(&name, version.id, new);
	past_name_finish(&name);
	return status;
}

static int run(void *arg, int argc, char **argv)
{
	struct store *store;
	if (store_open(argv[0], NULL, &store))
		return cli_fail("%s", store_error());
	int status = restore(store, argv[1]);
	store_close(store);
	return status;
}

const struct cli_command cmd_restore = {
	.name = "restore",
	.summary = "bring a version of a module back",
	.operands = "DB MODULE[@VERSION]",
	.about = "Makes a version of a module its content again. Without @VERSION, for a module "
		 "that is deleted: its\n"
		 "last one. `pymodfs log` tells which there are. It is a change like any other: "
		 "what it replaces\n"
		 "stays in the history.\n",
	.min = 2,
	.max = 2,
	.wanted = "name the database and the module",
	.words = {CLI_DB, CLI_MODULE, CLI_NOTHING},
	.run = run,
};
