/* SPDX-License-Identifier: MIT */
/* The state is the number of the signal that was noted, which only the handler sets. */
#include "interrupt.h"

#include "cli.h"

#include <signal.h>
#include <stddef.h>

static volatile sig_atomic_t noted; /* 0: none */

static void note(int number)
{
	noted = number;
}

void interrupt_catch(void)
{
	static const int numbers[] = {SIGINT, SIGTERM, SIGHUP};
	const struct sigaction action = {
		.sa_handler = note, .sa_flags = (int)SA_RESETHAND | SA_RESTART};
	struct sigaction old;
	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
		if (!sigaction(numbers[i], NULL, &old) && old.sa_handler == SIG_DFL)
			sigaction(numbers[i], &action, NULL);
}

bool interrupt_is_noted(void)
{
	return noted != 0;
}

int interrupt_check(const char *words)
{
	if (!noted)
		return 0;
	cli_fail("interrupted; %s", words);
	return 128 + noted;
}

void interrupt_end(int status)
{
	if (!noted || status != 128 + noted)
		return;
	signal(noted, SIG_DFL);
	raise(noted);
}
