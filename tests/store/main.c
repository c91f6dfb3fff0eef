/* SPDX-License-Identifier: MIT */
/*
 * store_test CASE DIR runs one case in the empty directory DIR, or in the empty database that DIR names when
 * it is a URL; store_test --list names those that run on SQLite, store_test --server those that run on a server.
 */
#include "case.h"
#include "init.h"

static const struct test_case *const tables[] = {
	read_cases,
	write_cases,
	move_cases,
	history_cases,
	watch_cases,
	fault_cases,
};

static void run_case(const struct test_case *test, const char *dir)
{
	struct env env = {.store = NULL};
	bool fresh;
	env.postgres = strstr(dir, "://");
	snprintf(env.path, sizeof(env.path), env.postgres ? "%s" : "%s/modules.db", dir);
	CHECK_INT(store_init(env.path, &(struct store_init_options){0}, &fresh), 0);
	CHECK_INT(store_open(env.path, &(struct store_options){.busy_timeout_ms = 200}, &env.store),
		0);
	CHECK_INT(store_reader_create(env.store, &env.reader), 0);
	test->run(&env);
	check_invariants(&env);
	store_reader_destroy(env.reader);
	store_close(env.store);
}

int main(int argc, char **argv)
{
	for (size_t i = 0; i < sizeof(tables) / sizeof(tables[0]); i++) {
		for (const struct test_case *test = tables[i]; test->name; test++) {
			if (argc == 2 &&
				!(strcmp(argv[1], "--list") ? test->sqlite : test->server)) {
				puts(test->name);
			} else if (argc == 3 && !strcmp(argv[1], test->name)) {
				run_case(test, argv[2]);
				return 0;
			}
		}
	}
	return argc == 2 ? 0 : 2;
}
