/* SPDX-License-Identifier: MIT */
/*
 * Seeing that another process committed, without polling.
 *
 * inotify on the database and its write-ahead log wakes us; `PRAGMA data_version` on a connection of
 * our own says whether there is a commit. The event comes with the write, before the commit is
 * published in the wal-index (a mapped page, which makes no event), so that one look after it is
 * mostly too early: after an event we look every 100 us for 10 ms, then for two seconds whenever a tenth more time has
 * passed, for a commit whose fsync takes long. When nothing happens we sleep; one look in 30 s is the net
 * under a lost event. Where the event may be of a commit of our own (the writer publishes those by himself, or wakes us) and
 * only perhaps of another one, we look after two milliseconds, and each time whenever as much time again has passed: in a burst
 * of saves looks at a high rate would only take the writer's time, and SQLite's locks within the process. The database's files are never opened other than through SQLite: closing any
 * descriptor of one would drop SQLite's POSIX locks. A database that is replaced by another file is an error as long as it is.
 *
 * A watch belongs to one thread at a time; no lock.
 */
#include "sqlite.h"

#include "clock.h"
#include "error.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/prctl.h>
#include <unistd.h>

#define US 1000LL
#define HOT_TIME (10 * MILLISECOND) /* how long after an event to look often */
#define HOT_PERIOD (100 * US)
#define OWN_PERIOD (2 * MILLISECOND)     /* the first look after an event that may be our own */
#define UNSETTLED_TIME (2 * NANOSECONDS) /* how long after an event to look now and then */
#define UNSETTLED_PART 10                /* one look in this part of the time that has passed */
#define IDLE_PERIOD (30 * NANOSECONDS)

struct sqlite_watch {
	struct store_watch watch;
	const struct store *store;
	sqlite3 *handle;
	struct sqlite_stamp stamp;
	sqlite3_stmt *data_version;
	struct sqlite_triggers triggers;
	int64_t seen;
	int fd;                        /* inotify */
	char *path, *log_name;         /* the database; the file name of its log */
	bool displaced;                /* something happened to the database's name */
	int64_t last_event, last_look; /* monotonic, ns */
	uint64_t commits;              /* the store's, when it was drained last */
	bool own;                      /* the last event may be of one of those */
};

/* Watches the log; it is there as long as a connection is open, but may come and go before. */
static void watch_log(struct sqlite_watch *watch)
{
	char *log;
	if (asprintf(&log, "%s-wal", watch->path) < 0)
		return;
	inotify_add_watch(watch->fd, log, IN_MODIFY);
	free(log);
}

static int watch_files(struct sqlite_watch *watch)
{
	char *dir;
	const char *base;
	watch->fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	if (watch->fd < 0)
		return store_fail(-errno, "inotify: %s", strerror(errno));
	int err = name_split(watch->path, &dir, &base);
	if (err)
		return err;
	if (inotify_add_watch(watch->fd, watch->path, IN_MODIFY) < 0 ||
		inotify_add_watch(watch->fd, *dir ? dir : "/",
			IN_CREATE | IN_MOVED_TO | IN_MOVED_FROM | IN_DELETE) < 0)
		err = store_fail(-errno, "can't watch %s: %s", watch->path, strerror(errno));
	free(dir);
	if (!err && asprintf(&watch->log_name, "%s-wal", base) < 0) {
		watch->log_name = NULL;
		err = store_fail(-ENOMEM, "out of memory");
	}
	watch_log(watch);
	return err;
}

static void disconnect(struct sqlite_watch *watch)
{
	sqlite_triggers_finish(&watch->triggers);
	sqlite3_finalize(watch->data_version);
	sqlite3_close(watch->handle);
	watch->data_version = NULL;
	watch->handle = NULL;
}

static int connect_watch(struct sqlite_watch *watch)
{
	int err = sqlite_stamp_connect(&watch->stamp, watch->store, &watch->handle);
	if (err)
		return err;
	int code = sqlite3_prepare_v2(
		watch->handle, "PRAGMA data_version", -1, &watch->data_version, NULL);
	err = code == SQLITE_OK ? sqlite_triggers_init(&watch->triggers, watch->handle)
				: sqlite_fail(watch->handle, code);
	if (err)
		disconnect(watch);
	return err;
}

/* As sqlite_renew(). *ret_renewed: what was seen before counts for nothing. */
static int renew(struct sqlite_watch *watch, bool *ret_renewed)
{
	*ret_renewed = !watch->handle || sqlite_stamp_is_old(&watch->stamp, watch->path);
	if (!*ret_renewed)
		return 0;
	disconnect(watch);
	return connect_watch(watch);
}

/* *ret_changed: data_version differs from the one seen before. */
static int look(struct sqlite_watch *watch, bool *ret_changed)
{
	bool renewed;
	int err = watch->displaced && watch->handle ? sqlite_check_place(watch->handle) : 0;
	if (!err)
		err = renew(watch, &renewed);
	if (err)
		return err;
	watch->displaced = false;
	int code = sqlite3_step(watch->data_version);
	watch->last_look = clock_monotonic();
	if (code != SQLITE_ROW) {
		err = sqlite_fail(watch->handle, code);
		sqlite3_reset(watch->data_version);
		return err;
	}
	int64_t version = sqlite3_column_int64(watch->data_version, 0);
	sqlite3_reset(watch->data_version);
	*ret_changed = renewed || version != watch->seen;
	watch->seen = version;
	return *ret_changed ? sqlite_triggers_check(&watch->triggers, watch->store) : 0;
}

int sqlite_watch_create(struct store *store, struct store_watch **ret_watch)
{
	struct sqlite_watch *watch = calloc(1, sizeof(*watch));
	bool changed;
	if (!watch)
		return store_fail(-ENOMEM, "out of memory");
	watch->watch.engine = &sqlite_engine;
	watch->store = store;
	watch->fd = -1;
	int err = -ENOMEM;
	watch->path = strdup(store->url);
	if (!watch->path) {
		store_fail(err, "out of memory");
		goto destroy_watch;
	}
	err = connect_watch(watch);
	if (!err)
		err = watch_files(watch);
	if (!err)
		err = look(watch, &changed);
	if (err)
		goto destroy_watch;
	*ret_watch = &watch->watch;
	return 0;

destroy_watch:
	sqlite_watch_destroy(&watch->watch);
	return err;
}

void sqlite_watch_destroy(struct store_watch *base)
{
	struct sqlite_watch *watch = (struct sqlite_watch *)base;
	disconnect(watch);
	if (watch->fd >= 0)
		close(watch->fd);
	free(watch->log_name);
	free(watch->path);
	free(watch);
}

static const char *file_name(const struct sqlite_watch *watch)
{
	return strrchr(watch->path, '/') + 1; /* it is absolute */
}

/* Takes what inotify has to say; true when the database or its log may have been written. */
static bool drain_events(struct sqlite_watch *watch)
{
	char buffer[16 * (sizeof(struct inotify_event) + NAME_MAX + 1)]
		__attribute__((aligned(__alignof__(struct inotify_event))));
	bool relevant = false;
	ssize_t size;
	while ((size = read(watch->fd, buffer, sizeof(buffer))) > 0) {
		for (char *p = buffer; p < buffer + size;) {
			const struct inotify_event *event = (const struct inotify_event *)p;
			bool log = event->len && !strcmp(event->name, watch->log_name);
			if (log)
				watch_log(watch);
			watch->displaced |= event->len && !strcmp(event->name, file_name(watch));
			relevant |= log || (event->mask & (IN_MODIFY | IN_Q_OVERFLOW));
			p += sizeof(*event) + event->len;
		}
	}
	return relevant;
}

/* Notes events that have just been drained. Whoever has the lock to write has it alone: a commit of our own may be it. */
static void note_events(struct sqlite_watch *watch)
{
	uint64_t commits = store_commits(watch->store);
	watch->own = commits % 2 || commits != watch->commits;
	watch->commits = commits;
	watch->last_event = clock_monotonic();
}

/* How long it is from one look to the next, so long after an event. */
static int64_t period_of(const struct sqlite_watch *watch, int64_t age)
{
	if (!watch->last_event || age >= UNSETTLED_TIME)
		return IDLE_PERIOD;
	if (age >= HOT_TIME)
		return age / UNSETTLED_PART;
	if (!watch->own)
		return HOT_PERIOD;
	return age > OWN_PERIOD ? age : OWN_PERIOD;
}

/* How long to sleep until the next look. */
static int64_t time_to_look(const struct sqlite_watch *watch, int64_t now)
{
	int64_t period = period_of(watch, now - watch->last_event);
	int64_t left = watch->last_look + period - now;
	return left > 0 ? left : 0;
}

/*
 * Sleeps; *ret_woken: by wake_fd. While we look soon anyway, events don't wake us: a commit makes one for each page that it
 * writes, before there is anything to see.
 */
static int sleep_for(struct sqlite_watch *watch, int wake_fd, int64_t ns, bool *ret_woken)
{
	bool hot = ns <= (watch->own ? OWN_PERIOD : HOT_PERIOD);
	struct pollfd fds[] = {
		{.fd = wake_fd, .events = POLLIN}, {.fd = watch->fd, .events = POLLIN}};
	struct timespec ts = clock_split(ns);
	int n = ppoll(fds, hot ? 1 : 2, &ts, NULL);
	if (n < 0 && errno != EINTR)
		return store_fail(-errno, "poll: %s", strerror(errno));
	*ret_woken = n > 0 && fds[0].revents;
	if ((hot || (n > 0 && fds[1].revents)) && drain_events(watch))
		note_events(watch);
	return 0;
}

/* The kernel may let us sleep 50 us longer than asked; next to HOT_PERIOD that is much. */
static void sleep_exactly(void)
{
	static _Thread_local bool done;
	if (!done)
		prctl(PR_SET_TIMERSLACK, 1UL);
	done = true;
}

int sqlite_watch_wait(struct store_watch *base, int wake_fd, int timeout_ms, bool *ret_changed)
{
	struct sqlite_watch *watch = (struct sqlite_watch *)base;
	int64_t now = clock_monotonic();
	int64_t deadline = timeout_ms < 0 ? INT64_MAX : now + timeout_ms * MILLISECOND;
	bool changed = false, woken = false;
	sleep_exactly();
	for (;;) {
		int64_t sleep = time_to_look(watch, now);
		if (sleep > deadline - now)
			sleep = deadline - now;
		int err = sleep_for(watch, wake_fd, sleep, &woken);
		if (!err)
			err = look(watch, &changed);
		if (err)
			return err;
		now = clock_monotonic();
		if (changed || woken || now >= deadline)
			break;
	}
	*ret_changed = changed;
	return 0;
}
