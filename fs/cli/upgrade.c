/* SPDX-License-Identifier: MIT */
/*
 * pymodfs upgrade: brings the tables that an earlier pymodfs made up to date. First a copy is made beside the database, then one
 * transaction does it all; so whatever happens there is either the old state or the new one. One thread.
 */
#include "cli.h"
#include "interrupt.h"
#include "mounts.h"
#include "progress.h"
#include "store.h"
#include "waiting.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct upgrade {
	const char *backup;
	bool no_backup;
};

#define COPIES_MAX 100

/* The first name that is free: an earlier upgrade may have been killed behind its copy. */
static int name_default(const struct store *store, char **ret_file)
{
	struct stat st;
	for (int i = 1; i <= COPIES_MAX; i++) {
		char number[16] = "", *file;
		if (i > 1)
			snprintf(number, sizeof(number), ".%d", i);
		if (asprintf(&file, "%s.schema-%lld%s", store_url(store),
			    (long long)store_schema(store), number) < 0)
			return cli_fail("out of memory");
		if (lstat(file, &st)) {
			*ret_file = file;
			return 0;
		}
		free(file);
	}
	return cli_fail("there are %d copies of %s already; remove some, or say --backup FILE",
		COPIES_MAX, store_url(store));
}

/* Where the copy goes; the caller frees. NULL: nowhere. */
static int name_backup(const struct upgrade *upgrade, const struct store *store, char **ret_file)
{
	*ret_file = NULL;
	if (upgrade->no_backup)
		return 0;
	if (!upgrade->backup && strstr(store_url(store), "://"))
		return cli_fail("%s is kept by a PostgreSQL server; back it up with pg_dump, then "
				"say --no-backup",
			store_url(store));
	if (!upgrade->backup)
		return name_default(store, ret_file);
	*ret_file = strdup(upgrade->backup);
	return *ret_file ? 0 : cli_fail("out of memory");
}

static int copy(struct store *store, const char *file)
{
	struct progress progress;
	if (mounts_refuse_inside(file, store_url(store)))
		return CLI_FAILURE;
	progress_init(&progress, "copying", 1);
	int err = store_backup(store, file, progress_count, &progress);
	progress_finish(&progress, !err);
	if (err == -EINTR)
		return interrupt_check("nothing has changed");
	if (err)
		return cli_fail("%s; nothing has changed", store_error());
	return 0;
}

static int change(struct store *store, int64_t *ret_from)
{
	waiting_begin("upgrading");
	int err = store_upgrade(store, ret_from);
	waiting_end();
	if (err)
		return cli_fail("%s: %s; nothing has changed", store_url(store), store_error());
	return 0;
}

static int upgrade_store(const struct upgrade *upgrade, struct store *store)
{
	char *file;
	int64_t from;
	int status = 0;
	if (store_schema(store) == store_schema_wanted()) {
		printf("%s has schema %lld: there is nothing to do\n", store_url(store),
			(long long)store_schema_wanted());
		return 0;
	}
	if (store_refusal(store))
		return cli_fail("%s can't be upgraded: %s", store_url(store), store_refusal(store));
	interrupt_catch();
	status = name_backup(upgrade, store, &file);
	if (!status && file)
		status = copy(store, file);
	bool copied = !status && file;
	if (!status)
		status = change(store, &from);
	if (status && copied)
		unlink(file); /* of what is as it was */
	if (!status)
		printf("%s had schema %lld and has %lld now%s%s\n", store_url(store),
			(long long)from, (long long)store_schema_wanted(),
			file ? "; it is as it was in " : "", file ? file : "");
	free(file);
	return status;
}

static const struct cli_option options[] = {
	{"backup", 0, CLI_TEXT, offsetof(struct upgrade, backup), "FILE", CLI_FILE,
		"the copy that is made before; the default is DB.schema-N, or the next free name"},
	{"no-backup", 0, CLI_FLAG, offsetof(struct upgrade, no_backup), NULL, CLI_NOTHING,
		"make none"},
	{0},
};

static int run(void *arg, int argc, char **argv)
{
	const struct store_options store_options = {.old_too = true};
	struct upgrade *upgrade = arg;
	struct store *store;
	if (upgrade->backup && upgrade->no_backup)
		return cli_usage("--backup and --no-backup exclude each other");
	if (store_open(argv[0], &store_options, &store))
		return cli_fail("%s", store_error());
	int status = upgrade_store(upgrade, store);
	store_close(store);
	return status;
}

const struct cli_command cmd_upgrade = {
	.name = "upgrade",
	.summary = "bring a database of an earlier pymodfs up to date",
	.operands = "DB",
	.about = "Brings what an earlier pymodfs made in the database DB up to date, in one "
		 "transaction; your table is\n"
		 "not touched. Before that it copies the database to a new file. Unmount it first. "
		 "Safe to repeat.\n",
	.options = options,
	.size = sizeof(struct upgrade),
	.min = 1,
	.max = 1,
	.wanted = "name one database",
	.words = {CLI_DB, CLI_NOTHING, CLI_NOTHING},
	.run = run,
};
