/* SPDX-License-Identifier: MIT */
/*
 * Opening and closing a store: picks the engine by the URL, reads the settings that init left, and
 * refuses what it doesn't understand. A store is immutable after store_open() but for its writer,
 * which belongs to one transaction at a time (txn.c).
 */
#include "init.h"
#include "store-private.h"

#include "error.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

void setting_take(struct db_setting *setting, const char *key, const char *value)
{
	if (!key || !value)
		return;
	char **text = !strcmp(key, "uuid")            ? &setting->uuid
		      : !strcmp(key, "table")         ? &setting->table
		      : !strcmp(key, "name_column")   ? &setting->name_column
		      : !strcmp(key, "source_column") ? &setting->source_column
						      : NULL;
	if (!strcmp(key, "schema"))
		setting->schema = strtoll(value, NULL, 10);
	if (text && !*text)
		*text = strdup(value);
}

int setting_check(const struct db_setting *setting, const char *shown, bool old_too)
{
	if (setting->schema < 1 || !setting->uuid || !setting->table || !setting->name_column ||
		!setting->source_column)
		return store_fail(-EUCLEAN, "%s: the table pymodfs_setting is damaged", shown);
	return store_check_schema(shown, setting->schema, old_too);
}

int setting_fail_triggers(const struct db_setting *setting, const char *shown)
{
	return store_fail(-EIO,
		"the table %s was made anew or renamed, and has none of the triggers by which its "
		"changes are seen; run: pymodfs init %s --table %s --name-column %s "
		"--source-column %s",
		setting->table, shown, setting->table, setting->name_column,
		setting->source_column);
}

int store_note_refusal(struct store *store, int err)
{
	if (err != -EROFS)
		return err;
	store->refusal = strdup(store_error());
	return store->refusal ? 0 : store_fail(-ENOMEM, "out of memory");
}

void setting_finish(struct db_setting *setting)
{
	free(setting->uuid);
	free(setting->table);
	free(setting->name_column);
	free(setting->source_column);
}

static const struct db_engine *engine_for(const char *url)
{
	if (!strncmp(url, "postgresql://", 13) || !strncmp(url, "postgres://", 11))
		return &postgres_engine;
	return &sqlite_engine;
}

char *store_shown_url(const char *url)
{
	return engine_for(url)->shown_url(url);
}

int store_init(const char *url, const struct store_init_options *options, bool *ret_fresh)
{
	return engine_for(url)->init(url, options, ret_fresh);
}

/* Opens one connection and closes it, to see that everything is as it must be. */
static int probe(struct store *store)
{
	struct db *db;
	int err = store->engine->open(store, false, &db);
	if (err)
		return err;
	store->engine->close(db);
	return 0;
}

static void init_locks(struct store *store)
{
	pthread_condattr_t attr;
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&store->ended, &attr);
	pthread_condattr_destroy(&attr);
	pthread_mutex_init(&store->lock, NULL);
}

int store_open(const char *url, const struct store_options *options, struct store **ret_store)
{
	struct store *store = calloc(1, sizeof(*store));
	if (!store)
		return store_fail(-ENOMEM, "out of memory");
	if (options)
		store->options = *options;
	if (store->options.busy_timeout_ms <= 0)
		store->options.busy_timeout_ms = 5000;
	store->engine = engine_for(url);
	init_locks(store);
	pthread_mutex_init(&store->own_lock, NULL);
	int err = -ENOMEM;
	store->url = strdup(url);
	if (!store->url) {
		store_fail(err, "out of memory");
		goto destroy_store;
	}
	err = store->engine->read_setting(store, &store->setting);
	if (err)
		goto destroy_store;
	err = probe(store);
	if (err)
		goto destroy_store;
	*ret_store = store;
	return 0;

destroy_store:
	store_close(store);
	return err;
}

void store_close(struct store *store)
{
	if (!store)
		return;
	if (store->writer)
		store->engine->close(store->writer);
	own_finish(store);
	pthread_mutex_destroy(&store->own_lock);
	pthread_cond_destroy(&store->ended);
	pthread_mutex_destroy(&store->lock);
	setting_finish(&store->setting);
	free(store->refusal);
	free(store->connection);
	free(store->url);
	free(store);
}

const char *store_url(const struct store *store)
{
	return store->url;
}

const char *store_table(const struct store *store)
{
	return store->setting.table;
}

const char *store_refusal(const struct store *store)
{
	return store->refusal;
}

const char *store_uuid(const struct store *store)
{
	return store->setting.uuid;
}

int64_t store_schema(const struct store *store)
{
	return store->setting.schema;
}

int64_t store_schema_wanted(void)
{
	return STORE_SCHEMA;
}

int store_upgrade(struct store *store, int64_t *ret_from)
{
	return store->engine->upgrade(store, ret_from);
}

int store_backup(struct store *store, const char *file, store_progress_fn *fn, void *arg)
{
	return store->engine->backup(store, file, fn, arg);
}

int store_check(struct store *store, int (*fn)(void *arg, const char *words), void *arg)
{
	return store->engine->check(store, fn, arg);
}

int store_reader_create(struct store *store, struct store_reader **ret_reader)
{
	struct store_reader *reader = calloc(1, sizeof(*reader));
	if (!reader)
		return store_fail(-ENOMEM, "out of memory");
	int err = store->engine->open(store, false, &reader->db);
	if (err) {
		free(reader);
		return err;
	}
	*ret_reader = reader;
	return 0;
}

void store_reader_destroy(struct store_reader *reader)
{
	if (!reader)
		return;
	store_reader_end(reader);
	reader->db->engine->close(reader->db);
	free(reader);
}

int store_reader_begin(struct store_reader *reader)
{
	int err = reader->db->engine->begin_read(reader->db);
	reader->snapshot = !err;
	return err;
}

void store_reader_end(struct store_reader *reader)
{
	if (reader->snapshot)
		reader->db->engine->end_read(reader->db);
	reader->snapshot = false;
}

int store_watch_create(struct store *store, struct store_watch **ret_watch)
{
	return store->engine->watch_create(store, ret_watch);
}

void store_watch_destroy(struct store_watch *watch)
{
	if (watch)
		watch->engine->watch_destroy(watch);
}

int store_watch_wait(struct store_watch *watch, int wake_fd, int timeout_ms, bool *ret_changed)
{
	return watch->engine->watch_wait(watch, wake_fd, timeout_ms, ret_changed);
}
