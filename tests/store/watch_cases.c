/* SPDX-License-Identifier: MIT */
/* Seeing the commits of others. */
#include "case.h"

#include <pthread.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/wait.h>
#include <unistd.h>

static bool wait_changed(struct store_watch *watch, int wake_fd, int timeout_ms)
{
	bool changed;
	CHECK_INT(store_watch_wait(watch, wake_fd, timeout_ms, &changed), 0);
	return changed;
}

/* Another process, as the sqlite3 shell is one. */
static void commit_in_child(struct env *env, const char *statement)
{
	pid_t pid = fork();
	if (!pid) {
		if (env->postgres)
			execlp("psql", "psql", "-q", "-c", statement, env->path, NULL);
		execlp("sqlite3", "sqlite3", "-cmd", ".timeout 5000", env->path, statement, NULL);
		_exit(127);
	}
	int status;
	CHECK_INT(waitpid(pid, &status, 0), pid);
	CHECK_INT(status, 0);
}

static void test_commits_of_other_processes_are_seen(struct env *env)
{
	struct store_watch *watch;
	CHECK_INT(store_watch_create(env->store, &watch), 0);
	CHECK(!wait_changed(watch, -1, 20));
	for (int i = 0; i < 20; i++) {
		char statement[100];
		snprintf(statement, sizeof(statement), "INSERT INTO module VALUES ('m%d', '')", i);
		commit_in_child(env, statement);
		/* One commit may be told twice, never not at all. */
		CHECK(wait_changed(watch, -1, 5000));
		while (wait_changed(watch, -1, 20))
			;
	}
	store_watch_destroy(watch);
	store_watch_destroy(NULL);
}

static void *wake_later(void *arg)
{
	uint64_t one = 1;
	usleep(50000);
	CHECK(write(*(int *)arg, &one, sizeof(one)) == sizeof(one));
	return NULL;
}

static void test_a_wake_up_ends_the_wait(struct env *env)
{
	struct store_watch *watch;
	pthread_t thread;
	uint64_t value;
	int fd = eventfd(0, EFD_CLOEXEC);
	CHECK_INT(store_watch_create(env->store, &watch), 0);
	CHECK_INT(pthread_create(&thread, NULL, wake_later, &fd), 0);
	CHECK(!wait_changed(watch, fd, -1));
	pthread_join(thread, NULL);
	CHECK(read(fd, &value, sizeof(value)) == sizeof(value)); /* it was left for the caller */
	store_watch_destroy(watch);
	close(fd);
}

struct writer {
	struct env *env;
	int n;
};

static void *commit_often(void *arg)
{
	struct writer *writer = arg;
	for (int i = 0; i < writer->n; i++)
		sql(writer->env, "UPDATE module SET source = source || 'x'");
	return NULL;
}

/* Whatever comes while a commit is being looked at, the newest state is told in the end. */
static void test_no_commit_of_a_quick_row_is_missed(struct env *env)
{
	struct store_watch *watch;
	struct writer writer = {env, 300};
	pthread_t thread;
	int64_t seen = 0;
	sql(env, "INSERT INTO module VALUES ('m', '')");
	CHECK_INT(store_watch_create(env->store, &watch), 0);
	CHECK_INT(pthread_create(&thread, NULL, commit_often, &writer), 0);
	while (seen < 301) {
		CHECK(wait_changed(watch, -1, 10000));
		CHECK_INT(store_last_change(env->reader, &seen), 0);
	}
	pthread_join(thread, NULL);
	store_watch_destroy(watch);
}

/* Stops the process of the server that serves the youngest connection. */
static pid_t stop_youngest(struct env *env)
{
	pid_t pid =
		(pid_t)sql_number(env, "SELECT pid FROM pg_stat_activity WHERE application_name = "
				       "'pymodfs' AND datname = current_database() "
				       "ORDER BY backend_start DESC LIMIT 1");
	CHECK_INT(kill(pid, SIGSTOP), 0);
	return pid;
}

/* It is taken for gone: a read is asked again of the next one, a transaction is over. */
static void test_a_server_that_is_silent_holds_nobody_up(struct env *env)
{
	struct store_options options = {.busy_timeout_ms = 200, .silence_ms = 400};
	struct store_reader *reader;
	struct store_node node;
	struct store *store;
	CHECK_INT(store_open(env->path, &options, &store), 0);
	CHECK_INT(store_reader_create(store, &reader), 0);
	pid_t pid = stop_youngest(env);
	CHECK_INT(store_get_node(reader, STORE_ROOT, &node), 0);
	CHECK_INT(kill(pid, SIGCONT), 0);

	struct store_txn *txn;
	CHECK_INT(store_begin(store, NULL, -1, &txn), 0);
	pid = stop_youngest(env);
	CHECK_INT(store_create(txn, STORE_ROOT, "a.bin", STORE_FILE, NULL, "a", 1, &node), -EIO);
	store_abort(txn);
	CHECK_INT(store_begin(store, NULL, -1, &txn), -EBUSY); /* that process has the lock still */
	CHECK_INT(kill(pid, SIGCONT), 0);
	CHECK_INT(store_begin(store, NULL, 30000, &txn), 0);
	CHECK_INT(store_create(txn, STORE_ROOT, "b.bin", STORE_FILE, NULL, "b", 1, &node), 0);
	commit(txn);
	CHECK_INT(store_lookup(reader, STORE_ROOT, "a.bin", &node), -ENOENT);
	CHECK_INT(store_lookup(reader, STORE_ROOT, "b.bin", &node), 0);
	store_reader_destroy(reader);
	store_close(store);
}

const struct test_case watch_cases[] = {
	{"commits_of_other_processes_are_seen", test_commits_of_other_processes_are_seen},
	{"a_wake_up_ends_the_wait", test_a_wake_up_ends_the_wait},
	{"no_commit_of_a_quick_row_is_missed", test_no_commit_of_a_quick_row_is_missed},
	{"a_server_that_is_silent_holds_nobody_up", test_a_server_that_is_silent_holds_nobody_up,
		.server = true},
	{0},
};
