/* SPDX-License-Identifier: MIT */
/* pymodfs backup: a copy of the database as it is at one moment, while it is in use. */
#include "cli.h"
#include "interrupt.h"
#include "mounts.h"
#include "progress.h"
#include "store.h"

#include <errno.h>

static int run(void *arg, int argc, char **argv)
{
	const struct store_options store_options = {.read_only = true, .old_too = true};
	struct store *store;
	int status = 0;
	struct progress progress;
	if (store_open(argv[0], &store_options, &store))
		return cli_fail("%s", store_error());
	if (mounts_refuse_inside(argv[1], store_url(store))) {
		store_close(store);
		return CLI_FAILURE;
	}
	interrupt_catch();
	progress_init(&progress, "copying", 1);
	int err = store_backup(store, argv[1], progress_count, &progress);
	progress_finish(&progress, !err);
	if (err == -EINTR)
		status = interrupt_check("there is no copy");
	else if (err)
		status = cli_fail("%s", store_error());
	else
		printf("%s is a copy of %s\n", argv[1], store_url(store));
	store_close(store);
	return status;
}

const struct cli_command cmd_backup = {
	.name = "backup",
	.summary = "copy a database while it is in use",
	.operands = "DB FILE",
	.about = "Copies the database DB, with its history, to the new file FILE. Mounts and other "
		 "programs may go on\n"
		 "meanwhile; the copy is the state of one moment.\n",
	.min = 2,
	.max = 2,
	.wanted = "name the database and the new file",
	.words = {CLI_DB, CLI_FILE, CLI_NOTHING},
	.run = run,
};
