// SPDX-License-Identifier: MIT
/*
 * The queue of what the echo's process is to repeat (echo.h). The publisher collects a batch while it publishes it
 * (echo_add), and queues it when it has (echo_publish), so no save and no reader of the feed waits for this. What the
 * process's socket has room for is sent at once, the rest by a thread of our own.
 *
 * Bounded: of more than JOBS_MAX changes that wait, only the directories that they are in are told of, and of those DIRS_MAX.
 *
 * lock guards the queue; it is a leaf: held over no call of the kernel's that waits and none of the store's. A job that
 * isn't done stays where it is, so who answers the process may use it without the lock.
 */
#include "echo.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <syslog.h>
#include <unistd.h>

#define JOBS_MAX 2048
#define DIRS_MAX 256

/* ---- names ---- */

/* FNV-1a, seeded with the directory. */
static uint64_t hash_name(int64_t parent, const char *name)
{
	uint64_t hash = UINT64_C(0xcbf29ce484222325) ^ (uint64_t)parent;
	for (; *name; name++)
		hash = (hash ^ (unsigned char)*name) * UINT64_C(0x100000001b3);
	return hash;
}

static int name_init(struct echo_name *name, int64_t parent, const char *path)
{
	name->path = strdup(path);
	if (!name->path)
		return -ENOMEM;
	const char *slash = strrchr(name->path, '/');
	name->name = slash ? slash + 1 : name->path;
	name->parent = parent;
	name->hash = hash_name(parent, name->name);
	return 0;
}

static bool name_is(const struct echo_name *name, uint64_t hash, int64_t parent, const char *text)
{
	return name->hash == hash && name->path && name->parent == parent &&
	       strcmp(name->name, text) == 0;
}

static bool same_name(const struct echo_name *a, const struct echo_name *b)
{
	return name_is(a, b->hash, b->parent, b->name);
}

/* ---- jobs ---- */

static void job_destroy(struct echo_job *job)
{
	free(job->from.path);
	free(job->to.path);
	free(job);
}

static void jobs_destroy(struct echo_job *jobs)
{
	while (jobs) {
		struct echo_job *job = jobs;
		jobs = job->next;
		job_destroy(job);
	}
}

static struct echo_job *find_newest(struct echo *echo, const struct echo_name *name)
{
	struct echo_job *job;
	HASH_FIND(hh, echo->newest, &name->hash, sizeof(name->hash), job);
	return job && same_name(&job->from, name) ? job : NULL;
}

/* Those that are done go. Wants the lock. */
static void prune(struct echo *echo)
{
	uint64_t done = atomic_load(&echo->shared->done);
	while (echo->jobs && echo->jobs->sent && echo->jobs->seq <= done) {
		struct echo_job *job = echo->jobs, *newest = find_newest(echo, &job->from);
		if (newest == job)
			HASH_DEL(echo->newest, job);
		echo->jobs = job->next;
		if (!echo->jobs)
			echo->end = &echo->jobs;
		echo->n_jobs--;
		job_destroy(job);
	}
}

/* Wants the lock. */
static void append(struct echo *echo, struct echo_job *job)
{
	struct echo_job *replaced = NULL;
	job->next = NULL;
	job->seq = ++echo->last_seq;
	*echo->end = job;
	echo->end = &job->next;
	if (!echo->unsent)
		echo->unsent = job;
	echo->n_jobs++;
	HASH_REPLACE(hh, echo->newest, from.hash, sizeof(job->from.hash), job, replaced);
}

/* A job that waits and does for this one too: a later update of what is already going to be updated. Wants the lock. */
static bool is_covered(struct echo *echo, const struct echo_job *job)
{
	if (job->op != ECHO_UPDATE && job->op != ECHO_ATTR)
		return false;
	const struct echo_job *other = find_newest(echo, &job->from);
	if (!other || other->sent)
		return false;
	return other->op == job->op || other->op == ECHO_UPDATE || other->op == ECHO_INSERT;
}

/* Makes of a change one of its directory. */
static void blur(struct echo_job *job)
{
	char *slash = strrchr(job->from.path, '/');
	*(slash ? slash : job->from.path) = '\0';
	job->op = ECHO_ATTR;
	job->kind = STORE_DIR;
	job->from.name = "";
	job->from.hash = hash_name(job->from.parent, "");
}

/* Takes the job. Wants the lock. */
static void queue(struct echo *echo, struct echo_job *job)
{
	if (echo->n_jobs >= JOBS_MAX && job->op != ECHO_REPLACED)
		blur(job);
	if (echo->dead || !job->known || is_covered(echo, job) ||
		echo->n_jobs >= JOBS_MAX + DIRS_MAX)
		job_destroy(job);
	else
		append(echo, job);
}

/* ---- sending ---- */

/* False: the socket is full, or the process is gone. Wants the lock. */
static bool send_job(struct echo *echo, struct echo_job *job)
{
	struct echo_order order = {.seq = job->seq, .op = (char)job->op, .kind = (char)job->kind};
	const char *to = job->to.path ? job->to.path : "";
	struct iovec parts[] = {
		{.iov_base = &order, .iov_len = sizeof(order)},
		{.iov_base = job->from.path, .iov_len = strlen(job->from.path) + 1},
		{.iov_base = (char *)to, .iov_len = strlen(to) + 1},
	};
	const struct msghdr message = {.msg_iov = parts, .msg_iovlen = 3};
	ssize_t n = sendmsg(echo->socket, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
	if (n < 0 && errno != EAGAIN && errno != EINTR && errno != ENOBUFS) {
		mount_log(LOG_WARNING,
			"watchers learn no more of changes by other programs: the process that "
			"tells "
			"them is gone (%s)",
			strerror(errno));
		echo->dead = true;
	}
	return n >= 0;
}

/* Wants the lock. */
static void send_jobs(struct echo *echo)
{
	while (echo->unsent && !echo->dead && send_job(echo, echo->unsent)) {
		echo->unsent->sent = true;
		echo->unsent = echo->unsent->next;
	}
}

static bool has_work(const struct echo *echo)
{
	return echo->unsent && !echo->dead;
}

static void *echo_main(void *arg)
{
	struct echo *echo = arg;
	pthread_mutex_lock(&echo->lock);
	while (!echo->stopping) {
		if (!has_work(echo)) {
			pthread_cond_wait(&echo->changed, &echo->lock);
			continue;
		}
		struct pollfd room = {.fd = echo->socket, .events = POLLOUT};
		pthread_mutex_unlock(&echo->lock);
		(void)poll(&room, 1, -1);
		pthread_mutex_lock(&echo->lock);
		prune(echo);
		send_jobs(echo);
	}
	pthread_mutex_unlock(&echo->lock);
	return NULL;
}

/* ---- the publisher's side ---- */

static struct echo_job *job_create(enum echo_op op, const struct store_change *change)
{
	struct echo_job *job = calloc(1, sizeof(*job));
	if (!job)
		return NULL;
	job->op = op;
	job->kind = change->kind;
	job->node = change->node;
	job->version = change->version;
	job->old_version = change->old_version;
	if (name_init(&job->from, change->parent, change->path) < 0) {
		free(job);
		return NULL;
	}
	return job;
}

static void batch_append(struct echo *echo, struct echo_job *job)
{
	*echo->batch_end = job;
	echo->batch_end = &job->next;
}

/* The last job of the batch, if it deletes what the change inserts elsewhere; NULL: it doesn't. */
static struct echo_job *find_other_half(struct echo *echo, const struct store_change *change)
{
	struct echo_job *last = echo->batch;
	if (change->op != STORE_INSERT || !last)
		return NULL;
	last = (struct echo_job *)((char *)echo->batch_end - offsetof(struct echo_job, next));
	return last->op == ECHO_DELETE && last->node == change->node && last->kind == change->kind
		       ? last
		       : NULL;
}

static enum echo_op op_of(enum store_op op)
{
	switch (op) {
	case STORE_INSERT:
		return ECHO_INSERT;
	case STORE_UPDATE:
		return ECHO_UPDATE;
	case STORE_DELETE:
		return ECHO_DELETE;
	case STORE_ATTR:
		return ECHO_ATTR;
	}
	return ECHO_ATTR;
}

void echo_add(struct mount *mount, const struct store_change *change, bool known)
{
	struct echo *echo = mount->echo;
	if (!echo)
		return;
	/* Ids ascend, so the directories that this batch made are these. */
	known = known || change->parent >= echo->first_new_dir;
	struct echo_job *job = find_other_half(echo, change);
	if (job && name_init(&job->to, change->parent, change->path) == 0) {
		job->op = ECHO_MOVE;
		job->known = job->known || known;
		return;
	}
	job = job_create(op_of(change->op), change);
	if (!job)
		return;
	job->known = known;
	if (known && change->op == STORE_INSERT && change->kind == STORE_DIR &&
		change->node < echo->first_new_dir)
		echo->first_new_dir = change->node;
	batch_append(echo, job);
}

void echo_add_replaced(struct mount *mount, const struct store_change *change, fuse_ino_t old)
{
	char path[64];
	snprintf(path, sizeof(path), ".pymodfs/" ECHO_DIR "/%llu", (unsigned long long)old);
	struct store_change replaced = *change;
	replaced.path = path;
	replaced.parent = 0;
	struct echo_job *job = mount->echo ? job_create(ECHO_REPLACED, &replaced) : NULL;
	if (!job)
		return;
	job->known = true;
	job->old = old;
	batch_append(mount->echo, job);
}

void echo_publish(struct mount *mount)
{
	struct echo *echo = mount->echo;
	if (!echo || !echo->batch)
		return;
	struct echo_job *batch = echo->batch;
	echo->batch = NULL;
	echo->batch_end = &echo->batch;
	echo->first_new_dir = INT64_MAX;
	pthread_mutex_lock(&echo->lock);
	prune(echo);
	while (batch) {
		struct echo_job *job = batch;
		batch = job->next;
		queue(echo, job);
	}
	send_jobs(echo);
	if (has_work(echo))
		pthread_cond_signal(&echo->changed);
	pthread_mutex_unlock(&echo->lock);
}

/* ---- the process's view ---- */

/* Wants the lock. */
static struct echo_job *first_to_do(struct echo *echo)
{
	uint64_t done = atomic_load(&echo->shared->done);
	struct echo_job *job = echo->jobs;
	while (job && job->sent && job->seq <= done)
		job = job->next;
	return job;
}

struct echo_job *echo_current(struct echo *echo)
{
	pthread_mutex_lock(&echo->lock);
	struct echo_job *job = first_to_do(echo);
	pthread_mutex_unlock(&echo->lock);
	return job;
}

struct echo_job *echo_find(struct echo *echo, int64_t parent, const char *name, bool *ret_to)
{
	uint64_t hash = hash_name(parent, name);
	pthread_mutex_lock(&echo->lock);
	struct echo_job *job = first_to_do(echo);
	while (job && !name_is(&job->from, hash, parent, name) &&
		!name_is(&job->to, hash, parent, name))
		job = job->next;
	if (job)
		*ret_to = !name_is(&job->from, hash, parent, name);
	pthread_mutex_unlock(&echo->lock);
	return job;
}

bool echo_has_later(struct echo *echo, const struct echo_job *job, const struct echo_name *name)
{
	pthread_mutex_lock(&echo->lock);
	const struct echo_job *other = job->next;
	while (other && !same_name(&other->from, name) &&
		!name_is(&other->to, name->hash, name->parent, name->name))
		other = other->next;
	pthread_mutex_unlock(&echo->lock);
	return other != NULL;
}

bool echo_is_due(struct echo *echo, int64_t parent, const char *name)
{
	/* Both only grow, so this is right at the moment of the first load. */
	if (!echo || atomic_load(&echo->last_seq) == atomic_load(&echo->shared->done))
		return false;
	const struct echo_name wanted = {
		.parent = parent, .name = name, .hash = hash_name(parent, name)};
	pthread_mutex_lock(&echo->lock);
	const struct echo_job *job = find_newest(echo, &wanted);
	bool due = job && job->seq > atomic_load(&echo->shared->done);
	pthread_mutex_unlock(&echo->lock);
	return due;
}

bool echo_get_status(struct echo *echo, pid_t *ret_pid, size_t *ret_waiting)
{
	if (!echo)
		return false;
	pthread_mutex_lock(&echo->lock);
	bool alive = !echo->dead;
	*ret_pid = echo->pid;
	*ret_waiting = (size_t)(echo->last_seq - atomic_load(&echo->shared->done));
	pthread_mutex_unlock(&echo->lock);
	return alive;
}

/* ---- life ---- */

static int share_memory(struct echo *echo)
{
	void *page = mmap(NULL, sizeof(*echo->shared), PROT_READ | PROT_WRITE,
		MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (page == MAP_FAILED)
		return -errno;
	echo->shared = page;
	if (getrandom(&echo->shared->key, sizeof(echo->shared->key), 0) < 0)
		return -errno;
	return 0;
}

static int start_process(struct echo *echo, const char *mountpoint)
{
	int ends[2];
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) < 0)
		return -errno;
	signal(SIGCHLD,
		SIG_DFL); /* if it were ignored, the process's id would be free with its end */
	echo->pid = fork();
	if (echo->pid == 0)
		echo_process_run(ends[1], mountpoint, echo->shared);
	int r = echo->pid < 0 ? -errno : 0;
	close(ends[1]);
	if (r < 0)
		close(ends[0]);
	else
		echo->socket = ends[0];
	return r;
}

int echo_create(const char *mountpoint, struct echo **ret_echo)
{
	struct echo *echo = calloc(1, sizeof(*echo));
	if (!echo)
		return -ENOMEM;
	echo->batch_end = &echo->batch;
	echo->end = &echo->jobs;
	echo->first_new_dir = INT64_MAX;
	int r = share_memory(echo);
	if (r == 0)
		r = start_process(echo, mountpoint);
	if (r < 0) {
		if (echo->shared)
			munmap(echo->shared, sizeof(*echo->shared));
		free(echo);
		return r;
	}
	pthread_mutex_init(&echo->lock, NULL);
	pthread_cond_init(&echo->changed, NULL);
	*ret_echo = echo;
	return 0;
}

int echo_start(struct echo *echo)
{
	if (!echo)
		return 0;
	int r = -pthread_create(&echo->thread, NULL, echo_main, echo);
	if (r < 0)
		return r;
	pthread_setname_np(echo->thread, "echo");
	echo->started = true;
	return 0;
}

/* Kills the process first: it may wait for an answer that nobody is there to give any more. */
void echo_destroy(struct echo *echo)
{
	if (!echo)
		return;
	kill(echo->pid, SIGKILL);
	waitpid(echo->pid, NULL, 0);
	pthread_mutex_lock(&echo->lock);
	echo->stopping = true;
	pthread_cond_signal(&echo->changed);
	pthread_mutex_unlock(&echo->lock);
	if (echo->started)
		pthread_join(echo->thread, NULL);
	close(echo->socket);
	HASH_CLEAR(hh, echo->newest);
	jobs_destroy(echo->jobs);
	jobs_destroy(echo->batch);
	munmap(echo->shared, sizeof(*echo->shared));
	pthread_cond_destroy(&echo->changed);
	pthread_mutex_destroy(&echo->lock);
	free(echo);
}
