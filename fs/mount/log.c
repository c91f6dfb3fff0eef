// SPDX-License-Identifier: MIT
/*
 * The daemon's log: stderr while it is in the foreground, syslog afterwards. Called by any thread; last_lock guards the last
 * error.
 */
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <syslog.h>

#include "log.h"

static atomic_bool to_syslog;
static atomic_int threshold = LOG_INFO;
static pthread_mutex_t last_lock = PTHREAD_MUTEX_INITIALIZER;
static char last_error[LOG_LINE_SIZE];

void log_use_syslog(void)
{
	openlog("pymodfs", LOG_PID, LOG_DAEMON);
	atomic_store(&to_syslog, true);
}

void log_set_level(int level)
{
	atomic_store(&threshold, level);
}

static void note_error(const char *line)
{
	pthread_mutex_lock(&last_lock);
	snprintf(last_error, sizeof(last_error), "%s", line);
	pthread_mutex_unlock(&last_lock);
}

void log_get_last_error(char *line)
{
	pthread_mutex_lock(&last_lock);
	memcpy(line, last_error, sizeof(last_error));
	pthread_mutex_unlock(&last_lock);
}

void mount_log(int level, const char *format, ...)
{
	char line[LOG_LINE_SIZE];
	va_list args;
	if (level > atomic_load(&threshold))
		return;
	va_start(args, format);
	vsnprintf(line, sizeof(line), format, args);
	va_end(args);
	if (level <= LOG_ERR)
		note_error(line);
	if (atomic_load(&to_syslog))
		syslog(level, "%s", line);
	else
		fprintf(stderr, "pymodfs: %s\n", line);
}
