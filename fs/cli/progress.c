/* SPDX-License-Identifier: MIT */
/*
 * One line, drawn anew at most 20 times a second, that appears after a tenth of a second when the pace
 * so far says that the whole will take over a second. No state but the struct.
 */
#include "progress.h"

#include <stdio.h>
#include <time.h>
#include <unistd.h>

#define MS INT64_C(1000000)
#define BAR_WIDTH 40

static int64_t now_ns(void)
{
	struct timespec ts;
	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000 * MS + ts.tv_nsec;
}

void progress_init(struct progress *progress, const char *what, int64_t total)
{
	*progress = (struct progress){
		.what = what,
		.total = total,
		.started = now_ns(),
		.terminal = isatty(STDERR_FILENO),
	};
}

static void draw(const struct progress *progress, int64_t done)
{
	char bar[BAR_WIDTH + 1];
	int64_t total = progress->total > 0 ? progress->total : 1;
	for (int i = 0; i < BAR_WIDTH; i++)
		bar[i] = i < done * BAR_WIDTH / total ? '#' : '.';
	bar[BAR_WIDTH] = '\0';
	fprintf(stderr, "\r%s [%s] %3d%% %lld/%lld", progress->what, bar, (int)(done * 100 / total),
		(long long)done, (long long)progress->total);
	fflush(stderr);
}

void progress_show(struct progress *progress, int64_t done)
{
	if (!progress->terminal || done <= 0)
		return;
	int64_t now = now_ns(), elapsed = now - progress->started;
	if (!progress->visible)
		progress->visible =
			elapsed > 100 * MS && elapsed / done * progress->total > 1000 * MS;
	if (!progress->visible || now - progress->drawn < 50 * MS)
		return;
	progress->drawn = now;
	draw(progress, done);
}

void progress_count(void *arg, int64_t done, int64_t total)
{
	struct progress *progress = arg;
	progress->total = total;
	progress_show(progress, done);
}

void progress_finish(struct progress *progress, bool complete)
{
	if (!progress->visible)
		return;
	if (complete)
		draw(progress, progress->total);
	fputc('\n', stderr);
	progress->visible = false;
}
