/* SPDX-License-Identifier: MIT */
/*
 * What the program says of reloads: on standard error, which is not the script's to process. On a
 * terminal a line an event; elsewhere failures only; with --json everything, a line each.
 */
#include "main.h"

#include <jansson.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static bool as_json, chatty;

static const char *const names[] = {"loaded", "reloaded", "unloaded", "failed"};

void output_setup(bool json)
{
	as_json = json;
	chatty = isatty(STDERR_FILENO);
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
	size_t length = strlen(text);

	fprintf(stderr, "%s%s", text, length && text[length - 1] != '\n' ? "\n" : "");
}

void output_event(const struct pymodhost_event *event, void *data)
{
	if (as_json)
		write_json(json_pack("{ss ss sI sf ss}", "event", names[event->type], "module",
			event->module, "version", (json_int_t)event->version, "seconds",
			event->seconds, "traceback", event->text));
	else if (event->type == PYMODHOST_FAILED) {
		fprintf(stderr, "pymodhost: %s failed, the old code stays in effect\n",
			*event->module ? event->module : "the change");
		write_traceback(event->text);
	} else if (chatty)
		fprintf(stderr, "pymodhost: %s %s (%.1f ms)\n", names[event->type], event->module,
			event->seconds * 1e3);
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
	fprintf(stderr, "pymodhost: %s\n", text);
}
