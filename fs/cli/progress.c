/* SPDX-License-Identifier: MIT */
/*
 * One line, drawn anew at most 20 times a second, that appears after a tenth of a second when the pace so far says that the
 * whole will take over a second. It leaves three columns of the terminal's line free: for the cursor, and for a ^C. Beside
 * the struct there is the width of what stands on the terminal now.
 */
#include "progress.h"

#include "../store/clock.h"
#include "interrupt.h"
#include "waiting.h"
#include "wrap.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define BAR_MAX 40
#define BAR_MIN 5

static int drawn_width; /* 0: no bar is there */

void progress_init(struct progress *progress, const char *what, int64_t total)
{
	*progress = (struct progress){
		.what = what,
		.total = total,
		.started = clock_monotonic(),
		.terminal = isatty(STDERR_FILENO),
	};
}

static void draw(const struct progress *progress, int64_t done)
{
	waiting_end();
	char bar[BAR_MAX + 4] = "", counts[64];
	int64_t total = progress->total > 0 ? progress->total : 1;
	int columns = wrap_columns(STDERR_FILENO);
	int size = snprintf(counts, sizeof(counts), " %3d%% %lld/%lld", (int)(done * 100 / total),
		(long long)done, (long long)progress->total);
	int room = columns - 3 - (int)strlen(progress->what) - size - (int)strlen(" []");
	int width = room > BAR_MAX ? BAR_MAX : room;
	if (width >= BAR_MIN) {
		memcpy(bar, " [", 2);
		for (int i = 0; i < width; i++)
			bar[i + 2] = i < done * width / total ? '#' : '.';
		bar[width + 2] = ']';
	}
	drawn_width = fprintf(stderr, "\r%s%s%s", progress->what, bar, counts) - 1;
}

void progress_hide(void)
{
	waiting_end();
	waiting_erase(drawn_width);
	drawn_width = 0;
}

void progress_show(struct progress *progress, int64_t done)
{
	if (!progress->terminal || done <= 0)
		return;
	int64_t now = clock_monotonic(), elapsed = now - progress->started;
	if (!progress->visible)
		progress->visible = elapsed > 100 * MILLISECOND &&
				    elapsed / done * progress->total > 1000 * MILLISECOND;
	if (!progress->visible || now - progress->drawn < 50 * MILLISECOND)
		return;
	progress->drawn = now;
	draw(progress, done);
}

int progress_count(void *arg, int64_t done, int64_t total)
{
	struct progress *progress = arg;
	progress->total = total;
	progress_show(progress, done);
	return interrupt_is_noted() ? -EINTR : 0;
}

void progress_give_way(struct progress *progress)
{
	struct stat st;
	waiting_end();
	if (!progress->terminal || (!fstat(STDOUT_FILENO, &st) && S_ISREG(st.st_mode)))
		return;
	progress_hide();
	progress->terminal = progress->visible = false;
}

void progress_finish(struct progress *progress, bool complete)
{
	waiting_end();
	if (!progress->visible)
		return;
	if (complete)
		draw(progress, progress->total);
	if (drawn_width)
		fputc('\n', stderr);
	drawn_width = 0;
	progress->visible = false;
}
