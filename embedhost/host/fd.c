/* SPDX-License-Identifier: MIT */
/*
 * When to poll: the descriptor for event loops, and polling between bytecodes.
 *
 * Between bytecodes means a pending call of the interpreter (Py_AddPendingCall), which the main
 * thread runs at a chance of its evaluation loop. A thread of ours waits for the descriptor and asks
 * for it, and asks again only when the last call has run. CPython 3.11 tells a computing main thread
 * of a pending call only when that takes the GIL the next time (COMPUTE_EVAL_BREAKER in ceval.c looks
 * at the thread that asks): so the GIL is taken from it for a moment.
 */
#include "host.h"
#include "../watch/watch.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <sys/eventfd.h>
#include <unistd.h>

static struct {
	pthread_t thread;
	pid_t process; /* a child of fork() has no such thread */
	bool runs;
	int stop, done; /* eventfds: end the thread; the pending call has run */
} async;

int pymodhost_fd(struct pymodhost *host)
{
	if (!host)
		return error_set(-EINVAL, "no host");
	error_clear();
	return watch_fd(engine->watch);
}

static int pending_poll(void *unused)
{
	PyObject *report = engine ? engine_poll() : NULL;

	Py_XDECREF(report);
	PyErr_Clear();
	eventfd_write(async.done, 1);
	return 0;
}

static bool wait_for(int fd)
{
	struct pollfd waited[] = {
		{.fd = async.stop, .events = POLLIN}, {.fd = fd, .events = POLLIN}};

	while (poll(waited, 2, -1) < 0 && errno == EINTR)
		;
	return !waited[0].revents;
}

static void *async_main(void *unused)
{
	int changes = watch_fd(engine->watch);
	eventfd_t count;

	while (wait_for(changes)) {
		while (Py_AddPendingCall(pending_poll, NULL) < 0)
			usleep(1000);
		PyGILState_Release(PyGILState_Ensure());
		if (!wait_for(async.done))
			break;
		eventfd_read(async.done, &count);
	}
	return NULL;
}

static void async_close(void)
{
	if (async.stop >= 0)
		close(async.stop);
	if (async.done >= 0)
		close(async.done);
}

static int async_start(void)
{
	int err;

	async.stop = eventfd(0, EFD_CLOEXEC);
	async.done = eventfd(0, EFD_CLOEXEC);
	if (async.stop < 0 || async.done < 0) {
		err = error_set(-errno, "no descriptor left");
		async_close();
		return err;
	}
	err = pthread_create(&async.thread, NULL, async_main, NULL);
	if (err) {
		async_close();
		return error_set(-err, "no thread for reloading between bytecodes");
	}
	async.process = getpid();
	async.runs = true;
	return 0;
}

static void async_join(void)
{
	if (async.process != getpid())
		return;
	eventfd_write(async.stop, 1);
	if (PyGILState_Check()) {
		Py_BEGIN_ALLOW_THREADS pthread_join(async.thread, NULL);
		Py_END_ALLOW_THREADS
	} else {
		pthread_join(async.thread, NULL);
	}
}

void async_stop(void)
{
	if (!async.runs)
		return;
	async_join();
	async_close();
	async.runs = false;
}

int pymodhost_set_async(struct pymodhost *host, bool on)
{
	if (!host)
		return error_set(-EINVAL, "no host");
	error_clear();
	if (async.runs && async.process != getpid())
		async_stop();
	if (on && !async.runs)
		return async_start();
	if (!on)
		async_stop();
	return 0;
}
