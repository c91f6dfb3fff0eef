/* SPDX-License-Identifier: MIT */
/*
 * interrupt.h - SIGINT, SIGTERM and SIGHUP while something is being changed.
 *
 * Before interrupt_catch() they end the program as they do any other. Afterwards the first one is only noted, for the command to
 * stop where nothing is half done; a second one ends the program at once, unless it comes within a second. One that was
 * ignored stays so. One thread.
 */
#ifndef PYMODFS_CLI_INTERRUPT_H
#define PYMODFS_CLI_INTERRUPT_H

#include <stdbool.h>

void interrupt_catch(void);
bool interrupt_is_noted(void);
/* If a signal was noted: says so, with what has become of the work, and returns the exit status (128 and the signal), else 0. */
int interrupt_check(const char *words);
/* At the end of a command with this exit status: if a signal is the cause, ends by it, as who waits for us expects. */
void interrupt_end(int status);

#endif
