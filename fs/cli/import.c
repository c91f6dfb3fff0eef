/* SPDX-License-Identifier: MIT */
/*
 * pymodfs import: a directory into the database, in one transaction.
 *
 * First the tree is walked and everything that can be refused is found; then one transaction takes it in. What
 * is there already with the same bytes is left alone, so that repeating an import changes nothing. Nothing
 * is removed.
 */
#include "cli.h"
#include "progress.h"
#include "store.h"
#include "tree_walk.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct import {
	bool modules_only, all; /* options */
	const char *dir;
	mode_t umask;
	struct store_txn *txn;
	struct store_reader *reader; /* the transaction's */
	struct walk walk;
	int64_t files, changed;
};

/* ---- one item ---- */

static struct store_attr attr_for(const struct import *import, const struct walk_item *item)
{
	mode_t usual = (S_ISDIR(item->mode) ? 0777 : 0666) & ~import->umask;
	struct store_attr attr = {
		.set = STORE_SET_MTIME,
		.mode = (int32_t)(item->mode & 0777),
		.mtime = item->mtime,
	};
	if ((item->mode & 0777) != usual && !S_ISLNK(item->mode))
		attr.set |= STORE_SET_MODE;
	if (S_ISDIR(item->mode))
		attr.set &= ~STORE_SET_MTIME;
	return attr;
}

static enum store_kind kind_for(const struct walk_item *item)
{
	return S_ISDIR(item->mode) ? STORE_DIR : S_ISLNK(item->mode) ? STORE_LINK : STORE_FILE;
}

static int fail_item(const struct walk_item *item, const char *words)
{
	return cli_fail("%s: %s; nothing was imported", item->path, words);
}

static int create(struct import *import, struct walk_item *item, int64_t parent, const void *data,
	size_t size)
{
	struct store_attr attr = attr_for(import, item);
	struct store_node node;
	if (store_create(import->txn, parent, item->name, kind_for(item), &attr, data, size, &node))
		return fail_item(item, store_error());
	item->id = node.id;
	import->changed += !S_ISDIR(item->mode);
	return 0;
}

static bool is_same(
	struct import *import, const struct store_node *node, const void *data, size_t size)
{
	void *old;
	size_t old_size;
	if (node->size != (int64_t)size ||
		store_read(import->reader, node->version, &old, &old_size))
		return false;
	bool same = old_size == size && !memcmp(old, data, size);
	free(old);
	return same;
}

/* Brings a file or link that is there up to date. */
static int update(struct import *import, struct walk_item *item, const struct store_node *node,
	const void *data, size_t size)
{
	struct store_node after;
	bool link = S_ISLNK(item->mode);
	if (link == (node->kind == STORE_LINK) && is_same(import, node, data, size))
		return 0;
	if (link != (node->kind == STORE_LINK)) {
		if (store_unlink(import->txn, node->id))
			return fail_item(item, store_error());
		return create(import, item, node->parent, data, size);
	}
	if (store_write(import->txn, node->id, data, size, &after))
		return fail_item(item, store_error());
	import->changed++;
	return 0;
}

static int take(struct import *import, struct walk_item *item, int64_t parent, const void *data,
	size_t size)
{
	struct store_node node;
	int err = store_lookup(import->reader, parent, item->name, &node);
	if (err == -ENOENT)
		return create(import, item, parent, data, size);
	if (err)
		return fail_item(item, store_error());
	item->id = node.id;
	if (S_ISDIR(item->mode) != (node.kind == STORE_DIR))
		return fail_item(item, node.kind == STORE_DIR ? "is a directory in the database"
							      : "is a file in the database");
	return S_ISDIR(item->mode) ? 0 : update(import, item, &node, data, size);
}

static int import_item(struct import *import, struct walk_item *item)
{
	int64_t parent = item->parent < 0 ? STORE_ROOT : import->walk.items[item->parent].id;
	void *data = NULL;
	size_t size = 0;
	bool module = true;
	if (import->modules_only && !S_ISDIR(item->mode) &&
		(store_is_module(import->reader, parent, item->name, &module) || !module ||
			!S_ISREG(item->mode)))
		return 0;
	if (!S_ISDIR(item->mode)) {
		int err = walk_read(item, &data, &size);
		if (err)
			return fail_item(item, strerror(-err));
		import->files++;
	}
	int status = take(import, item, parent, data, size);
	free(data);
	return status;
}

/* ---- the whole ---- */

static int check_item(const struct walk_item *item)
{
	if (!S_ISREG(item->mode) && !S_ISDIR(item->mode) && !S_ISLNK(item->mode))
		return fail_item(item, "is no file, directory or symbolic link");
	return 0;
}

static int import_items(struct import *import)
{
	struct progress progress;
	int status = 0;
	progress_init(&progress, "importing", (int64_t)import->walk.n);
	for (size_t i = 0; i < import->walk.n && !status; i++) {
		status = import_item(import, &import->walk.items[i]);
		progress_show(&progress, (int64_t)i + 1);
	}
	progress_finish(&progress, !status);
	return status;
}

static int import_all(struct import *import, struct store *store)
{
	const struct store_origin origin = {
		.uid = getuid(), .pid = getpid(), .command = "pymodfs import"};
	int64_t change;
	for (size_t i = 0; i < import->walk.n; i++)
		if (check_item(&import->walk.items[i]))
			return CLI_FAILURE;
	if (store_begin(store, &origin, -1, &import->txn))
		return cli_fail("%s: %s", store_url(store), store_error());
	import->reader = store_txn_reader(import->txn);
	int status = import_items(import);
	if (status) {
		store_abort(import->txn);
		return status;
	}
	if (store_commit(import->txn, &change))
		return cli_fail("%s: %s; nothing was imported", store_url(store), store_error());
	printf("%lld files, %lld new or changed\n", (long long)import->files,
		(long long)import->changed);
	return 0;
}

static const struct cli_option options[] = {
	{"modules-only", 0, CLI_FLAG, offsetof(struct import, modules_only), NULL, CLI_NOTHING,
		"take nothing but .py files that become rows of the table"},
	{"all", 0, CLI_FLAG, offsetof(struct import, all), NULL, CLI_NOTHING,
		"also take bytecode, editors' and version control's own files"},
	{0},
};

static int run(void *arg, int argc, char **argv)
{
	struct import *import = arg;
	struct store *store;
	import->dir = argv[1];
	import->umask = umask(0);
	umask(import->umask);
	if (store_open(argv[0], NULL, &store))
		return cli_fail("%s", store_error());
	int status;
	int err = walk_init(&import->walk, import->dir, import->all, store_url(store));
	if (err)
		status = cli_fail("%s: %s", import->walk.failed ? import->walk.failed : import->dir,
			strerror(-err));
	else
		status = import_all(import, store);
	walk_finish(&import->walk);
	store_close(store);
	return status;
}

const struct cli_command cmd_import = {
	.name = "import",
	.summary = "take a directory's files into a database",
	.operands = "DB DIR",
	.about = "Takes the files of DIR into the database DB, all or none. A file a/b.py becomes "
		 "the row a.b of the\n"
		 "table; other files and symbolic links are kept beside it. What DB has besides "
		 "stays as it is.\n",
	.options = options,
	.size = sizeof(struct import),
	.min = 2,
	.max = 2,
	.wanted = "name the database and the directory",
	.words = {CLI_DB, CLI_DIR, CLI_NOTHING},
	.run = run,
};
