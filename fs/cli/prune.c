/* SPDX-License-Identifier: MIT */
/* pymodfs prune: forgets old contents, in one transaction. What the log says of them stays. */
#include "cli.h"
#include "interrupt.h"
#include "progress.h"
#include "store.h"
#include "waiting.h"
#include "writing.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

struct prune {
	struct cli_number before, keep;
	bool dry_run, json;
};

static int report(
	const struct prune *prune, const struct store *store, int64_t versions, int64_t bytes)
{
	if (prune->json) {
		printf("{\"versions\": %lld, \"bytes\": %lld, \"dry_run\": %s}\n",
			(long long)versions, (long long)bytes, prune->dry_run ? "true" : "false");
		return 0;
	}
	printf("%lld old version%s of %lld bytes in all %s\n", (long long)versions,
		cli_plural(versions), (long long)bytes,
		prune->dry_run ? "would be forgotten" : "forgotten");
	if (versions && !prune->dry_run && !strstr(store_url(store), "://"))
		printf("The space is used again; to make the file smaller: sqlite3 %s VACUUM\n",
			store_url(store));
	return 0;
}

static int prune_store(struct prune *prune, struct store *store)
{
	const struct store_prune which = {
		.before = prune->before.set ? prune->before.value : INT64_MAX,
		.keep = prune->keep.value,
	};
	struct store_txn *txn;
	struct progress progress;
	int64_t versions, bytes, change;
	int status = writing_begin(store, "pymodfs prune", &txn);
	if (status)
		return status;
	interrupt_catch();
	waiting_begin("looking for old versions");
	progress_init(&progress, "forgetting", 1);
	int err = store_forget(txn, &which, progress_count, &progress, &versions, &bytes);
	progress_finish(&progress, !err);
	status = interrupt_check("nothing was forgotten");
	if (err && !status)
		status = cli_fail("%s: %s; nothing was forgotten", store_url(store), store_error());
	if (status) {
		store_abort(txn);
		return status;
	}
	if (prune->dry_run)
		store_abort(txn);
	else if (store_commit(txn, &change))
		return cli_fail("%s: %s; nothing was forgotten", store_url(store), store_error());
	return report(prune, store, versions, bytes);
}

static const struct cli_option options[] = {
	{"older-than", 0, CLI_TIME, offsetof(struct prune, before), "TIME", CLI_NOTHING,
		"forget what was replaced or deleted before; TIME is 90d, 2026-11-25"},
	{"keep", 0, CLI_NUMBER, offsetof(struct prune, keep), "N", CLI_NOTHING,
		"but not the last N old versions of each file"},
	{"dry-run", 'n', CLI_FLAG, offsetof(struct prune, dry_run), NULL, CLI_NOTHING,
		"only tell how much it would be"},
	{"json", 0, CLI_FLAG, offsetof(struct prune, json), NULL, CLI_NOTHING,
		"as one JSON object"},
	{0},
};

static int run(void *arg, int argc, char **argv)
{
	struct prune *prune = arg;
	struct store *store;
	if (!prune->before.set && !prune->keep.set)
		return cli_usage("say what may go: --older-than TIME, --keep N, or both");
	if (store_open(argv[0], NULL, &store))
		return cli_fail("%s", store_error());
	int status = prune_store(prune, store);
	store_close(store);
	return status;
}

const struct cli_command cmd_prune = {
	.name = "prune",
	.summary = "forget old versions",
	.operands = "DB",
	.about = "Forgets contents of modules and other files that were replaced or deleted: by "
		 "age, by count, or those\n"
		 "to which both apply. What a file has now is never forgotten, and the log still "
		 "tells what happened.\n",
	.options = options,
	.size = sizeof(struct prune),
	.min = 1,
	.max = 1,
	.wanted = "name one database",
	.words = {CLI_DB, CLI_NOTHING, CLI_NOTHING},
	.run = run,
};
