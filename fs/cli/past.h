/* SPDX-License-Identifier: MIT */
/* past.h - MODULE[@VERSION] on the command line: files of a database as they are and were. */
#ifndef PYMODFS_CLI_PAST_H
#define PYMODFS_CLI_PAST_H

#include "store.h"

/* What a word names. */
struct past_name {
	const char *word; /* as it was given */
	char *path;       /* below the root */
	int64_t version;  /* 0: none was named */
};

/*
 * a.b and a/b.py are the same module; a word with a slash in it or `.py` at its end is a path, of whatever file. A dotted
 * name of which there is no module is that of a package's __init__, or else of a file, as data.txt. Returns the exit
 * status; what is wrong has been said.
 */
int past_name_init(struct past_name *name, struct store_reader *reader, const char *word);
void past_name_finish(struct past_name *name);
/* Is there a file of this name, or was there ever? */
bool past_is_known(struct store_reader *reader, const struct past_name *name);

/* Says that there never was such a file, and which may have been meant; returns CLI_FAILURE. */
int past_fail_unknown(struct store_reader *reader, const char *word);

/* A version of the file, or none (id 0). */
struct past_version {
	int64_t id;
	bool current; /* the file has it now */
	bool kept;    /* its content can be read */
};

/*
 * The version that the name names; without one, what the file has now: id 0 when it is deleted. Returns the exit
 * status, as do the following; what is wrong has been said. A file that never was, or a version that it never had,
 * is an error.
 */
int past_find(struct store_reader *reader, const struct past_name *name,
	struct past_version *ret_version);
/* The newest version before another one, 0: the newest of all; only such as can be read. id 0: there is none. */
int past_find_before(struct store_reader *reader, const struct past_name *name, int64_t version,
	struct past_version *ret_version);
/* Its content; the caller frees. */
int past_read(struct store_reader *reader, const struct past_name *name,
	const struct past_version *version, void **ret_data, size_t *ret_size);

/*
 * A generation of the database: the number of its newest change, or a moment (cli_parse_time()). Returns the exit
 * status; what is wrong has been said.
 */
int past_generation(struct store_reader *reader, const char *word, int64_t *ret_change);

/* What a subcommand does with an open database; returns the exit status. */
typedef int past_fn(struct store_reader *reader, void *arg);
/* Opens the database that url names for reading and calls fn in one snapshot of it. Returns the exit status. */
int past_with_reader(const char *url, past_fn *fn, void *arg);

#endif
