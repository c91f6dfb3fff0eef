/* SPDX-License-Identifier: MIT */
/*
 * The last failure of each thread, in words. One line, of bounded length: line ends in a message
 * (of a user's trigger, or of libpq, which indents what follows) become a space. No lock: the buffer is the thread's own.
 */
#include "error.h"
#include "store.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

static _Thread_local char last_error[1024] = "no error";

/* What goes beyond a space between two lines, and behind the last, is left out. */
static void join_lines(char *to, const char *text)
{
	static const char line_ends[] = "\n\r\t";
	while (*text) {
		size_t size = strcspn(text, line_ends);
		to = (char *)memcpy(to, text, size) + size;
		text += size;
		bool more = *text;
		text += strspn(text, line_ends);
		if (more && *text)
			*to++ = ' ';
	}
	*to = '\0';
}

void store_set_error(const char *format, ...)
{
	char message[sizeof(last_error)]; /* store_error() itself may be among the arguments */
	va_list args;
	va_start(args, format);
	vsnprintf(message, sizeof(message), format, args);
	va_end(args);
	join_lines(last_error, message);
}

const char *store_error(void)
{
	return last_error;
}
