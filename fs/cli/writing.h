/* SPDX-License-Identifier: MIT */
/* writing.h - a transaction of a subcommand's. */
#ifndef PYMODFS_CLI_WRITING_H
#define PYMODFS_CLI_WRITING_H

#include "store.h"

/*
 * Begins one in the name of the user and of `command` ("pymodfs import"), which the history will tell. Waits for another
 * writer, and says so on a terminal. Returns the exit status; what is wrong has been said.
 */
int writing_begin(struct store *store, const char *command, struct store_txn **ret_txn);

#endif
