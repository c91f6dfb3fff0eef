// SPDX-License-Identifier: MIT
/*
 * The daemon's log: stderr while it is in the foreground, syslog afterwards. Called by any thread; lock guards the last
 * error and the count of the lines.
 */
#include "log.h"

#include <errno.h>
#include <fuse_log.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

#include "../store/escape.h"

static atomic_bool to_syslog;
static atomic_int threshold = LOG_INFO;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static char last_error[LOG_LINE_SIZE];
static struct {
	time_t begun;
	unsigned int lines, dropped;
} window;

void log_use_syslog(void)
{
	openlog("pymodfs", LOG_PID, LOG_DAEMON);
	atomic_store(&to_syslog, true);
}

int log_level_by_name(const char *name)
{
	static const struct {
		const char *name;
		int level;
	} levels[] = {{"error", LOG_ERR}, {"err", LOG_ERR}, {"warning", LOG_WARNING},
		{"notice", LOG_NOTICE}, {"info", LOG_INFO}, {"debug", LOG_DEBUG}};
	for (size_t i = 0; name && i < sizeof(levels) / sizeof(levels[0]); i++)
		if (strcmp(levels[i].name, name) == 0)
			return levels[i].level;
	return -EINVAL;
}

void log_set_level(int level)
{
	atomic_store(&threshold, level);
}

void log_get_last_error(char *line)
{
	pthread_mutex_lock(&lock);
	memcpy(line, last_error, sizeof(last_error));
	pthread_mutex_unlock(&lock);
}

/* Is stderr the journal? It says so by the device and inode of its socket (systemd.exec(5), JOURNAL_STREAM). */
static bool is_journal(void)
{
	const char *stream = getenv("JOURNAL_STREAM");
	unsigned long long device, inode;
	struct stat st;
	return stream && sscanf(stream, "%llu:%llu", &device, &inode) == 2 &&
	       fstat(STDERR_FILENO, &st) == 0 && st.st_dev == device && st.st_ino == inode;
}

static void write_line(int level, const char *line)
{
	if (atomic_load(&to_syslog))
		syslog(level, "%s", line);
	else if (is_journal())
		fprintf(stderr, "<%d>%s\n", level, line);
	else
		fprintf(stderr, "pymodfs: %s\n", line);
}

/* May one more line be written? The number of those that were not, once, in ret_dropped. Wants the lock. */
static bool count_line(bool repeated, unsigned int *ret_dropped)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	*ret_dropped = 0;
	if (now.tv_sec - window.begun >= LOG_WINDOW) {
		*ret_dropped = window.dropped;
		window.begun = now.tv_sec;
		window.lines = window.dropped = 0;
	}
	repeated = repeated && window.lines;
	bool allowed =
		(window.lines < LOG_BURST && !repeated) || atomic_load(&threshold) == LOG_DEBUG;
	window.lines += allowed;
	window.dropped += !allowed;
	return allowed;
}

static void log_line(int level, const char *line)
{
	char note[64];
	unsigned int dropped;
	pthread_mutex_lock(&lock);
	bool repeated = level <= LOG_ERR && !strcmp(last_error, line);
	if (level <= LOG_ERR)
		snprintf(last_error, sizeof(last_error), "%s", line);
	bool allowed = count_line(repeated, &dropped);
	pthread_mutex_unlock(&lock);
	if (dropped) {
		snprintf(note, sizeof(note), "%u lines were left out", dropped);
		write_line(LOG_NOTICE, note);
	}
	if (allowed)
		write_line(level, line);
}

/* A line of the log is one line: libfuse ends its lines itself. */
static void end_line(char *line)
{
	size_t n = strlen(line);
	while (n > 0 && line[n - 1] == '\n')
		line[--n] = '\0';
}

static void log_va(int level, const char *format, va_list args)
{
	char text[LOG_LINE_SIZE], line[LOG_LINE_SIZE];
	if (level > atomic_load(&threshold))
		return;
	vsnprintf(text, sizeof(text), format, args);
	end_line(text);
	escape_copy(line, sizeof(line), text);
	log_line(level, line);
}

void mount_log(int level, const char *format, ...)
{
	va_list args;
	va_start(args, format);
	log_va(level, format, args);
	va_end(args);
}

/* Its levels are those of syslog(3). */
static void log_libfuse(enum fuse_log_level level, const char *format, va_list args)
{
	log_va((int)level, format, args);
}

void log_take_libfuse(void)
{
	fuse_set_log_func(log_libfuse);
}
