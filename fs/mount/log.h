/* SPDX-License-Identifier: MIT */
#ifndef PYMODFS_LOG_H
#define PYMODFS_LOG_H

#include <stdbool.h>

/* From now on to syslog (the daemon has no terminal any more). */
void log_use_syslog(void);
/* Lines above this level (syslog(3)) are dropped; LOG_INFO at first. */
void log_set_level(int level);
/* One line. */
void mount_log(int level, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
