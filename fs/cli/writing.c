/* SPDX-License-Identifier: MIT */
/* How a subcommand's transaction begins. No state. */
#include "writing.h"

#include "cli.h"
#include "waiting.h"

#include <unistd.h>

int writing_begin(struct store *store, const char *command, struct store_txn **ret_txn)
{
	const struct store_origin origin = {.uid = getuid(), .pid = getpid(), .command = command};
	waiting_begin("waiting for the database");
	int err = store_begin(store, &origin, -1, ret_txn);
	waiting_end();
	return err ? cli_fail("%s: %s", store_url(store), store_error()) : 0;
}
