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

/* The server has no such check; that the settings could be read is all that can be said. */
int postgres_check(struct store *store, int (*fn)(void *arg, const char *words), void *arg)
{
	return 0;
}
