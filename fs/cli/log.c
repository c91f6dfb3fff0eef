/* SPDX-License-Identifier: MIT */
/*
 * pymodfs log: what happened to the modules and other files, newest first: when, what, and by whom.
 *
 * A rename is a delete and an insert in the feed, and one line here: the insert is told, the delete it was made of is passed
 * over when its turn comes. One thread.
 */
#include "../mount/json_bytes.h"
#include "../store/user.h"
#include "cli.h"
#include "output.h"
#include "past.h"
#include "progress.h"
#include "text.h"

#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <uthash.h>

#define END_OF_LOG 1

/* A delete that was half of a rename. */
struct half {
	UT_hash_handle hh;
	int64_t change;
};

struct log {
	/* options */
	struct cli_number limit, since;
	bool json;

	const char *word; /* NULL: all */
	struct store_reader *reader;
	struct half *halves;
	int64_t printed;
	int64_t newest; /* the change of the first event; 0: there was none yet */
	struct progress progress;
};

/* What is told of an event besides what it says itself. */
struct line {
	const struct store_event *event;
	const char *what;
	char *other; /* a rename: the path before, or (renamed away) after it */
	bool counted;
	size_t added, removed;
};

/* ---- finding out ---- */

static const char *op_text(enum store_op op)
{
	return op == STORE_INSERT ? "new" : op == STORE_DELETE ? "deleted" : "changed";
}

static int remember_half(struct log *log, int64_t change)
{
	struct half *half = malloc(sizeof(*half));
	if (!half)
		return -ENOMEM;
	half->change = change;
	HASH_ADD(hh, log->halves, change, sizeof(change), half);
	return 0;
}

static bool is_half(const struct log *log, int64_t change)
{
	struct half *half;
	HASH_FIND(hh, log->halves, &change, sizeof(change), half);
	return half != NULL;
}

/* Only for the log of one path a delete is asked for its other half: in that of all the insert comes first. */
static int find_rename(struct log *log, struct line *line)
{
	int64_t change = 0;
	const struct store_event *event = line->event;
	if (event->op == STORE_UPDATE || (event->op == STORE_DELETE && !log->word))
		return 0;
	int err = store_find_rename(log->reader, event, &line->other, &change);
	if (err || !line->other)
		return err;
	line->what = "renamed";
	return event->op == STORE_INSERT ? remember_half(log, change) : 0;
}

static int read_version(struct log *log, int64_t version, void **ret_data, size_t *ret_size)
{
	*ret_data = NULL;
	*ret_size = 0;
	return version ? store_read(log->reader, version, ret_data, ret_size) : 0;
}

/* What can't be read any more, or not at once, is not counted. */
static int count_lines(struct log *log, struct line *line)
{
	const struct store_event *event = line->event;
	void *old = NULL, *new = NULL;
	size_t old_size, new_size;
	bool gone = event->op == STORE_DELETE;
	if (line->other || !event->kept)
		return 0;
	int err = read_version(log, gone ? event->version : event->old_version, &old, &old_size);
	if (!err)
		err = read_version(log, gone ? 0 : event->version, &new, &new_size);
	line->counted = !err;
	if (!err)
		err = text_count(old ? old : "", old_size, new ? new : "", new_size, &line->added,
			&line->removed);
	free(new);
	free(old);
	return err == -ESTALE || err == -EFBIG ? 0 : err;
}

/* ---- telling ---- */

static void print_padded(const char *text, int width)
{
	output_name(text);
	printf("%*s", (int)strlen(text) < width ? width - (int)strlen(text) : 0, "");
}

static void print_who(const struct store_event *event)
{
	const char *command = event->command ? event->command : "?";
	char text[320];
	if (event->uid < 0 && !event->command)
		snprintf(text, sizeof(text), "SQL");
	else
		snprintf(text, sizeof(text), "%s: %s", user_name(event->uid).text, command);
	print_padded(text, 22);
}

static void print_counts(const struct line *line)
{
	char added[32] = "", removed[32] = "";
	if (line->counted && (line->added || line->event->op != STORE_DELETE))
		snprintf(added, sizeof(added), "+%zu", line->added);
	if (line->counted && (line->removed || line->event->op != STORE_INSERT))
		snprintf(removed, sizeof(removed), "-%zu", line->removed);
	printf("%s%6s%s %s%6s%s  ", output_style(STYLE_NEW), added, output_plain(),
		output_style(STYLE_OLD), removed, output_plain());
}

static void print_name(const struct line *line)
{
	const struct store_event *event = line->event;
	const char *name = event->module ? event->module : event->path;
	if (line->other && event->op == STORE_INSERT) {
		output_name(line->other);
		printf(" -> ");
		name = event->path;
	} else if (line->other) {
		name = event->path;
	}
	output_name(name);
	if (line->other && event->op == STORE_DELETE) {
		printf(" -> ");
		output_name(line->other);
	}
	putchar('\n');
}

static int print_line(const struct line *line)
{
	const struct store_event *event = line->event;
	char version[32], generation[32] = "";
	snprintf(version, sizeof(version), event->kept ? "%lld" : "(%lld)",
		(long long)event->version);
	if (event->change)
		snprintf(generation, sizeof(generation), "%lld", (long long)event->change);
	printf("%s%8s%s %10s  %s%s%s  %-7s ", output_style(STYLE_WARN), version, output_plain(),
		generation, output_style(STYLE_DIM), output_time(event->time).text, output_plain(),
		line->what);
	print_counts(line);
	print_who(event);
	fputs("  ", stdout);
	print_name(line);
	return ferror(stdout) ? -EIO : 0;
}

static json_t *number_or_null(bool known, int64_t number)
{
	return known ? json_integer((json_int_t)number) : json_null();
}

static int print_json(const struct line *line)
{
	const struct store_event *event = line->event;
	const char *from = event->op == STORE_INSERT ? line->other : NULL;
	const char *to = event->op == STORE_DELETE ? line->other : NULL;
	json_t *json = json_pack(
		"{s:I, s:s, s:o, s:o, s:I, s:o, s:o, s:I, s:b, s:I, s:o, s:o, s:o, s:o, s:o}",
		"version", (json_int_t)event->version, "event", line->what, "module",
		json_text(event->module), "path", json_text(event->path), "size",
		(json_int_t)event->size, "added",
		number_or_null(line->counted, (int64_t)line->added), "removed",
		number_or_null(line->counted, (int64_t)line->removed), "time",
		(json_int_t)event->time, "kept", (int)event->kept, "change",
		(json_int_t)event->change, "uid", number_or_null(event->uid >= 0, event->uid),
		"pid", number_or_null(event->pid >= 0, event->pid), "program",
		json_text(event->command), "from", json_text(from), "to", json_text(to));
	if (!json)
		return -ENOMEM;
	int failed = json_dumpf(json, stdout, 0) || putchar('\n') == EOF;
	json_decref(json);
	return failed ? -EIO : 0;
}

static void print_head(void)
{
	printf("%s%8s %10s  %-19s  %-7s %6s %6s  %-22s  %s%s\n", output_style(STYLE_HEAD),
		"version", "generation", "when", "what", "lines", "", "who", "name",
		output_plain());
}

/* With the first line, so that an error stands alone. */
static void begin_output(void)
{
	output_begin();
	if (output_is_terminal())
		print_head();
}

/* For a log that goes to a file: on a terminal it can be seen. */
static void show_progress(struct log *log, const struct store_event *event)
{
	if (!log->newest) {
		log->newest = event->change;
		progress_init(&log->progress, "writing the log",
			log->limit.set ? log->limit.value : event->change);
		progress_give_way(&log->progress);
	}
	progress_show(&log->progress, log->limit.set ? log->printed : log->newest - event->change);
}

static int take_event(void *arg, const struct store_event *event)
{
	struct log *log = arg;
	struct line line = {.event = event, .what = op_text(event->op)};
	if ((log->limit.set && log->printed >= log->limit.value) ||
		(log->since.set && event->time < log->since.value))
		return END_OF_LOG;
	if (is_half(log, event->change))
		return 0;
	int err = find_rename(log, &line);
	if (!err)
		err = count_lines(log, &line);
	if (!err && !log->json && !log->printed)
		begin_output();
	if (!err)
		err = log->json ? print_json(&line) : print_line(&line);
	log->printed++;
	show_progress(log, event);
	free(line.other);
	return err;
}

/* ---- the whole ---- */

static int run_log(struct store_reader *reader, void *arg)
{
	struct log *log = arg;
	struct past_name name = {.path = NULL};
	struct half *half, *next;
	log->reader = reader;
	int status = log->word ? past_name_init(&name, reader, log->word) : 0;
	if (status)
		return status;
	if (name.version) {
		past_name_finish(&name);
		return cli_usage("a log is of all versions: name the module alone");
	}
	int err = store_log(reader, name.path, take_event, log);
	progress_finish(&log->progress, err >= 0);
	if (err == -EIO && ferror(stdout))
		status = cli_fail("can't write: %s", strerror(errno ? errno : EIO));
	else if (err < 0)
		status = cli_fail("%s", store_error());
	else if (log->word && !log->printed && !log->limit.set && !log->since.set)
		status = past_fail_unknown(reader, log->word);
	HASH_ITER (hh, log->halves, half, next) {
		HASH_DEL(log->halves, half);
		free(half);
	}
	past_name_finish(&name);
	return status;
}

static const struct cli_option options[] = {
	{"limit", 'n', CLI_NUMBER, offsetof(struct log, limit), "N", CLI_NOTHING,
		"at most N lines"},
	{"since", 0, CLI_TIME, offsetof(struct log, since), "TIME", CLI_NOTHING,
		"nothing older; TIME is 2026-11-25, '2026-11-25 17:30', 12h, 30d"},
	{"json", 0, CLI_FLAG, offsetof(struct log, json), NULL, CLI_NOTHING, "JSON, a line each"},
	{0},
};

static int run(void *arg, int argc, char **argv)
{
	struct log *log = arg;
	log->word = argv[1];
	return past_with_reader(argv[0], run_log, log);
}

const struct cli_command cmd_log = {
	.name = "log",
	.summary = "tell what happened to the modules, or to one",
	.operands = "DB [MODULE]",
	.about = "Tells what happened to the modules and other files of the database DB, or to "
		 "one, newest first: the\n"
		 "version, the generation, when, what, how many lines came and went, who did it "
		 "with which program,\n"
		 "and the name. A version in parentheses is no longer kept.\n",
	.options = options,
	.size = sizeof(struct log),
	.min = 1,
	.max = 2,
	.wanted = "name the database, and a module if it is to be one alone",
	.words = {CLI_DB, CLI_NAME, CLI_NOTHING},
	.pages = true,
	.run = run,
};
