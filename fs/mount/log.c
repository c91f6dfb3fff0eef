// SPDX-License-Identifier: MIT
/*
 * The daemon's log: stderr while it is in the foreground, syslog afterwards. Called by any thread.
 */
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <syslog.h>

#include "log.h"

static atomic_bool to_syslog;
static atomic_int threshold = LOG_INFO;

void log_use_syslog(void)
{
	openlog("pymodfs", LOG_PID, LOG_DAEMON);
	atomic_store(&to_syslog, true);
}

void log_set_level(int level)
{
	atomic_store(&threshold, level);
}

void mount_log(int level, const char *format, ...)
{
	char line[1024];
	va_list args;
	if (level > atomic_load(&threshold))
		return;
	va_start(args, format);
	vsnprintf(line, sizeof(line), format, args);
	va_end(args);
	if (atomic_load(&to_syslog))
		syslog(level, "%s", line);
	else
		fprintf(stderr, "pymodfs: %s\n", line);
}
