/* SPDX-License-Identifier: MIT */
/*
 * Colours and the pager. Whether stdout is a terminal is asked once, before the pager takes its place. The
 * pager is a child that reads a pipe which is our stdout; when its user leaves early, the next write ends us quietly. One
 * thread.
 */
#include "output.h"

#include "../store/clock.h"
#include "../store/escape.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static struct output_options options;
static enum { UNKNOWN, PLAIN, COLORED } colors;
static pid_t pager; /* 0: none */

struct output_options *output_get_options(void)
{
	return &options;
}

/* ---- colours: https://no-color.org ---- */

static bool want_colors(void)
{
	const char *no_color = getenv("NO_COLOR"), *term = getenv("TERM");
	if (options.color != OUTPUT_AUTO)
		return options.color == OUTPUT_ALWAYS;
	return isatty(STDOUT_FILENO) && (!no_color || !*no_color) && term &&
	       strcmp(term, "dumb") != 0;
}

static bool is_colored(void)
{
	if (colors == UNKNOWN)
		colors = want_colors() ? COLORED : PLAIN;
	return colors == COLORED;
}

const char *output_style(enum output_style style)
{
	static const char *const codes[] = {
		[STYLE_HEAD] = "\033[1m",
		[STYLE_PLACE] = "\033[36m",
		[STYLE_OLD] = "\033[31m",
		[STYLE_NEW] = "\033[32m",
		[STYLE_DIM] = "\033[2m",
		[STYLE_WARN] = "\033[33m",
	};
	return is_colored() ? codes[style] : "";
}

const char *output_plain(void)
{
	return is_colored() ? "\033[0m" : "";
}

struct output_time output_time(int64_t ns)
{
	struct output_time result = {.text = "?"};
	time_t seconds = clock_split(ns).tv_sec;
	struct tm tm;
	if (localtime_r(&seconds, &tm))
		strftime(result.text, sizeof(result.text), "%Y-%m-%d %H:%M:%S", &tm);
	return result;
}

void output_name(const char *name)
{
	escape_print(stdout, name, strlen(name));
}

/* ---- the pager ---- */

static const char *pager_command(void)
{
	const char *command = getenv("PYMODFS_PAGER");
	if (!command)
		command = getenv("PAGER");
	if (!command)
		command = access("/usr/bin/less", X_OK) ? "" : "less";
	return *command && strcmp(command, "cat") != 0 ? command : NULL;
}

/*
 * SIGPIPE: the reader has gone, and there is nobody to tell. SIGINT: the pager goes on with what it has, and has the terminal
 * until its user leaves it.
 */
static void leave(int number)
{
	close(STDOUT_FILENO);
	if (pager > 0)
		waitpid(pager, NULL, 0);
	if (number == SIGPIPE)
		_exit(0);
	signal(number, SIG_DFL);
	raise(number);
}

static int spawn_pager(const char *command, int input, pid_t *ret_pid)
{
	char shell[] = "sh", flag[] = "-c";
	char *copy = strdup(command);
	char *words[] = {shell, flag, copy, NULL};
	posix_spawn_file_actions_t actions;
	if (!copy)
		return ENOMEM;
	/* Leave at once what fits on the screen, let colours through, don't clear the screen. */
	setenv("LESS", "FRX", 0);
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_adddup2(&actions, input, STDIN_FILENO);
	int err = posix_spawn(ret_pid, "/bin/sh", &actions, NULL, words, environ);
	posix_spawn_file_actions_destroy(&actions);
	free(copy);
	return err;
}

void output_begin(void)
{
	const char *command = pager_command();
	int ends[2];
	if (pager || options.no_pager || !command || !isatty(STDOUT_FILENO))
		return;
	is_colored();
	if (pipe2(ends, O_CLOEXEC))
		return;
	if (spawn_pager(command, ends[0], &pager)) {
		pager = 0;
	} else {
		signal(SIGPIPE, leave);
		signal(SIGINT, leave);
		fflush(stdout);
		dup2(ends[1], STDOUT_FILENO);
	}
	close(ends[0]);
	close(ends[1]);
}

bool output_is_terminal(void)
{
	return pager || isatty(STDOUT_FILENO);
}

void output_end(void)
{
	if (!pager)
		return;
	fflush(stdout);
	close(STDOUT_FILENO);
	while (waitpid(pager, NULL, 0) < 0 && errno == EINTR)
		;
	pager = 0;
}
