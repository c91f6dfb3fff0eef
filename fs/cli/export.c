/* SPDX-License-Identifier: MIT */
/*
 * pymodfs export: the tree of the database into a directory.
 *
 * One snapshot is read, twice: once to see that nothing in the directory would be lost, once to write. What was written is
 * recorded (record.h), so that the next export can tell which files were changed since, and an import which rows. One thread.
 */
#include "export.h"

#include "../store/escape.h"
#include "cli.h"
#include "interrupt.h"
#include "mounts.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void print_plan(FILE *out, const struct export *export)
{
	int64_t strangers = export->obstacles[EXPORT_STRANGER],
		different = export->obstacles[EXPORT_DIFFERENT];
	bool others = export->obstacles[EXPORT_NO_FILE] || export->obstacles[EXPORT_NO_DIRECTORY];
	fputs("nothing was exported", out);
	if (different || strangers)
		fputs("; --overwrite would", out);
	if (different)
		fprintf(out, " replace %lld", (long long)different);
	if (strangers)
		fprintf(out, "%s leave %lld as %s", different ? " and" : "", (long long)strangers,
			strangers == 1 ? "it is" : "they are");
	if (others && (different || strangers))
		fputs("; what is of another kind has to go before", out);
}

/* Whether --overwrite is the way out depends on what it would do to each. */
static int refuse_obstacles(const struct export *export)
{
	int64_t all = 0, named = 0;
	char *plan = NULL;
	size_t size;
	for (int i = 0; i < EXPORT_N_OBSTACLES; i++) {
		int64_t n = export->obstacles[i];
		all += n;
		named += n < EXPORT_NAMED_MAX ? n : EXPORT_NAMED_MAX;
	}
	if (!all)
		return 0;
	FILE *out = open_memstream(&plan, &size);
	if (!out)
		return cli_fail("out of memory");
	print_plan(out, export);
	if (fclose(out))
		cli_fail("out of memory");
	else if (named < all)
		cli_fail("%lld obstacles, of which %lld are named; %s", (long long)all,
			(long long)named, plan);
	else
		cli_fail("%lld obstacle%s; %s", (long long)all, cli_plural(all), plan);
	free(plan);
	return CLI_FAILURE;
}

static int visit_all(struct export *export, bool write)
{
	const struct export_level top = {.fd = export->top, .path = export->dir};
	int status = export_visit_dir(export, STORE_ROOT, &top, write);
	if (!status && export->record.there && export->top >= 0)
		status = export_visit_gone(export, write);
	if (!status && !write)
		status = refuse_obstacles(export);
	if (!status && !write && export->conflicts && !export->transfer.skip_conflicts)
		status = cli_fail("%lld conflict%s, nothing was exported; --overwrite takes what "
				  "is in the database, "
				  "--skip-conflicts leaves the files",
			(long long)export->conflicts, cli_plural(export->conflicts));
	return status;
}

static int open_top(struct export *export)
{
	if (!export->transfer.dry_run && mkdir(export->dir, 0777) && errno != EEXIST)
		return cli_fail("%s: %s", export->dir, strerror(errno));
	export->top = open(export->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (export->top < 0 && !(export->transfer.dry_run && errno == ENOENT))
		return cli_fail("%s: %s", export->dir, strerror(errno));
	return 0;
}

static int export_tree(struct export *export, int64_t total, const char *uuid)
{
	int status = open_top(export);
	if (!status)
		status = record_load(&export->record, export->dir, uuid);
	if (status)
		return status;
	interrupt_catch();
	bool empty = export->top >= 0 && export_is_empty(export->top);
	progress_init(&export->progress, "exporting",
		empty || export->transfer.dry_run ? total : 2 * total);
	if (!empty || export->transfer.dry_run)
		status = visit_all(export, false);
	if (!status && !export->transfer.dry_run) {
		status = visit_all(export, true);
		/* Also after a failure: it says what was written, and of the rest what was. */
		if (status)
			record_add_missing(&export->fresh, &export->record);
		int saved = record_save(&export->fresh, export->dir, export->umask, uuid,
			status ? NULL : "the files were written");
		status = status ? status : saved;
	}
	progress_finish(&export->progress, !status);
	return status;
}

/* Rows that can't be files are named; the others are exported. */
static int name_hidden(void *arg, const char *name, size_t size)
{
	((struct export *)arg)->hidden++;
	fputs("pymodfs export: not a path, left out: ", stderr);
	escape_print(stderr, name, size);
	fputc('\n', stderr);
	return 0;
}

static void report(const struct export *export, const struct store_counts *counts)
{
	if (export->transfer.json) {
		printf("{\"modules\": %lld, \"files\": %lld, \"written\": %lld, \"kept\": %lld, "
		       "\"deleted\": %lld, \"conflicts\": %lld, \"hidden\": %lld, \"dry_run\": "
		       "%s}\n",
			(long long)counts->modules, (long long)(counts->files + counts->links),
			(long long)export->written, (long long)export->kept,
			(long long)export->deleted, (long long)export->conflicts,
			(long long)export->hidden, export->transfer.dry_run ? "true" : "false");
		return;
	}
	int64_t others = counts->files + counts->links;
	printf("%lld module%s, %lld other file%s; %lld %swritten", (long long)counts->modules,
		cli_plural(counts->modules), (long long)others, cli_plural(others),
		(long long)export->written, export->transfer.dry_run ? "to be " : "");
	if (export->deleted)
		printf(", %lld deleted", (long long)export->deleted);
	if (export->kept)
		printf(", %lld changed here and left alone", (long long)export->kept);
	if (export->conflicts)
		printf(", %lld conflict%s skipped", (long long)export->conflicts,
			cli_plural(export->conflicts));
	putchar('\n');
}

static int export_snapshot(struct export *export, const struct store *store)
{
	struct store_counts counts;
	if (store_count(export->reader, &counts))
		return cli_fail("%s", store_error());
	int status = export_tree(
		export, counts.modules + counts.files + counts.links, store_uuid(store));
	if (status)
		return status;
	if (store_hidden(export->reader, name_hidden, export))
		return cli_fail("%s", store_error());
	report(export, &counts);
	return export->hidden ? CLI_FAILURE : 0;
}

static const struct cli_option options[] = {
	{"overwrite", 0, CLI_FLAG, offsetof(struct export, overwrite), NULL, CLI_NOTHING,
		"DIR may hold anything: files that differ are replaced, others left alone"},
	{"delete", 0, CLI_FLAG, offsetof(struct export, remove), NULL, CLI_NOTHING,
		"remove files that were exported and that DB has no more"},
	TRANSFER_OPTIONS(struct export),
	{0},
};

static int run(void *arg, int argc, char **argv)
{
	const struct store_options store_options = {.read_only = true};
	struct export *export = arg;
	struct store *store;
	export->dir = argv[1];
	export->top = -1;
	export->umask = umask(0);
	umask(export->umask);
	if (export->overwrite && export->transfer.skip_conflicts)
		return cli_usage("--overwrite and --skip-conflicts exclude each other");
	if (store_open(argv[0], &store_options, &store))
		return cli_fail("%s", store_error());
	int status = mounts_refuse_inside(export->dir, store_url(store));
	if (!status &&
		(store_reader_create(store, &export->reader) || store_reader_begin(export->reader)))
		status = cli_fail("%s", store_error());
	if (!status)
		status = export_snapshot(export, store);
	if (export->top >= 0)
		close(export->top);
	record_finish(&export->fresh);
	record_finish(&export->record);
	store_reader_destroy(export->reader);
	store_close(store);
	return status;
}

const struct cli_command cmd_export = {
	.name = "export",
	.summary = "write a database's tree to a directory",
	.operands = "DB DIR",
	.about = "Writes the tree that a mount of the database DB shows to the directory DIR, with "
		 "modes and times.\n"
		 "DIR is made if it isn't there; otherwise it must be empty, hold the same "
		 "already, or have been\n"
		 "written by export before: then what changed in DIR alone since is left alone, "
		 "and what changed in\n"
		 "both is a conflict: it is named, and nothing is exported. DIR/.pymodfs-export "
		 "keeps what was written.\n",
	.options = options,
	.size = sizeof(struct export),
	.min = 2,
	.max = 2,
	.wanted = "name the database and the directory",
	.words = {CLI_DB, CLI_DIR, CLI_NOTHING},
	.run = run,
};
