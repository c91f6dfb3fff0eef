/* SPDX-License-Identifier: MIT */
/*
 * Seeing the commits of others on PostgreSQL: the schema's triggers NOTIFY, a connection of our own
 * LISTENs, and its socket wakes us. When the server goes away it is tried again each second; once it is
 * back, whatever happened meanwhile counts as a change. A watch belongs to one thread at a time; no lock.
 */
#include "postgres.h"

#include "clock.h"
#include "error.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#define RETRY_MS 1000

struct postgres_watch {
	struct store_watch watch;
	PGconn *connection;
	bool lost;
	int64_t retry; /* monotonic, ms: not to be tried again before */
};

int postgres_watch_create(struct store *store, struct store_watch **ret_watch)
{
	struct postgres_watch *watch = calloc(1, sizeof(*watch));
	if (!watch)
		return store_fail(-ENOMEM, "out of memory");
	watch->watch.engine = &postgres_engine;
	int err = postgres_connect(store->connection, &watch->connection);
	if (!err)
		err = postgres_execute(watch->connection, "LISTEN pymodfs");
	if (err) {
		postgres_watch_destroy(&watch->watch);
		return err;
	}
	*ret_watch = &watch->watch;
	return 0;
}

void postgres_watch_destroy(struct store_watch *base)
{
	struct postgres_watch *watch = (struct postgres_watch *)base;
	PQfinish(watch->connection);
	free(watch);
}

/* Takes what the server sent; true when there was a notification. */
static bool take_notifications(struct postgres_watch *watch)
{
	PGnotify *notify;
	bool any = false;
	if (!PQconsumeInput(watch->connection) || PQstatus(watch->connection) != CONNECTION_OK) {
		watch->lost = true;
		watch->retry = clock_monotonic_ms();
		return false;
	}
	while ((notify = PQnotifies(watch->connection))) {
		any = true;
		PQfreemem(notify);
	}
	return any;
}

/* True when the connection is back. */
static bool try_again(struct postgres_watch *watch)
{
	if (clock_monotonic_ms() < watch->retry)
		return false;
	PQreset(watch->connection);
	watch->retry = clock_monotonic_ms() + RETRY_MS;
	watch->lost = PQstatus(watch->connection) != CONNECTION_OK ||
		      postgres_execute(watch->connection, "LISTEN pymodfs");
	return !watch->lost;
}

static int sleep_until(struct postgres_watch *watch, int wake_fd, int64_t deadline, bool *ret_woken)
{
	struct pollfd fds[] = {
		{.fd = watch->lost ? -1 : PQsocket(watch->connection), .events = POLLIN},
		{.fd = wake_fd, .events = POLLIN},
	};
	if (watch->lost && watch->retry < deadline)
		deadline = watch->retry;
	int64_t left = deadline - clock_monotonic_ms();
	int timeout = deadline == INT64_MAX ? -1
		      : left < 0            ? 0
		      : left > INT32_MAX    ? INT32_MAX
					    : (int)left;
	int n = poll(fds, 2, timeout);
	if (n < 0 && errno != EINTR)
		return store_fail(-errno, "poll: %s", strerror(errno));
	*ret_woken = n > 0 && fds[1].revents;
	return 0;
}

int postgres_watch_wait(struct store_watch *base, int wake_fd, int timeout_ms, bool *ret_changed)
{
	struct postgres_watch *watch = (struct postgres_watch *)base;
	int64_t deadline = timeout_ms < 0 ? INT64_MAX : clock_monotonic_ms() + timeout_ms;
	bool changed, woken = false;
	for (;;) {
		changed = watch->lost ? try_again(watch) : take_notifications(watch);
		if (changed || woken || clock_monotonic_ms() >= deadline)
			break;
		int err = sleep_until(watch, wake_fd, deadline, &woken);
		if (err)
			return err;
	}
	*ret_changed = changed;
	return 0;
}
