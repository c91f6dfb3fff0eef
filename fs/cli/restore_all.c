/* SPDX-License-Identifier: MIT */
/*
 * Everything becomes what it was at a generation, in one transaction, which is itself in the history: restoring the
 * generation before it undoes it.
 *
 * Two trees are compared inside the transaction, then and now. What came since goes first, so that nothing is in the way;
 * then directories come back, then contents. Whether all contents are still kept is seen before anything is changed. Owners
 * and modes stay those of now; what comes back has none of its own. One thread.
 */
#include "cli.h"
#include "interrupt.h"
#include "past.h"
#include "progress.h"
#include "restore.h"
#include "waiting.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct all {
	struct store_txn *txn;
	struct store_reader *reader;
	struct filelist then, now;
	struct progress progress;
	int64_t done;
	struct restore_sum *sum;
};

static int fail(const struct filelist_file *file)
{
	return cli_fail("%s: %s; nothing has changed", file->path, store_error());
}

/* One item more; ends the work after a signal. */
static int count(struct all *all)
{
	progress_show(&all->progress, ++all->done);
	return interrupt_check("nothing has changed");
}

static bool is_dir(const struct filelist_file *file)
{
	return file->kind == STORE_DIR;
}

/* A file and a directory, or a file and a link: the one makes room for the other. */
static bool is_other_kind(const struct filelist_file *then, const struct filelist_file *now)
{
	return is_dir(then) != is_dir(now) ||
	       (then->kind == STORE_LINK) != (now->kind == STORE_LINK);
}

static bool is_to_go(const struct all *all, const struct filelist_file *now)
{
	const struct filelist_file *then = filelist_find(&all->then, now->path);
	return !then || is_other_kind(then, now);
}

/* A node of now that is still to be found at its place: removing a module may take its directory along. */
static int remove_one(const struct all *all, const struct filelist_file *file)
{
	struct store_node node;
	int err = store_get_node(all->reader, file->id, &node);
	if (!err)
		err = is_dir(file) ? store_rmdir(all->txn, file->id)
				   : store_unlink(all->txn, file->id);
	if (err == -ESTALE || err == -ENOENT)
		return 0;
	if (err)
		return fail(file);
	all->sum->deleted += !is_dir(file);
	return 0;
}

/* Files first, then directories from below: a path is behind that of the directory it is in. */
static int remove_new(struct all *all)
{
	int status = 0;
	for (size_t i = 0; i < all->now.n && !status; i++) {
		if (!is_dir(&all->now.files[i]) && is_to_go(all, &all->now.files[i]))
			status = remove_one(all, &all->now.files[i]);
		if (!status)
			status = count(all);
	}
	for (size_t i = all->now.n; i > 0 && !status; i--)
		if (is_dir(&all->now.files[i - 1]) && is_to_go(all, &all->now.files[i - 1]))
			status = remove_one(all, &all->now.files[i - 1]);
	return status;
}

static int make_dirs(const struct all *all)
{
	int64_t id;
	for (size_t i = 0; i < all->then.n; i++)
		if (is_dir(&all->then.files[i]) &&
			restore_make_dir(all->txn, all->then.files[i].path, &id))
			return fail(&all->then.files[i]);
	return 0;
}

static int bring_back(
	struct all *all, const struct filelist_file *then, const struct filelist_file *now)
{
	struct store_node node;
	void *data;
	size_t size;
	bool same = false;
	int status = now ? filelist_is_same(&all->then, then, &all->now, now, &same) : 0;
	if (status || same)
		return status;
	status = filelist_read(&all->then, then, &data, &size);
	if (status)
		return status;
	int err = now ? store_write(all->txn, now->id, data, size, &node)
		      : restore_create(all->txn, then->path, then->kind, data, size, &node);
	free(data);
	if (err)
		return fail(then);
	*(now ? &all->sum->changed : &all->sum->created) += 1;
	return 0;
}

static int bring_all_back(struct all *all)
{
	int status = 0;
	for (size_t i = 0; i < all->then.n && !status; i++) {
		const struct filelist_file *then = &all->then.files[i];
		const struct filelist_file *now = filelist_find(&all->now, then->path);
		if (now && is_other_kind(then, now))
			now = NULL;
		if (!is_dir(then))
			status = bring_back(all, then, now);
		if (!status)
			status = count(all);
	}
	return status;
}

static int restore(struct all *all)
{
	progress_init(&all->progress, "restoring", (int64_t)(all->now.n + all->then.n));
	int status = remove_new(all);
	if (!status)
		status = make_dirs(all);
	if (!status)
		status = bring_all_back(all);
	progress_finish(&all->progress, !status);
	return status;
}

/* What is needed and gone, before anything is touched. */
static int check_kept(const struct all *all)
{
	for (size_t i = 0; i < all->then.n; i++) {
		const struct filelist_file *then = &all->then.files[i];
		const struct filelist_file *now = filelist_find(&all->now, then->path);
		void *data;
		size_t size;
		if (is_dir(then) || (now && now->version == then->version))
			continue;
		int status = filelist_read(&all->then, then, &data, &size);
		if (status)
			return status;
		free(data);
	}
	return 0;
}

int restore_all(struct store_txn *txn, const char *generation, struct restore_sum *ret_sum)
{
	struct all all = {.txn = txn, .reader = store_txn_reader(txn), .sum = ret_sum};
	interrupt_catch();
	int status = past_generation(all.reader, generation, &ret_sum->generation);
	if (status)
		return status;
	waiting_begin("comparing");
	status = filelist_init(&all.then, generation, all.reader, ret_sum->generation);
	if (!status)
		status = filelist_init(&all.now, "now", all.reader, INT64_MAX);
	if (!status)
		status = check_kept(&all);
	if (!status)
		status = restore(&all);
	filelist_finish(&all.now);
	filelist_finish(&all.then);
	return status;
}
