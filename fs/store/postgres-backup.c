/* SPDX-License-Identifier: MIT */
/* Keeping a PostgreSQL database safe is its server's business and that of its own tools. */
#include "postgres.h"

#include "error.h"

#include <errno.h>

int postgres_backup(struct store *store, const char *file, store_progress_fn *fn, void *arg)
{
	return store_fail(
		-ENOTSUP, "%s is kept by a PostgreSQL server; back it up with pg_dump", store->url);
}

/* The server has no check of what it keeps. */
int postgres_check(struct store *store, int (*fn)(void *arg, const char *words), void *arg)
{
	bool has;
	PGconn *connection;
	int err = postgres_connect(store->connection, &connection);
	if (err)
		return err;
	err = postgres_has_triggers(connection, store->setting.table, &has);
	PQfinish(connection);
	if (err || has)
		return err;
	(void)setting_fail_triggers(&store->setting, store->url);
	return fn(arg, store_error());
}
