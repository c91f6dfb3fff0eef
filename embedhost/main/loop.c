/* SPDX-License-Identifier: MIT */
/*
 * Running the program, and its ticks: changes are applied before each, never during one.
 *
 * A tick that comes late is not made up for: the next is due one period after it.
 */
#include "main.h"
#include "../watch/clock.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* Until the deadline, or a change or a signal before it. */
static void wait_until(double deadline, int fd)
{
	struct pollfd waited = {.fd = fd, .events = POLLIN};
	double left = deadline - clock_seconds();
	struct timespec time;

	if (left <= 0)
		return;
	time.tv_sec = (time_t)left;
	time.tv_nsec = (long)((left - (double)time.tv_sec) * 1e9);
	ppoll(&waited, fd >= 0 ? 1 : 0, &time, NULL);
}

/* A failure that comes every tick is told once. */
static void tell_tick(char *last, size_t size, const char *module)
{
	char now_text[4096];

	snprintf(now_text, sizeof(now_text), "%s", pymodhost_error());
	if (strcmp(now_text, last) == 0)
		return;
	output_failure(module, pymodhost_error());
	snprintf(last, size, "%s", now_text);
}

/*
 * Nobody reads what it prints, and no reload will mend that: it ends as any other Python program would. A connection of the
 * program's own that is broken is a failure like others.
 */
static bool is_reader_gone(void)
{
	struct pollfd out = {.fd = STDOUT_FILENO, .events = POLLOUT};

	return strstr(pymodhost_error(), "BrokenPipeError") && poll(&out, 1, 0) > 0 &&
	       (out.revents & (POLLERR | POLLHUP));
}

/* True: it asked for the end, or there is nobody to print to. */
static bool tick(struct pymodhost *host, const char *module, int *ret_status)
{
	static char last[4096];
	int code = pymodhost_call(host, "__main__", "tick", "");

	if (code == 0)
		*last = '\0';
	else if (pymodhost_error_is_exit(ret_status))
		return true;
	else
		tell_tick(last, sizeof(last), module);
	if (code == 0 || !is_reader_gone())
		return false;
	*ret_status = 1;
	return true;
}

static int ticking(struct pymodhost *host, const struct options *options)
{
	double period = 1 / options->hz, due = clock_seconds();
	int status = 0, fd = pymodhost_fd(host);

	signals_set_ticking(true);
	for (;;) {
		if (signals_check(&status))
			break;
		if (signals_take_reload())
			pymodhost_reload_all(host, NULL);
		pymodhost_poll(host, NULL); /* what failed was told as an event */
		if (clock_seconds() < due) {
			wait_until(due, fd);
			continue;
		}
		due = due + period > clock_seconds() ? due + period : clock_seconds() + period;
		if (tick(host, options->module, &status))
			break;
	}
	signals_set_ticking(false);
	if (pymodhost_error_is_exit(NULL) && *pymodhost_error())
		fprintf(stderr, "%s\n", pymodhost_error());
	return status;
}

static int run_program(struct pymodhost *host, const struct options *options, int *ret_status)
{
	if (options->module)
		return pymodhost_run_module(host, options->module, ret_status);
	return pymodhost_run_script(host, options->script, ret_status);
}

static int tell_end(const struct options *options, int code)
{
	int status = 1;

	if (code == -ENOEXEC) {
		pymodhost_error_is_exit(&status);
		output_failure(options->argv[0], pymodhost_error());
	} else {
		output_complaint(pymodhost_error());
	}
	return status;
}

int loop_run(struct pymodhost *host, const struct options *options)
{
	int status = 0, code = run_program(host, options, &status);

	if (code < 0)
		return tell_end(options, code);
	if (*pymodhost_error())
		fprintf(stderr, "%s\n", pymodhost_error());
	if (pymodhost_error_is_exit(NULL) || !options->module ||
		!pymodhost_has_function(host, "__main__", "tick"))
		return status;
	return ticking(host, options);
}
