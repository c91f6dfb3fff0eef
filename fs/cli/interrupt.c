/* SPDX-License-Identifier: MIT */
/*
 * The state is the number of the signal that was noted, which only the handler sets. timeout(1) sends each signal twice, and
 * so do shells that end a job: a second one counts only after a moment, and ends the command at once.
 */
#include "interrupt.h"

#include "../store/clock.h"
#include "cli.h"

#include <signal.h>
#include <stddef.h>

#define PATIENCE_MS 1000

static volatile sig_atomic_t noted; /* 0: none */
static int64_t noted_at;

static void note(int number)
{
	int64_t now = clock_monotonic_ms();
	if (noted && now - noted_at >= PATIENCE_MS) {
		signal(number, SIG_DFL);
		raise(number);
	}
	if (noted)
		return;
	noted_at = now;
	noted = number;
}

void interrupt_catch(void)
{
	static const int numbers[] = {SIGINT, SIGTERM, SIGHUP};
	struct sigaction action = {.sa_handler = note, .sa_flags = SA_RESTART};
	struct sigaction old;
	/* One at a time. */
	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
		sigaddset(&action.sa_mask, numbers[i]);
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
	int number = noted;
	signal(number, SIG_DFL);
	raise(number);
}
