/* SPDX-License-Identifier: MIT */
#ifndef PYMODFS_LOG_H
#define PYMODFS_LOG_H

#include <stdbool.h>

#define LOG_LINE_SIZE 1024

/* From now on to syslog (the daemon has no terminal any more). */
void log_use_syslog(void);
/* Lines above this level (syslog(3)) are dropped; LOG_INFO at first. */
void log_set_level(int level);
/* Copies the last line of level LOG_ERR or worse into a buffer of LOG_LINE_SIZE bytes; "" when there was none. */
void log_get_last_error(char *line);
/* One line. */
void mount_log(int level, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
