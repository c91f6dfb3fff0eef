/* SPDX-License-Identifier: MIT */
/*
 * case.h - what the cases of store_test share. Each case runs in a process of its own on a fresh
 * database; a check that fails says so and ends it.
 */
#ifndef TESTS_STORE_CASE_H
#define TESTS_STORE_CASE_H

#include "store.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct env {
	char path[4096]; /* the database, or its URL */
	bool postgres;
	struct store *store;
	struct store_reader *reader;
};

typedef void case_fn(struct env *env);

struct test_case {
	const char *name;
	case_fn *run;
	bool sqlite; /* needs SQLite, for its statements or for what it is about */
	bool server; /* needs a server */
};

/* One table a file; each ends with an empty entry. */
extern const struct test_case read_cases[], write_cases[], move_cases[], history_cases[],
	watch_cases[], fault_cases[];

#define CHECK(condition)                                                                    \
	do {                                                                                \
		if (!(condition)) {                                                         \
			fprintf(stderr, "%s:%d: %s (last error: %s)\n", __FILE__, __LINE__, \
				#condition, store_error());                                 \
			exit(1);                                                            \
		}                                                                           \
	} while (0)

#define CHECK_INT(expression, expected)                                                       \
	do {                                                                                  \
		long long got_ = (expression), want_ = (expected);                            \
		if (got_ != want_) {                                                          \
			fprintf(stderr, "%s:%d: %s is %lld, not %lld (last error: %s)\n",     \
				__FILE__, __LINE__, #expression, got_, want_, store_error()); \
			exit(1);                                                              \
		}                                                                             \
	} while (0)

#define CHECK_TEXT(expression, expected)                                                   \
	do {                                                                               \
		const char *got_ = (expression), *want_ = (expected);                      \
		if (strcmp(got_, want_)) {                                                 \
			fprintf(stderr, "%s:%d: %s is\n%s\nnot\n%s\n", __FILE__, __LINE__, \
				#expression, got_, want_);                                 \
			exit(1);                                                           \
		}                                                                          \
	} while (0)

struct store_txn *begin(struct env *env);
int64_t commit(struct store_txn *txn);
/* Single changes, each in a transaction of its own; they must succeed. */
struct store_node make(struct env *env, int64_t parent, const char *name, const char *text);
struct store_node make_dir(struct env *env, int64_t parent, const char *name);
struct store_node save(struct env *env, int64_t id, const char *text);
void move(struct env *env, int64_t id, int64_t parent, const char *name);
void remove_file(struct env *env, int64_t id);
/* Such a change, for its errno. */
int try_move(struct env *env, int64_t id, int64_t parent, const char *name);

/* SQL by another connection, as any client does it. */
void sql(struct env *env, const char *statements);
/* The first value of a query, as text, "" for NULL; the caller frees. */
char *sql_value(struct env *env, const char *query);
int64_t sql_number(struct env *env, const char *query);

struct store_node lookup(struct env *env, const char *path);
int try_lookup(struct env *env, const char *path);
/* The text of the current version; the caller frees. */
char *text_of(struct env *env, const char *path);
/* "PATH[=CONTENT]\n" of everything below the root, sorted; change < 0: as it is now. The caller frees. */
char *dump(struct env *env, int64_t change);
/* What the side tables must be like, whatever was done. */
void check_invariants(struct env *env);

#endif
