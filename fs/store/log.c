/* SPDX-License-Identifier: MIT */
/*
 * The log: what happened to files, newest first. The whole log comes in portions of bounded size; that of one
 * path is one statement. A reader belongs to one thread; no lock.
 */
#include "store-private.h"

#include "error.h"

#include <errno.h>
#include <stdlib.h>

#define PORTION 256

struct event_walk {
	store_event_fn *fn;
	void *arg;
	int64_t last;
	int n;
};

/* A path that is not split stands in base whole. */
static int module_of(const char *path, enum store_kind kind, char **ret_module)
{
	const char *base;
	char *dir;
	*ret_module = NULL;
	if (kind != STORE_MODULE)
		return 0;
	int err = name_split(path, &dir, &base);
	if (err)
		return err;
	err = name_module(dir, base, ret_module);
	free(dir);
	return err;
}

static int take_event(void *arg, const struct db_row *row)
{
	struct event_walk *walk = arg;
	struct store_event event = {
		.change = db_get_int(row, 0),
		.op = (enum store_op)db_get_text(row, 1)[0],
		.version = db_get_int(row, 3),
		.size = db_get_int(row, 4),
		.time = db_get_int(row, 5),
		.uid = db_get_int_or_unset(row, 6),
		.pid = db_get_int_or_unset(row, 7),
		.command = db_get_text_or_null(row, 8),
		.kept = db_get_int(row, 9) != 0,
		.node = db_get_int(row, 12),
		.old_version = db_get_int(row, 13),
	};
	enum store_kind kind = (enum store_kind)db_get_text(row, 2)[0];
	char *path = name_join(db_get_text(row, 10), db_get_text(row, 11)), *module;
	if (!path)
		return store_fail(-ENOMEM, "out of memory");
	int err = module_of(path, kind, &module);
	if (!err) {
		event.path = path;
		event.module = module;
		walk->last = event.change;
		walk->n++;
		err = walk->fn(walk->arg, &event);
		free(module);
	}
	free(path);
	return err;
}

static int log_all(struct db *db, struct event_walk *walk)
{
	int err;
	walk->last = INT64_MAX;
	do {
		walk->n = 0;
		err = db_run(db, SQL_LOG, DB_VALUES(db_int(walk->last), db_int(PORTION)),
			take_event, walk);
	} while (!err && walk->n == PORTION);
	return err;
}

int store_log(struct store_reader *reader, const char *path, store_event_fn *fn, void *arg)
{
	struct event_walk walk = {.fn = fn, .arg = arg};
	const char *base;
	char *dir;
	if (!path)
		return log_all(reader->db, &walk);
	int err = name_split(path, &dir, &base);
	if (err)
		return err;
	err = db_run(reader->db, SQL_LOG_PATH, DB_VALUES(db_text(dir), db_text(base)), take_event,
		&walk);
	free(dir);
	return err;
}

/* ---- renames ---- */

struct half {
	char *path;
	int64_t change;
};

static int take_half(void *arg, const struct db_row *row)
{
	struct half *half = arg;
	half->change = db_get_int(row, 0);
	half->path = name_join(db_get_text(row, 1), db_get_text(row, 2));
	return half->path ? 0 : store_fail(-ENOMEM, "out of memory");
}

int store_find_rename(struct store_reader *reader, const struct store_event *event, char **ret_path,
	int64_t *ret_change)
{
	struct half half = {.path = NULL};
	enum sql sql = event->op == STORE_INSERT ? SQL_RENAMED_FROM : SQL_RENAMED_TO;
	int err = 0;
	if (event->change && event->op != STORE_UPDATE)
		err = db_run(reader->db, sql,
			DB_VALUES(
				db_int(event->change), db_int(event->node), db_int(event->version)),
			take_half, &half);
	if (err) {
		free(half.path);
		return err;
	}
	*ret_path = half.path;
	*ret_change = half.change;
	return 0;
}

struct range {
	int64_t first, last;
};

static int take_range(void *arg, const struct db_row *row)
{
	*(struct range *)arg = (struct range){db_get_int(row, 0), db_get_int(row, 1)};
	return 0;
}

int store_find_transaction(
	struct store_reader *reader, int64_t change, int64_t *ret_first, int64_t *ret_last)
{
	struct range range = {change, change};
	int err =
		db_run(reader->db, SQL_TRANSACTION, DB_VALUES(db_int(change)), take_range, &range);
	if (err)
		return err;
	bool between = change >= range.last;
	*ret_first = between ? change : range.first;
	*ret_last = between ? change : range.last;
	return 0;
}

int store_change_at_time(struct store_reader *reader, int64_t time, int64_t *ret_change)
{
	return db_number(reader->db, SQL_CHANGE_AT_TIME, DB_VALUES(db_int(time)), 0, ret_change);
}
