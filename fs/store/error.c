/* SPDX-License-Identifier: MIT */
/*
 * The last failure of each thread, in words. One line, of bounded length: line ends in a message
 * (of a user's trigger, say) become spaces. No lock: the buffer is the thread's own.
 */
#include "error.h"
#include "store.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static _Thread_local char last_error[1024] = "no error";

void store_set_error(const char *format, ...)
{
	char message[sizeof(last_error)]; /* store_error() itself may be among the arguments */
	va_list args;
	va_start(args, format);
	vsnprintf(message, sizeof(message), format, args);
	va_end(args);
	memcpy(last_error, message, sizeof(message));
	for (char *c = last_error; *c; c++)
		if ((unsigned char)*c < ' ')
			*c = ' ';
}

const char *store_error(void)
{
	return last_error;
}
