/* SPDX-License-Identifier: MIT */
/*
 * pymodfs import: a directory into the database, in one transaction.
 *
 * First the tree is walked and everything that can be refused is found; then one transaction takes it in. What
 * is there already with the same bytes is left alone, so that repeating an import changes nothing.
 *
 * A directory that was exported (record.h) is taken in with care: what changed on one side alone is that side's, and what
 * changed on both is a conflict, which ends the import with nothing done. One thread.
 */
#include "filelist.h"
#include "interrupt.h"
#include "progress.h"
#include "record.h"
#include "transfer.h"
#include "waiting.h"
#include "writing.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

struct import {
	/* options */
	bool modules_only, all, remove, force;
	struct transfer transfer;

	const char *dir;
	mode_t umask;
	struct store_txn *txn;
	struct store_reader *reader; /* the transaction's */
	struct walk walk;
	struct record record, fresh; /* of before; of afterwards */
	int64_t files, created, changed, deleted, kept, conflicts;
};

#define UNDONE "nothing was imported"

enum action { ACTION_TAKE, ACTION_LEAVE, ACTION_CONFLICT };

/* ---- saying ---- */

static int fail_item(const struct walk_item *item, const char *words)
{
	return cli_fail("%s: %s; nothing was imported", item->path, words);
}

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

static const char *path_of(const struct import *import, const struct walk_item *item)
{
	return walk_below(item, import->dir);
}

static int create(struct import *import, struct walk_item *item, int64_t parent, const void *data,
	size_t size, struct store_node *ret_node)
{
	struct store_attr attr = attr_for(import, item);
	if (store_create(
		    import->txn, parent, item->name, kind_for(item), &attr, data, size, ret_node))
		return fail_item(item, store_error());
	if (!S_ISDIR(item->mode)) {
		import->created++;
		transfer_tell(&import->transfer, "new", path_of(import, item));
	}
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

static enum action conflict(struct import *import, const char *path, const char *words)
{
	if (import->force)
		return ACTION_TAKE;
	import->conflicts++;
	cli_warn("%s: %s", path, words);
	return ACTION_CONFLICT;
}

/* node NULL: the database has nothing there. The contents are known to differ. */
static enum action decide(struct import *import, const struct walk_item *item,
	const struct store_node *node, const void *data, size_t size)
{
	const char *path = path_of(import, item);
	const struct record_entry *entry = record_find(&import->record, path);
	if (!import->record.there || (!entry && !node))
		return ACTION_TAKE;
	if (!entry)
		return conflict(import, path, "is new here and, otherwise, in the database");
	if (!record_is_changed(entry, import->reader, item->mtime, data, size))
		return ACTION_LEAVE;
	if (!node)
		return conflict(import, path,
			"changed here, and was deleted in the database, since it was exported");
	if (node->version != entry->version)
		return conflict(
			import, path, "changed here and in the database since it was exported");
	return ACTION_TAKE;
}

/* Brings a file or link that is there up to date. */
static int update(struct import *import, struct walk_item *item, const struct store_node *node,
	const void *data, size_t size, struct store_node *ret_node)
{
	if (S_ISLNK(item->mode) != (node->kind == STORE_LINK)) {
		if (store_unlink(import->txn, node->id))
			return fail_item(item, store_error());
		return create(import, item, node->parent, data, size, ret_node);
	}
	if (store_write(import->txn, node->id, data, size, ret_node))
		return fail_item(item, store_error());
	import->changed++;
	transfer_tell(&import->transfer, "changed", path_of(import, item));
	return 0;
}

/* What the next record says of it: as it is now, or, where it was left alone, as before. */
static int note(struct import *import, const struct walk_item *item, bool taken, int64_t version,
	size_t size)
{
	const char *path = path_of(import, item);
	const struct record_entry *entry = record_find(&import->record, path);
	if (!import->record.there)
		return 0;
	if (taken)
		return record_add(&import->fresh, path, version, (int64_t)size, item->mtime);
	return entry ? record_add(&import->fresh, path, entry->version, entry->size, entry->mtime)
		     : 0;
}

static int take_file(struct import *import, struct walk_item *item, int64_t parent,
	const void *data, size_t size)
{
	struct store_node node, after;
	int err = store_lookup(import->reader, parent, item->name, &node);
	if (err && err != -ENOENT)
		return fail_item(item, store_error());
	if (!err && node.kind == STORE_DIR)
		return fail_item(item, "is a directory in the database; delete that first");
	if (!err && S_ISLNK(item->mode) == (node.kind == STORE_LINK) &&
		is_same(import, &node, data, size))
		return note(import, item, true, node.version, size);
	enum action action = decide(import, item, err ? NULL : &node, data, size);
	if (action != ACTION_TAKE) {
		import->kept += action == ACTION_LEAVE;
		return note(import, item, false, 0, 0);
	}
	int status = err ? create(import, item, parent, data, size, &after)
			 : update(import, item, &node, data, size, &after);
	return status ? status : note(import, item, true, after.version, size);
}

static int take_dir(struct import *import, struct walk_item *item, int64_t parent)
{
	struct store_node node;
	int err = store_lookup(import->reader, parent, item->name, &node);
	if (err && err != -ENOENT)
		return fail_item(item, store_error());
	if (!err && node.kind != STORE_DIR)
		return fail_item(item, "is a file in the database; delete that first");
	int status = err ? create(import, item, parent, NULL, 0, &node) : 0;
	if (!status)
		item->id = node.id;
	return status;
}

/* Is it chosen, and of a kind that is wanted? */
static bool is_wanted(const struct import *import, const struct walk_item *item, int64_t parent)
{
	bool module;
	if (!choice_has(&import->transfer.choice, path_of(import, item)))
		return false;
	return !import->modules_only ||
	       (S_ISREG(item->mode) &&
		       !store_is_module(import->reader, parent, item->name, &module) && module);
}

static int import_item(struct import *import, struct walk_item *item)
{
	int64_t parent = item->parent < 0 ? STORE_ROOT : import->walk.items[item->parent].id;
	void *data;
	size_t size;
	if (S_ISDIR(item->mode))
		return item->id < 0 ? 0 : take_dir(import, item, parent);
	if (parent < 0 || !is_wanted(import, item, parent))
		return note(import, item, false, 0, 0);
	int err = walk_read(item, &data, &size);
	if (err)
		return fail_item(item, strerror(-err));
	import->files++;
	int status = take_file(import, item, parent, data, size);
	free(data);
	return status;
}

/* ---- what is gone here ---- */

static bool is_here(const struct import *import, const char *path)
{
	struct stat st;
	char *file;
	if (asprintf(&file, "%s/%s", import->dir, path) < 0)
		return true;
	bool here = !lstat(file, &st);
	free(file);
	return here;
}

/* With a record: only what was exported and is gone since. Without one everything that isn't here. */
static bool is_to_go(struct import *import, const struct filelist_file *file)
{
	const struct record_entry *entry = record_find(&import->record, file->path);
	if (file->kind == STORE_DIR || !choice_has(&import->transfer.choice, file->path) ||
		(import->modules_only && file->kind != STORE_MODULE) ||
		(!import->all && walk_leaves_out(file->path)) || is_here(import, file->path))
		return false;
	if (!import->record.there)
		return true;
	if (!entry || entry->version == file->version)
		return entry != NULL;
	return conflict(import, file->path,
		       "was deleted here, and changed in the database, since it was exported") ==
	       ACTION_TAKE;
}

/* A directory that has become empty and isn't here goes too, and what is above it. */
static void remove_dirs(const struct import *import, const char *path, int64_t parent)
{
	struct store_node node;
	char *dir = strdup(path), *slash;
	while (dir && (slash = strrchr(dir, '/'))) {
		*slash = '\0';
		if (is_here(import, dir) || store_get_node(import->reader, parent, &node) ||
			store_rmdir(import->txn, parent))
			break;
		parent = node.parent;
	}
	free(dir);
}

static int remove_one(struct import *import, const struct filelist_file *file)
{
	struct store_node node;
	int err = store_get_node(import->reader, file->id, &node);
	if (!err)
		err = store_unlink(import->txn, file->id);
	if (err)
		return cli_fail("%s: %s; nothing was imported", file->path, store_error());
	import->deleted++;
	transfer_tell(&import->transfer, "deleted", file->path);
	remove_dirs(import, file->path, node.parent);
	return 0;
}

static int remove_gone(struct import *import)
{
	struct filelist list;
	int status = filelist_init(&list, "the database", import->reader, INT64_MAX);
	for (size_t i = 0; i < list.n && !status; i++) {
		status = interrupt_check(UNDONE);
		if (!status && is_to_go(import, &list.files[i]))
			status = remove_one(import, &list.files[i]);
	}
	filelist_finish(&list);
	return status;
}

/* What is neither here nor wanted away stays in the record. */
static int note_gone(struct import *import)
{
	int status = 0;
	for (size_t i = 0; i < import->record.n && !status; i++) {
		const struct record_entry *entry = &import->record.entries[i];
		if (!import->remove && !is_here(import, entry->path))
			status = record_add(&import->fresh, entry->path, entry->version,
				entry->size, entry->mtime);
	}
	return status;
}

/* ---- the whole ---- */

static int check_item(const struct import *import, const struct walk_item *item)
{
	if (S_ISREG(item->mode) || S_ISDIR(item->mode) || S_ISLNK(item->mode) ||
		import->modules_only ||
		!choice_has(&import->transfer.choice, path_of(import, item)))
		return 0;
	return fail_item(item, "is no file, directory or symbolic link; --exclude leaves it out");
}

/* Directories in which nothing is chosen are passed over: their id is -1. */
static void choose_dirs(struct import *import)
{
	bool made = choice_is_made(&import->transfer.choice);
	for (size_t i = 0; i < import->walk.n; i++)
		import->walk.items[i].id = made ? -1 : 0;
	for (size_t i = import->walk.n; i > 0 && made; i--) {
		const struct walk_item *item = &import->walk.items[i - 1];
		bool chosen = S_ISDIR(item->mode)
				      ? item->id >= 0
				      : choice_has(&import->transfer.choice, path_of(import, item));
		if (chosen && item->parent >= 0)
			import->walk.items[item->parent].id = 0;
	}
}

static int import_items(struct import *import)
{
	struct progress progress;
	int status = 0;
	choose_dirs(import);
	progress_init(&progress, "importing", (int64_t)import->walk.n);
	for (size_t i = 0; i < import->walk.n && !status; i++) {
		status = interrupt_check(UNDONE);
		if (!status)
			status = import_item(import, &import->walk.items[i]);
		progress_show(&progress, (int64_t)i + 1);
	}
	if (!status && import->remove)
		status = remove_gone(import);
	progress_finish(&progress, !status);
	if (!status && import->conflicts && !import->transfer.skip_conflicts)
		status = cli_fail("%lld conflict%s, nothing was imported; --force takes the files "
				  "as they are "
				  "here, --skip-conflicts leaves what is in the database",
			(long long)import->conflicts, cli_plural(import->conflicts));
	return status;
}

static int report(const struct import *import)
{
	if (import->transfer.json) {
		printf("{\"files\": %lld, \"new\": %lld, \"changed\": %lld, \"deleted\": %lld, "
		       "\"kept\": %lld, "
		       "\"conflicts\": %lld, \"dry_run\": %s}\n",
			(long long)import->files, (long long)import->created,
			(long long)import->changed, (long long)import->deleted,
			(long long)import->kept, (long long)import->conflicts,
			import->transfer.dry_run ? "true" : "false");
		return 0;
	}
	printf("%lld file%s, %lld new or changed%s", (long long)import->files,
		cli_plural(import->files), (long long)(import->created + import->changed),
		import->transfer.dry_run ? " (not imported)" : "");
	if (import->deleted)
		printf(", %lld deleted", (long long)import->deleted);
	if (import->kept)
		printf(", %lld newer in the database and left alone", (long long)import->kept);
	if (import->conflicts)
		printf(", %lld conflict%s skipped", (long long)import->conflicts,
			cli_plural(import->conflicts));
	putchar('\n');
	return 0;
}

static int import_all(struct import *import, struct store *store)
{
	int64_t change;
	for (size_t i = 0; i < import->walk.n; i++)
		if (check_item(import, &import->walk.items[i]))
			return CLI_FAILURE;
	int status = writing_begin(store, "pymodfs import", &import->txn);
	if (status)
		return status;
	interrupt_catch();
	import->reader = store_txn_reader(import->txn);
	status = import_items(import);
	if (status || import->transfer.dry_run) {
		store_abort(import->txn);
		return status ? status : report(import);
	}
	if (store_commit(import->txn, &change))
		return cli_fail("%s: %s; nothing was imported", store_url(store), store_error());
	if (import->record.there) {
		status = note_gone(import);
		if (!status)
			status = record_save(&import->fresh, import->dir, import->umask,
				store_uuid(store), "the files were imported");
	}
	return status ? status : report(import);
}

static const struct cli_option options[] = {
	{"modules-only", 0, CLI_FLAG, offsetof(struct import, modules_only), NULL, CLI_NOTHING,
		"take nothing but .py files that become rows of the table"},
	{"all", 0, CLI_FLAG, offsetof(struct import, all), NULL, CLI_NOTHING,
		"also take bytecode, editors' and version control's own files"},
	{"delete", 0, CLI_FLAG, offsetof(struct import, remove), NULL, CLI_NOTHING,
		"delete from the database what DIR has no more"},
	{"force", 0, CLI_FLAG, offsetof(struct import, force), NULL, CLI_NOTHING,
		"where both changed since an export, take what DIR has"},
	TRANSFER_OPTIONS(struct import),
	{0},
};

static int run(void *arg, int argc, char **argv)
{
	struct import *import = arg;
	struct store *store;
	import->dir = argv[1];
	import->umask = umask(0);
	umask(import->umask);
	if (import->force && import->transfer.skip_conflicts)
		return cli_usage("--force and --skip-conflicts exclude each other");
	if (store_open(argv[0], NULL, &store))
		return cli_fail("%s", store_error());
	int status;
	waiting_begin("reading the files");
	int err = walk_init(&import->walk, import->dir, import->all, store_url(store));
	if (err)
		status = cli_fail("%s: %s", import->walk.failed ? import->walk.failed : import->dir,
			strerror(-err));
	else
		status = record_load(&import->record, import->dir, store_uuid(store));
	if (!status)
		status = import_all(import, store);
	record_finish(&import->fresh);
	record_finish(&import->record);
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
		 "stays as it is.\n"
		 "If DIR was written by export, what changed in DB alone since is left alone, and "
		 "what changed in\n"
		 "both is a conflict: it is named, and nothing is imported.\n",
	.options = options,
	.size = sizeof(struct import),
	.min = 2,
	.max = 2,
	.wanted = "name the database and the directory",
	.words = {CLI_DB, CLI_DIR, CLI_NOTHING},
	.run = run,
};
