/* SPDX-License-Identifier: MIT */
/*
 * pymodfs restore: a version of a file becomes its content again, also of one that is deleted.
 *
 * It is one transaction, and a change like any other: the history grows by it, and what was there before can be
 * restored the same way.
 */
#include "cli.h"
#include "output.h"
#include "past.h"
#include "restore.h"
#include "writing.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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

int restore_make_dir(struct store_txn *txn, const char *path, int64_t *ret_id)
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

int restore_create(struct store_txn *txn, const char *path, enum store_kind kind, const void *data,
	size_t size, struct store_node *ret_node)
{
	const char *slash = strrchr(path, '/');
	char *dir = slash ? strndup(path, (size_t)(slash - path)) : strdup("");
	int64_t parent;
	if (!dir)
		return -ENOMEM;
	/* Whether it is a module follows from its place. */
	kind = kind == STORE_LINK ? STORE_LINK : STORE_FILE;
	int err = restore_make_dir(txn, dir, &parent);
	if (!err)
		err = store_create(
			txn, parent, slash ? slash + 1 : path, kind, NULL, data, size, ret_node);
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
		err = restore_create(txn, name->path, STORE_FILE, data, size, &node);
	if (err)
		return cli_fail("%s: %s; nothing has changed", name->word, store_error());
	*ret_new = node.version;
	return 0;
}

static int restore_name(struct store_txn *txn, const struct past_name *name,
	struct past_version *ret_version, int64_t *ret_new)
{
	struct store_reader *reader = store_txn_reader(txn);
	void *data = NULL;
	size_t size = 0;
	int status = find(reader, name, ret_version);
	if (!status)
		status = past_read(reader, name, ret_version, &data, &size);
	if (status)
		return status;
	status = put(txn, name, data, size, ret_new);
	free(data);
	return status;
}

struct restore {
	/* options */
	const char *generation;
	bool dry_run, json;

	const char *word; /* NULL: everything */
};

static int report(
	const struct restore *restore, const struct past_name *name, int64_t version, int64_t new)
{
	if (restore->json) {
		printf("{\"version\": %lld, \"new_version\": %lld, \"dry_run\": %s}\n",
			(long long)version, (long long)new, restore->dry_run ? "true" : "false");
		return 0;
	}
	output_name(name->path);
	if (new && restore->dry_run)
		printf(" would be as in version %lld again\n", (long long)version);
	else if (new)
		printf(" is as in version %lld again; that is version %lld\n", (long long)version,
			(long long)new);
	else
		printf(" is as in version %lld already\n", (long long)version);
	return 0;
}

static int report_all(const struct restore *restore, const struct restore_sum *sum, int64_t change)
{
	if (restore->json) {
		printf("{\"generation\": %lld, \"created\": %lld, \"changed\": %lld, \"deleted\": "
		       "%lld, "
		       "\"new_generation\": %lld, \"dry_run\": %s}\n",
			(long long)sum->generation, (long long)sum->created,
			(long long)sum->changed, (long long)sum->deleted, (long long)change,
			restore->dry_run ? "true" : "false");
		return 0;
	}
	printf("%s as in generation %lld%s: %lld file%s brought back, %lld changed, %lld deleted\n",
		restore->dry_run ? "To be" : "Everything is", (long long)sum->generation,
		restore->dry_run ? "" : " again", (long long)sum->created, cli_plural(sum->created),
		(long long)sum->changed, (long long)sum->deleted);
	return 0;
}

/* Commits unless nothing changed or nothing is to change. */
static int finish(const struct restore *restore, struct store *store, struct store_txn *txn,
	bool any, int64_t *ret_change)
{
	if (restore->dry_run || !any) {
		store_abort(txn);
		return 0;
	}
	if (store_commit(txn, ret_change))
		return cli_fail("%s: %s; nothing has changed", store_url(store), store_error());
	return 0;
}

static int run_all(const struct restore *restore, struct store *store, struct store_txn *txn)
{
	struct restore_sum sum = {0};
	int64_t change = 0;
	int status = restore_all(txn, restore->generation, &sum);
	if (status) {
		store_abort(txn);
		return status;
	}
	status = finish(restore, store, txn, sum.created || sum.changed || sum.deleted, &change);
	return status ? status : report_all(restore, &sum, change);
}

static int run_one(const struct restore *restore, struct store *store, struct store_txn *txn)
{
	struct past_name name;
	struct past_version version = {0};
	int64_t new = 0, change;
	int status = past_name_init(&name, store_txn_reader(txn), restore->word);
	if (status) {
		store_abort(txn);
		return status;
	}
	status = restore_name(txn, &name, &version, &new);
	if (status)
		store_abort(txn);
	else
		status = finish(restore, store, txn, new != 0, &change);
	if (!status)
		status = report(restore, &name, version.id, new);
	past_name_finish(&name);
	return status;
}

static const struct cli_option options[] = {
	{"generation", 0, CLI_TEXT, offsetof(struct restore, generation), "GENERATION", CLI_NOTHING,
		"bring everything back as it was: a number that log tells, or a time"},
	{"dry-run", 'n', CLI_FLAG, offsetof(struct restore, dry_run), NULL, CLI_NOTHING,
		"only tell what it would change"},
	{"json", 0, CLI_FLAG, offsetof(struct restore, json), NULL, CLI_NOTHING,
		"tell it as one JSON object"},
	{0},
};

static int run(void *arg, int argc, char **argv)
{
	struct restore *restore = arg;
	struct store *store;
	struct store_txn *txn;
	restore->word = argv[1];
	if (!restore->word == !restore->generation)
		return cli_usage("name a module, or --generation for everything");
	if (store_open(argv[0], NULL, &store))
		return cli_fail("%s", store_error());
	int status = writing_begin(store, "pymodfs restore", &txn);
	if (!status)
		status =
			restore->word ? run_one(restore, store, txn) : run_all(restore, store, txn);
	store_close(store);
	return status;
}

const struct cli_command cmd_restore = {
	.name = "restore",
	.summary = "bring a version of a module back, or everything",
	.operands = "DB MODULE[@VERSION]\n   or: pymodfs restore [OPTION]... --generation "
		    "GENERATION DB",
	.about = "Makes a version of a module its content again. Without @VERSION, for a module "
		 "that is deleted: its\n"
		 "last one. With --generation, everything becomes what it was, in one transaction. "
		 "`pymodfs log` tells\n"
		 "versions and generations. It is a change like any other: what it replaces stays "
		 "in the history.\n\n"
		 "Owners and modes are not in the history. What is there keeps those that it has; "
		 "what comes back has none of its own: it shows as the mount's owner's, with the "
		 "mode of a new file.\n",
	.options = options,
	.size = sizeof(struct restore),
	.min = 1,
	.max = 2,
	.wanted = "name the database, and a module or --generation",
	.words = {CLI_DB, CLI_MODULE, CLI_NOTHING},
	.run = run,
};
