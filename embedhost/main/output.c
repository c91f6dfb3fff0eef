/* SPDX-License-Identifier: MIT */
/*
 * What the program says of reloads: on standard error, which is not the script's to process. On a
 * terminal and in the system's journal a line an event; elsewhere failures only; with --json everything, a line each.
 */
#include "main.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* The journal takes a line's level from <N> in front of it (sd-daemon(3)), and knows the program's name itself. */
#define AS_ERROR "<3>"
#define AS_INFO "<6>"

static bool as_json, chatty, journal;

static const char *const names[] = {"loaded", "reloaded", "unloaded", "failed"};

/* Is stderr the journal? It says so by the device and inode of its socket (systemd.exec(5), JOURNAL_STREAM). */
static bool is_journal(void)
{
	const char *stream = getenv("JOURNAL_STREAM");
	unsigned long long device, inode;
	struct stat st;

	return stream && sscanf(stream, "%llu:%llu", &device, &inode) == 2 &&
	       fstat(STDERR_FILENO, &st) == 0 && st.st_dev == device && st.st_ino == inode;
}

void output_setup(bool json)
{
	as_json = json;
	journal = is_journal();
	chatty = journal || isatty(STDERR_FILENO);
}

static const char *prefix(const char *level)
{
	return journal ? level : "pymodhost: ";
}

static void write_json(json_t *object)
{
	char *line = object ? json_dumps(object, JSON_COMPACT | JSON_ENSURE_ASCII) : NULL;

	if (line)
		fprintf(stderr, "%s\n", line);
	free(line);
	json_decref(object);
}

static void write_traceback(const char *text)
{
	/* In the journal each line is a message of its own. */
	for (size_t n; *text; text += n + (text[n] == '\n')) {
		n = strcspn(text, "\n");
		fprintf(stderr, "%s%.*s\n", journal ? AS_ERROR : "", (int)n, text);
	}
}

void output_event(const struct pymodhost_event *event, void *data)
{
	if (as_json)
		write_json(json_pack("{ss ss sI sf ss}", "event", names[event->type], "module",
			event->module, "version", (json_int_t)event->version, "seconds",
			event->seconds, "traceback", event->text));
	else if (event->type == PYMODHOST_FAILED) {
		fprintf(stderr, "%s%s failed, the old code stays in effect\n", prefix(AS_ERROR),
			*event->module ? event->module : "the change");
		write_traceback(event->text);
	} else if (chatty)
		fprintf(stderr, "%s%s %s (%.1f ms)\n", prefix(AS_INFO), names[event->type],
			event->module, event->seconds * 1e3);
}

void output_failure(const char *module, const char *traceback)
{
	if (as_json)
		write_json(json_pack("{ss ss sI sf ss}", "event", "failed", "module", module,
			"version", (json_int_t)0, "seconds", 0.0, "traceback", traceback));
	else
		write_traceback(traceback);
}

void output_complaint(const char *text)
{
	fprintf(stderr, "%s%s\n", prefix(AS_ERROR), text);
}
