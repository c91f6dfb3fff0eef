/* SPDX-License-Identifier: MIT */
#ifndef PYMODFS_LOG_H
#define PYMODFS_LOG_H

#include <stdbool.h>

#define LOG_LINE_SIZE 1024

/* From now on to syslog (the daemon has no terminal any more). */
void log_use_syslog(void);
/* The level (syslog(3)) that a person calls error, warning, notice, info or debug; -EINVAL: none is called that. */
int log_level_by_name(const char *name);
/* Lines above this level are dropped; LOG_INFO at first. */
void log_set_level(int level);
/* Takes what libfuse has to say into the log; it says it on stderr otherwise. */
void log_take_libfuse(void);
/* Copies the last line of level LOG_ERR or worse into a buffer of LOG_LINE_SIZE bytes; "" when there was none. */
void log_get_last_error(char *line);
/*
 * One line, with the system's journal in mind: <LEVEL> in front of it if that is what stderr is (sd-daemon(3)). After
 * LOG_BURST lines within LOG_WINDOW seconds the rest of them is counted only, as is an error that says the same as the
 * one before within that time, unless the level is LOG_DEBUG.
 */
#define LOG_BURST 50
#define LOG_WINDOW 5
void mount_log(int level, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
