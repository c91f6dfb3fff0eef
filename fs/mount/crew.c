// SPDX-License-Identifier: MIT
/*
 * The crew: two threads that share two roles. The session's reads requests and answers at once whatever needs only reads
 * and memory. The writer's runs what changes the database, one piece of work after the other, in the order in which it was
 * submitted.
 *
 * Who has the session's role and is given work while nobody writes takes the writer's, and leaves the session to the other
 * thread. So a save runs on the thread that has its request at hand; to wake another one takes, on several processors,
 * longer than all of a save but its fsync. A piece of work may wait (for a lock, for the disk); the session never waits for
 * it.
 *
 * In a burst the session stays awake for a moment after each answer (mount option spin): whoever imports or saves asks
 * again at once, and a wake-up on another processor is most of what a request costs. It yields meanwhile, and a single
 * request starts no burst. Where it shares its processor with whoever asks it only takes his time from him. It sees that by
 * a request that has come while it was another thread's turn; then it doesn't spin for some requests, twice as many each
 * time.
 *
 * While there is no request the session reads ahead (ahead.c): in the spin one content a turn, else all before it sleeps.
 *
 * lock guards everything; it is held over no request, no work and no wait for the kernel. Signals are for the session's
 * role: they end its wait.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <unistd.h>

#include "../store/clock.h"
#include "mount.h"

#define LOOK_EVERY 256 /* requests of an unbroken burst between two looks for signals */
#define TURN_NS 4000   /* a turn of the spin takes less, unless something else runs meanwhile */
#define SLEEPS_LEAST 16
#define SLEEPS_MOST 512

struct task {
	void (*fn)(void *arg);
	void *arg;
	struct task *next;
};

struct crew {
	struct mount *mount;
	pthread_t mate;
	pthread_mutex_t lock; /* guards all below */
	pthread_cond_t changed;
	struct task *first, **last;
	bool open;             /* there is a session to serve */
	bool serving, writing; /* somebody has the role */
	pthread_t server;      /* who serves */
	bool draining;         /* no more work is taken */
	bool stopping;         /* the mate may go */
	int result;            /* of the session */

	int closed;             /* eventfd: readable once the session is */
	struct fuse_buf buffer; /* from here on the session's role's */
	bool burst;             /* the last request came soon after the answer to the one before */
	unsigned int sleeps;    /* for so many requests it doesn't spin */
	unsigned int next_sleeps; /* ... the next time */
	sigset_t open_mask;       /* of the signals that its thread lets in while it waits */
	long switches;            /* how often others had its thread's processor, as counted last */
	void (*signalled)(void *arg); /* NULL once it is called */
	void *signalled_arg;
};

/* ---- the writer's role ---- */

/* Until there is no work left. Wants the lock, which it gives up while it works. */
static void write_all(struct crew *crew)
{
	crew->writing = true;
	for (struct task *task; (task = crew->first);) {
		crew->first = task->next;
		if (!crew->first)
			crew->last = &crew->first;
		pthread_mutex_unlock(&crew->lock);
		task->fn(task->arg);
		free(task);
		pthread_mutex_lock(&crew->lock);
	}
	crew->writing = false;
	pthread_cond_broadcast(&crew->changed);
}

int mount_submit(struct mount *mount, void (*fn)(void *arg), void *arg)
{
	struct crew *crew = mount->crew;
	struct task *task = malloc(sizeof(*task));
	if (!task)
		return -ENOMEM;
	*task = (struct task){.fn = fn, .arg = arg};
	pthread_mutex_lock(&crew->lock);
	bool taken = !crew->draining;
	if (taken) {
		*crew->last = task;
		crew->last = &task->next;
	}
	/* Who serves takes it up himself when he has done with his request. */
	if (!crew->serving || !pthread_equal(crew->server, pthread_self()))
		pthread_cond_broadcast(&crew->changed);
	pthread_mutex_unlock(&crew->lock);
	if (taken)
		return 0;
	free(task);
	return -ENOTCONN;
}

/* ---- the session's role ---- */

static void signals_of_session(sigset_t *ret_set)
{
	sigemptyset(ret_set);
	sigaddset(ret_set, SIGHUP);
	sigaddset(ret_set, SIGINT);
	sigaddset(ret_set, SIGTERM);
}

/* What the thread lets in meanwhile: its own, and those of the session. */
static void mask_for_waiting(sigset_t *ret_mask)
{
	sigset_t mine;
	signals_of_session(&mine);
	pthread_sigmask(SIG_BLOCK, NULL, ret_mask);
	for (int number = 1; number < NSIG; number++)
		if (sigismember(&mine, number) == 1)
			sigdelset(ret_mask, number);
}

/* Lets signals in, while it waits for a request or (wait is false) just looks. Returns whether the session is closed. */
static bool let_signals_in(struct crew *crew, bool wait)
{
	struct pollfd fds[] = {
		{.fd = fuse_session_fd(crew->mount->session), .events = POLLIN},
		{.fd = crew->closed, .events = POLLIN},
	};
	const struct timespec none = {0};
	return ppoll(fds, 2, wait ? NULL : &none, &crew->open_mask) > 0 && fds[1].revents;
}

/* Has another thread had the processor since the last call? */
static bool was_displaced(struct crew *crew)
{
	struct rusage usage;
	long before = crew->switches;
	getrusage(RUSAGE_THREAD, &usage);
	crew->switches = usage.ru_nivcsw;
	return usage.ru_nivcsw != before;
}

/* Reads a request, if there is one by the time `until`; -EAGAIN: there is none. */
static int spin(struct crew *crew, int64_t begin, int64_t until)
{
	int64_t now = begin, before = begin;
	int r = fuse_session_receive_buf(crew->mount->session, &crew->buffer);
	for (; r == -EAGAIN && now < until; now = clock_monotonic()) {
		before = now;
		if (!ahead_step(crew->mount))
			sched_yield();
		r = fuse_session_receive_buf(crew->mount->session, &crew->buffer);
	}
	if (r == -EAGAIN || now == begin)
		return r;
	if (now - before > TURN_NS && was_displaced(crew)) {
		crew->sleeps = crew->next_sleeps;
		crew->next_sleeps *= crew->next_sleeps < SLEEPS_MOST ? 2 : 1;
	} else {
		crew->next_sleeps = SLEEPS_LEAST;
	}
	return r;
}

/* Waits for a request and reads it; -EINTR: something else came. */
static int receive(struct crew *crew)
{
	int64_t begin = clock_monotonic(), until = begin + crew->mount->spin_ns;
	bool spins = crew->burst && !crew->sleeps;
	if (crew->sleeps)
		crew->sleeps--;
	int r = spins ? spin(crew, begin, until)
		      : fuse_session_receive_buf(crew->mount->session, &crew->buffer);
	if (r == -EAGAIN)
		ahead_run(crew->mount);
	while (r == -EAGAIN) {
		if (let_signals_in(crew, true) || fuse_session_exited(crew->mount->session))
			return -EINTR;
		r = fuse_session_receive_buf(crew->mount->session, &crew->buffer);
	}
	crew->burst = clock_monotonic() < until;
	return r;
}

/* libfuse's handler for signals tells the session to exit; but who ends it needs it to the last. */
static void take_signal(struct crew *crew)
{
	void (*signalled)(void *arg) = crew->signalled;
	fuse_session_reset(crew->mount->session);
	crew->signalled = NULL;
	if (signalled)
		signalled(crew->signalled_arg);
}

/* Returns 0 when the kernel has closed the session, -EINTR or what was read otherwise. */
static int serve_one(struct crew *crew, unsigned int *served)
{
	struct fuse_session *session = crew->mount->session;
	int r = receive(crew);
	if (r > 0)
		fuse_session_process_buf(session, &crew->buffer);
	if (++*served % LOOK_EVERY == 0)
		let_signals_in(crew, false);
	if (r != 0 && fuse_session_exited(session))
		take_signal(crew);
	return r;
}

/*
 * Is there more to read? Who reads a request at the moment of the unmount may get ECONNABORTED for it (fs/fuse/dev.c,
 * fuse_do_read) and is told of the end by the next read; whoever breaks the connection on purpose says so again.
 */
static bool goes_on(int r, bool *aborted)
{
	bool first = r == -ECONNABORTED && !*aborted;
	*aborted = r == -ECONNABORTED;
	return r > 0 || r == -EINTR || first;
}

/* Serves until there is work for a writer, or the session ends. Wants the lock, which it gives up meanwhile. */
static void serve(struct crew *crew)
{
	bool aborted = false;
	unsigned int served = 0;
	crew->burst = false;
	was_displaced(crew);
	mask_for_waiting(&crew->open_mask);
	crew->serving = true;
	crew->server = pthread_self();
	while (crew->open && (!crew->first || crew->writing)) {
		pthread_mutex_unlock(&crew->lock);
		int r = serve_one(crew, &served);
		pthread_mutex_lock(&crew->lock);
		if (goes_on(r, &aborted))
			continue;
		crew->open = false;
		crew->result = r;
	}
	crew->serving = false;
	pthread_cond_broadcast(&crew->changed);
}

/* ---- both ---- */

/* Takes the roles that are free, as long as there is one to come. */
static void work(struct crew *crew, bool is_mate)
{
	pthread_mutex_lock(&crew->lock);
	for (;;) {
		if (crew->first && !crew->writing)
			write_all(crew);
		else if (crew->open && !crew->serving)
			serve(crew);
		else if (is_mate ? crew->stopping : !crew->open && !crew->serving)
			break;
		else
			pthread_cond_wait(&crew->changed, &crew->lock);
	}
	pthread_mutex_unlock(&crew->lock);
}

static void *mate_main(void *arg)
{
	work(arg, true);
	return NULL;
}

int crew_create(struct mount *mount, struct crew **ret_crew)
{
	struct crew *crew = calloc(1, sizeof(*crew));
	if (!crew)
		return -ENOMEM;
	crew->mount = mount;
	crew->last = &crew->first;
	crew->next_sleeps = SLEEPS_LEAST;
	pthread_mutex_init(&crew->lock, NULL);
	pthread_cond_init(&crew->changed, NULL);
	crew->closed = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	int r = crew->closed < 0 ? -errno : -pthread_create(&crew->mate, NULL, mate_main, crew);
	if (r) {
		if (crew->closed >= 0)
			close(crew->closed);
		free(crew);
		return r;
	}
	pthread_setname_np(crew->mate, "mate");
	*ret_crew = crew;
	return 0;
}

int crew_serve(struct crew *crew, void (*signalled)(void *arg), void *arg)
{
	int fd = fuse_session_fd(crew->mount->session), flags = fcntl(fd, F_GETFL);
	if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0)
		return -errno;
	sigset_t mine, old;
	signals_of_session(&mine);
	pthread_sigmask(SIG_BLOCK, &mine, &old);
	pthread_mutex_lock(&crew->lock);
	crew->open = true;
	crew->signalled = signalled;
	crew->signalled_arg = arg;
	pthread_mutex_unlock(&crew->lock);
	work(crew, false);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	return crew->result;
}

void crew_drain(struct crew *crew)
{
	if (!crew)
		return;
	pthread_mutex_lock(&crew->lock);
	crew->draining = true;
	while (crew->first || crew->writing)
		pthread_cond_wait(&crew->changed, &crew->lock);
	pthread_mutex_unlock(&crew->lock);
}

void crew_close(struct crew *crew)
{
	if (!crew)
		return;
	pthread_mutex_lock(&crew->lock);
	crew->open = false;
	pthread_mutex_unlock(&crew->lock);
	eventfd_write(crew->closed, 1);
}

void crew_destroy(struct crew *crew)
{
	if (!crew)
		return;
	pthread_mutex_lock(&crew->lock);
	crew->stopping = true;
	pthread_cond_broadcast(&crew->changed);
	pthread_mutex_unlock(&crew->lock);
	pthread_join(crew->mate, NULL);
	pthread_cond_destroy(&crew->changed);
	pthread_mutex_destroy(&crew->lock);
	close(crew->closed);
	free(crew->buffer.mem);
	free(crew);
}
