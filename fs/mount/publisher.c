// SPDX-License-Identifier: MIT
/*
 * The publisher's thread: sees commits, whoever made them, and makes them seen. For each batch of changes it first tells
 * the kernel to forget what it has cached of them, then shows them to who looks (tree/unseen.c), then raises the generation
 * (which wakes readers of the feed), then lets the saves return that waited for it. So who waited for any of these sees the
 * new state.
 *
 * Only this thread calls fuse_lowlevel_notify_* of the tree's entries, but for attributes alone: it may block on a
 * directory's lock that the kernel holds for a request which the session thread, or the writer, is yet to answer. They
 * never wait for this thread.
 *
 * A save whose publication takes no such call is published by the writer itself, if this thread has nothing in hand: to
 * wake it would take longer.
 *
 * lock is held over a batch; the writer only tries to get it.
 *
 * What was changed through this mount is told to the kernel only where it can't know it already. Besides the cost,
 * each call is a risk: a daemon that is killed inside one hangs with it, until its guard breaks the connection.
 *
 * Attributes have no lock that the kernel holds from the request to the use of the answer, but for the look-up (or the
 * listing) by which it comes to know the inode: then there is nothing to invalidate yet, and the answer, which may be older
 * than the change, would be kept for ever. So the publisher first waits for look-ups in the directory that leads there:
 * their inode is there afterwards, and later ones read the new state. Answers about inodes that are there the kernel drops
 * by itself when they were asked for before an invalidation (fs/fuse/inode.c, attr_version).
 *
 * A name that leads to a directory is expired, not invalidated: the kernel asks again but keeps the entry of one that is
 * still the same, so that who has it as working directory keeps it.
 */
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

#include "../store/clock.h"
#include "job.h"
#include "mount.h"
#include "waiter.h"

#define RETRY_MS 250 /* after an error of the store */

struct publisher {
	struct mount *mount;
	struct store_reader *reader;
	struct store_watch *watch;
	int wake;
	pthread_t thread;
	bool failing, blind; /* this thread's own: it can't read, or see, what others change */

	pthread_mutex_t lock; /* guards reader, the making of batches, and these */
	int64_t published;    /* the newest change that is, and the newest version */
	int64_t published_version;
	int64_t saved;     /* the change that the writer publishes */
	bool may_wait;     /* for the lock of a directory: it isn't the writer who publishes */
	int64_t quiet_dir; /* no look-up in it is under way that doesn't know of the changes ... */
	int64_t quiet_for; /* up to this one */

	struct waiters *waiters;
	atomic_bool stopping;
};

/*
 * Does the kernel know better than the entry that it may have cached? It carries out renames, removals and creations that were
 * made through the mount itself, and a name that is being written was never to be cached (tree_lookup), unless others were
 * led past its draft (tree/again.c). Only a listing with attributes (READDIRPLUS) that was answered before the save and is
 * read after it could bring the old version back.
 */
static bool is_settled(struct mount *mount, const struct store_change *change, bool own)
{
	return own && (change->op != STORE_UPDATE ||
			      (!mount_listed_lately(mount) &&
				      !tree_is_exposed(mount->tree, change->version)));
}

/*
 * Returns when no look-up and no listing in the directory is under way any more that may have been answered before the
 * change: the kernel holds the directory's lock until it has used the answer. It is told of a name that no file has.
 */
static void wait_for_lookups(
	struct publisher *publisher, int64_t dir, const struct store_change *change)
{
	if (publisher->quiet_dir == dir && change->id <= publisher->quiet_for)
		return;
	int64_t newest = change->id;
	(void)store_last_change(publisher->reader, &newest);
	fuse_lowlevel_notify_inval_entry(publisher->mount->session, ino_make(INO_DIR, dir), "/", 1);
	publisher->quiet_dir = dir;
	publisher->quiet_for = newest;
}

/* Returns whether the kernel knows the inode. */
static bool forget_attr(struct publisher *publisher, uint64_t ino, off_t offset)
{
	return fuse_lowlevel_notify_inval_inode(publisher->mount->session, ino, offset, 0) == 0;
}

/* Likewise, of an inode that it did not know: the directory `above` (0: there is none) leads to it. */
static bool forget_new_attr(struct publisher *publisher, uint64_t ino, off_t offset, int64_t above,
	const struct store_change *change)
{
	if (!above || !publisher->may_wait)
		return false;
	wait_for_lookups(publisher, above, change);
	return forget_attr(publisher, ino, offset);
}

/* The directory of the change has other entries now, so other times. Returns whether the kernel knows it. */
static bool invalidate_dir(struct publisher *publisher, const struct store_change *change)
{
	struct store_node dir = {.parent = 0};
	uint64_t ino = ino_make(INO_DIR, change->parent);
	if (forget_attr(publisher, ino, 0))
		return true;
	(void)store_get_node(publisher->reader, change->parent, &dir);
	return forget_new_attr(publisher, ino, 0, dir.parent, change);
}

/* Returns whether the kernel knows the directory. */
static bool invalidate_name(
	struct publisher *publisher, const struct store_change *change, bool settled)
{
	struct mount *mount = publisher->mount;
	uint64_t parent = ino_make(INO_DIR, change->parent);
	size_t length = strlen(change->name);
	int r = 0;
	if (settled)
		r = 0;
	else if (change->kind == STORE_DIR)
		r = fuse_lowlevel_notify_expire_entry(
			mount->session, parent, change->name, length, FUSE_LL_EXPIRE_ONLY);
	else
		r = fuse_lowlevel_notify_inval_entry(mount->session, parent, change->name, length);
	if (change->op != STORE_UPDATE)
		return invalidate_dir(publisher, change);
	/* It need not have looked at the name to know the directory. */
	return r == 0 || (mount->echo && forget_attr(publisher, parent, -1));
}

/* An inode to which no name leads any more: is it open or watched? */
static bool is_in_use(struct mount *mount, fuse_ino_t ino)
{
	return ino_get_id(ino) && fuse_lowlevel_notify_inval_inode(mount->session, ino, -1, 0) == 0;
}

/*
 * What is done through this mount shows by itself. Not so to who watches a file itself: a save of whatever kind replaces its
 * inode.
 */
static void echo_change(
	struct mount *mount, const struct store_change *change, bool own, bool known)
{
	/* Only somebody who writes into the side tables makes a change of `..`, which would lead out of the mount. */
	if (!mount->echo || (*change->name && store_check_name(change->name)) ||
		mount_is_reserved(ino_make(INO_DIR, change->parent), change->name))
		return;
	if (!own)
		echo_add(mount, change, known);
	bool replaced =
		change->op == STORE_UPDATE || (change->op == STORE_DELETE && !own && !known);
	fuse_ino_t old = ino_make(INO_VERSION, change->old_version);
	if (replaced && is_in_use(mount, old))
		echo_add_replaced(mount, change, old);
	old = tree_find_replaced(mount->tree, change, own);
	if (is_in_use(mount, old))
		echo_add_replaced(mount, change, old);
}

static uint64_t ino_of_change(const struct store_change *change)
{
	return change->kind == STORE_DIR ? ino_make(INO_DIR, change->node)
					 : ino_make(INO_VERSION, change->version);
}

/* Returns whether the kernel knows the file. */
static bool invalidate_node(struct publisher *publisher, const struct store_change *change)
{
	uint64_t ino = ino_of_change(change);
	return forget_attr(publisher, ino, -1) ||
	       forget_new_attr(publisher, ino, -1, change->parent, change);
}

static void publish_one(
	struct publisher *publisher, const struct store_change *change, bool own, bool settled)
{
	struct mount *mount = publisher->mount;
	bool known = change->op == STORE_ATTR ? invalidate_node(publisher, change)
					      : invalidate_name(publisher, change, settled);
	echo_change(mount, change, own, known);
	feed_add(mount->feed, change);
	publisher->published = change->id;
	if (change->version > publisher->published_version)
		publisher->published_version = change->version;
}

/* A deleted module's stays, as on a local disk, until the name is used again or the mount ends. */
static bool makes_bytecode_stale(const struct store_change *change)
{
	return change->kind == STORE_MODULE && change->op != STORE_DELETE;
}

static int publish_change(void *arg, const struct store_change *change)
{
	struct publisher *publisher = arg;
	struct mount *mount = publisher->mount;
	bool own = store_is_own(mount->store, change->id);
	publish_one(publisher, change, own, is_settled(mount, change, own));
	if (makes_bytecode_stale(change))
		pycache_drop_stale(mount, publisher->reader, change);
	return 0;
}

/* Can the change, one of our own, be published without a call that may wait for the lock of a directory? */
static bool is_quiet(struct publisher *publisher, const struct store_change *change)
{
	struct mount *mount = publisher->mount;
	bool quiet = change->op == STORE_ATTR
			     ? change->kind != STORE_DIR &&
				       forget_attr(publisher, ino_of_change(change), -1)
			     : change->op == STORE_UPDATE && is_settled(mount, change, true);
	return quiet && !(makes_bytecode_stale(change) &&
				pycache_has_stale(mount, publisher->reader, change));
}

/* Stops before what is not the writer's to publish. */
static int publish_saved(void *arg, const struct store_change *change)
{
	struct publisher *publisher = arg;
	if (change->id != publisher->saved || !store_is_own(publisher->mount->store, change->id) ||
		!is_quiet(publisher, change))
		return 1;
	publish_one(publisher, change, true, true);
	return 0;
}

/* Shows what is published to who looks. Where that failed the saves are answered all the same, so it has to be everything. */
static void show(struct publisher *publisher, bool failed)
{
	struct mount *mount = publisher->mount;
	tree_published(mount->tree, failed ? INT64_MAX : publisher->published,
		failed ? INT64_MAX : publisher->published_version);
	store_forget_own(mount->store, publisher->published);
}

/* Wants the lock. */
static int publish(
	struct publisher *publisher, int (*one)(void *arg, const struct store_change *change))
{
	publisher->may_wait = one == publish_change;
	int r = store_changes(publisher->reader, publisher->published, one, publisher);
	show(publisher, r < 0);
	/* After an error it may be half a transaction: what follows is of the same batch. */
	if (r >= 0)
		feed_end(publisher->mount->feed, publisher->published);
	return r;
}

static void publish_all(struct publisher *publisher)
{
	pthread_mutex_lock(&publisher->lock);
	int r = publish(publisher, publish_change);
	if (r < 0 && !publisher->failing)
		mount_log(LOG_ERR, "can't read the changes: %s", store_error());
	publisher->failing = r < 0;
	waiters_finish(publisher->waiters, r < 0 ? INT64_MAX : publisher->published);
	echo_publish(publisher->mount);
	pthread_mutex_unlock(&publisher->lock);
}

/* On the writer's thread: the change that it has just committed. False: the publisher has to. */
static bool publish_save(struct publisher *publisher, int64_t change)
{
	if (pthread_mutex_trylock(&publisher->lock))
		return false;
	/* Where there is another change before it, that goes first. */
	bool next = change == publisher->published + 1;
	if (next) {
		publisher->saved = change;
		(void)publish(publisher, publish_saved);
	}
	bool done = publisher->published >= change;
	if (done) {
		waiters_finish(publisher->waiters, publisher->published);
		echo_publish(publisher->mount);
	}
	pthread_mutex_unlock(&publisher->lock);
	return done;
}

/* Milliseconds until something is due; -1: nothing is. */
static int next_timeout(struct publisher *publisher)
{
	if (publisher->failing)
		return RETRY_MS;
	int64_t expiry = tree_next_expiry(publisher->mount->tree);
	int64_t settle = pycache_next_settle(publisher->mount);
	expiry = settle < expiry ? settle : expiry;
	if (expiry == INT64_MAX)
		return -1;
	int64_t ms = expiry / MILLISECOND - clock_monotonic() / MILLISECOND;
	return ms < 0 ? 0 : ms < 60000 ? (int)ms + 1 : 60000;
}

/*
 * A listing that may not stay cached (tree/aside.c). The first notification is of no name, and does nothing but wait for the
 * directory's lock, with which whoever was given the listing puts it into the cache.
 */
static void forget_listings(struct mount *mount)
{
	uint64_t dir;
	while (tree_take_listed(mount->tree, &dir)) {
		fuse_lowlevel_notify_expire_entry(mount->session, dir, ".", 1, FUSE_LL_EXPIRE_ONLY);
		fuse_lowlevel_notify_inval_inode(mount->session, dir, 0, 0);
	}
}

static void drain(int fd)
{
	eventfd_t value;
	(void)eventfd_read(fd, &value);
}

static void *publisher_main(void *arg)
{
	struct publisher *publisher = arg;
	while (!atomic_load(&publisher->stopping)) {
		bool changed;
		int timeout = next_timeout(publisher);
		if (timeout == 0) {
			job_expire(publisher->mount);
			pycache_settle(publisher->mount);
			timeout = RETRY_MS;
		}
		int r = store_watch_wait(publisher->watch, publisher->wake, timeout, &changed);
		if (r < 0 && !publisher->blind)
			mount_log(LOG_ERR, "can't see what others change: %s", store_error());
		publisher->blind = r < 0;
		if (r < 0)
			(void)poll(NULL, 0, RETRY_MS);
		drain(publisher->wake);
		publish_all(publisher);
		forget_listings(publisher->mount);
	}
	waiters_finish(publisher->waiters, INT64_MAX);
	return NULL;
}

int publisher_create(struct mount *mount, struct publisher **ret_publisher)
{
	struct publisher *publisher = calloc(1, sizeof(*publisher));
	if (!publisher)
		return -ENOMEM;
	publisher->mount = mount;
	pthread_mutex_init(&publisher->lock, NULL);
	publisher->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	int r = publisher->wake < 0 ? -errno : 0;
	if (r < 0)
		goto free_publisher;
	r = store_reader_create(mount->store, &publisher->reader);
	if (r < 0)
		goto close_wake;
	r = store_watch_create(mount->store, &publisher->watch);
	if (r < 0)
		goto destroy_reader;
	r = store_last_change(publisher->reader, &publisher->published);
	if (r == 0)
		r = store_last_version(publisher->reader, &publisher->published_version);
	if (r < 0)
		goto destroy_watch;
	show(publisher, false);
	r = waiters_create(&publisher->waiters);
	if (r < 0)
		goto destroy_watch;
	r = -pthread_create(&publisher->thread, NULL, publisher_main, publisher);
	if (r < 0)
		goto destroy_waiters;
	pthread_setname_np(publisher->thread, "publisher");
	*ret_publisher = publisher;
	return 0;
destroy_waiters:
	waiters_destroy(publisher->waiters);
destroy_watch:
	store_watch_destroy(publisher->watch);
destroy_reader:
	store_reader_destroy(publisher->reader);
close_wake:
	close(publisher->wake);
free_publisher:
	free(publisher);
	return r;
}

void publisher_stop(struct publisher *publisher)
{
	if (!publisher || !publisher->waiters)
		return;
	atomic_store(&publisher->stopping, true);
	eventfd_write(publisher->wake, 1);
	pthread_join(publisher->thread, NULL);
	waiters_destroy(publisher->waiters);
	publisher->waiters = NULL;
}

void publisher_destroy(struct publisher *publisher)
{
	if (!publisher)
		return;
	publisher_stop(publisher);
	store_watch_destroy(publisher->watch);
	store_reader_destroy(publisher->reader);
	close(publisher->wake);
	pthread_mutex_destroy(&publisher->lock);
	free(publisher);
}

void publisher_wake(struct mount *mount)
{
	eventfd_write(mount->publisher->wake, 1);
}

void publisher_wait(
	struct mount *mount, int64_t change, int patience_ms, void (*done)(void *arg), void *arg)
{
	waiters_add(mount->publisher->waiters, change, patience_ms, done, arg);
	if (!publish_save(mount->publisher, change))
		publisher_wake(mount);
}
