/* SPDX-License-Identifier: MIT */
/* init.h - setting a database up: what `pymodfs init` does. */
#ifndef PYMODFS_STORE_INIT_H
#define PYMODFS_STORE_INIT_H

#include <stdbool.h>

struct store_init_options {
	const char *table; /* NULL: the default, "module", made if it isn't there */
	const char *name_column, *source_column; /* NULL: "name", "source" */
};

/*
 * Creates the database, or adopts a table of an existing one, in one transaction. *ret_fresh: false when it was
 * set up before, with the same table, and nothing had to be done. Refuses, with one line in store_error()
 * that says what is the matter and what to do, whatever is no database, holds another table, or has
 * rows that can't be told apart by name; then nothing has changed.
 */
int store_init(const char *url, const struct store_init_options *options, bool *ret_fresh);

/* The texts that init runs, schema.sql and postgres.sql, built in. */
extern const char store_schema_sqlite[], store_schema_postgres[];

#endif
