/* SPDX-License-Identifier: MIT */
/*
 * pymodfs annotate: for each line of a module the version that made it, when, and by whom.
 *
 * All versions up to the wanted one are compared, each with the one before it, oldest first: a line keeps its version while
 * it is not part of a change. What is no longer kept is passed over; its lines count as made by the next version that is
 * there. One thread.
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

struct annotate {
	bool json; /* option */
	const char *word;
	struct store_version *versions; /* newest first; their commands are ours */
	size_t n, room;
	int64_t wanted;
};

/* The lines of one content and, for each, the index of the version that made it. */
struct lines {
	void *data;
	struct text text;
	size_t *makers;
};

static void lines_finish(struct lines *lines)
{
	text_finish(&lines->text);
	free(lines->makers);
	free(lines->data);
}

/* ---- versions ---- */

static int take_version(void *arg, const struct store_version *version)
{
	struct annotate *annotate = arg;
	if (version->id > annotate->wanted || !version->kept)
		return 0;
	if (annotate->n == annotate->room) {
		size_t room = annotate->room ? 2 * annotate->room : 64;
		void *versions = reallocarray(annotate->versions, room, sizeof(*version));
		if (!versions)
			return -ENOMEM;
		annotate->versions = versions;
		annotate->room = room;
	}
	struct store_version *copy = &annotate->versions[annotate->n];
	*copy = *version;
	copy->path = NULL;
	copy->command = version->command ? strdup(version->command) : NULL;
	annotate->n++;
	return version->command && !copy->command ? -ENOMEM : 0;
}

static void versions_finish(struct annotate *annotate)
{
	for (size_t i = 0; i < annotate->n; i++)
		free((char *)(uintptr_t)annotate->versions[i].command);
	free(annotate->versions);
}

/* ---- lines ---- */

/* What was there before stays, with its makers, around the changes; the rest is the version's. */
static int inherit(struct lines *new, const struct lines *old, size_t maker)
{
	struct text_change *changes;
	size_t n, a = 0, b = 0;
	int err = text_compare(&old->text, &new->text, &changes, &n);
	if (err)
		return err;
	for (size_t i = 0; i <= n; i++) {
		size_t end = i < n ? changes[i].new : new->text.n;
		while (b < end)
			new->makers[b++] = old->makers[a++];
		if (i == n)
			break;
		a += changes[i].old_n;
		for (size_t j = 0; j < changes[i].new_n; j++)
			new->makers[b++] = maker;
	}
	free(changes);
	return 0;
}

static int next_version(
	struct annotate *annotate, struct store_reader *reader, size_t maker, struct lines *lines)
{
	struct lines new = {.data = NULL};
	size_t size;
	if (store_read(reader, annotate->versions[maker].id, &new.data, &size))
		return cli_fail("%s: %s", annotate->word, store_error());
	if (text_init(&new.text, new.data, size)) {
		free(new.data);
		return cli_fail("out of memory");
	}
	new.makers = calloc(new.text.n + 1, sizeof(*new.makers));
	if (!new.makers || inherit(&new, lines, maker)) {
		lines_finish(&new);
		return cli_fail("out of memory");
	}
	lines_finish(lines);
	*lines = new;
	return 0;
}

static int find_makers(struct annotate *annotate, struct store_reader *reader, struct lines *lines)
{
	struct progress progress;
	int status = text_init(&lines->text, "", 0) ? cli_fail("out of memory") : 0;
	progress_init(&progress, "comparing", (int64_t)annotate->n);
	for (size_t i = annotate->n; i > 0 && !status; i--) {
		status = next_version(annotate, reader, i - 1, lines);
		progress_show(&progress, (int64_t)(annotate->n - i + 1));
	}
	progress_finish(&progress, !status);
	return status;
}

/* ---- telling ---- */

static void print_line(const struct store_version *version, const char *line, size_t size)
{
	const struct user_name user = user_name(version->uid);
	printf("%s%8lld%s  %s%s  %-12.32s%s| ", output_style(STYLE_WARN), (long long)version->id,
		output_plain(), output_style(STYLE_DIM), output_time(version->time).text,
		version->uid < 0 ? "SQL" : user.text, output_plain());
	fwrite(line, 1, size, stdout);
	if (!size || line[size - 1] != '\n')
		putchar('\n');
}

static int print_json(
	const struct store_version *version, size_t number, const char *line, size_t size)
{
	json_t *text = json_stringn(line, size - (size && line[size - 1] == '\n'));
	json_t *json = json_pack("{s:I, s:I, s:I, s:o, s:o, s:o}", "line", (json_int_t)number,
		"version", (json_int_t)version->id, "time", (json_int_t)version->time, "uid",
		version->uid < 0 ? json_null() : json_integer((json_int_t)version->uid), "program",
		json_text(version->command), "text", text ? text : json_null());
	if (!json)
		return cli_fail("out of memory");
	json_dumpf(json, stdout, 0);
	putchar('\n');
	json_decref(json);
	return 0;
}

static int print_lines(const struct annotate *annotate, const struct lines *lines)
{
	int status = 0;
	for (size_t i = 0; i < lines->text.n && !status; i++) {
		const struct store_version *version = &annotate->versions[lines->makers[i]];
		const char *line = lines->text.data + lines->text.starts[i];
		size_t size = lines->text.starts[i + 1] - lines->text.starts[i];
		if (annotate->json)
			status = print_json(version, i + 1, line, size);
		else
			print_line(version, line, size);
	}
	return status;
}

/* ---- the whole ---- */

static int annotate_version(
	struct annotate *annotate, struct store_reader *reader, const struct past_name *name)
{
	struct lines lines = {.data = NULL};
	struct past_version version;
	int status = past_find(reader, name, &version);
	if (!status && !version.id)
		status = cli_fail(
			"%s is deleted; name a version: %s@VERSION", name->word, name->word);
	if (!status && !version.kept)
		status = cli_fail("the content of %s is no longer kept", name->word);
	if (status)
		return status;
	annotate->wanted = version.id;
	if (store_history(reader, name->path, take_version, annotate))
		return cli_fail("%s: %s", name->word, store_error());
	status = find_makers(annotate, reader, &lines);
	if (!status && text_is_binary(&lines.text))
		status = cli_fail("%s is no text", name->word);
	/* Not before: a bar and a pager don't share a terminal. */
	if (!status && !annotate->json)
		output_begin();
	if (!status)
		status = print_lines(annotate, &lines);
	lines_finish(&lines);
	return status;
}

static int annotate_name(struct store_reader *reader, void *arg)
{
	struct annotate *annotate = arg;
	struct past_name name;
	int status = past_name_init(&name, reader, annotate->word);
	if (status)
		return status;
	status = annotate_version(annotate, reader, &name);
	versions_finish(annotate);
	past_name_finish(&name);
	return status;
}

static const struct cli_option options[] = {
	{"json", 0, CLI_FLAG, offsetof(struct annotate, json), NULL, CLI_NOTHING,
		"JSON, an object a line"},
	{0},
};

static int run(void *arg, int argc, char **argv)
{
	struct annotate *annotate = arg;
	annotate->word = argv[1];
	return past_with_reader(argv[0], annotate_name, annotate);
}

const struct cli_command cmd_annotate = {
	.name = "annotate",
	.summary = "tell who made each line of a module, and when",
	.operands = "DB MODULE[@VERSION]",
	.about = "Prints a module with the version that made each line, when, and by whom.\n",
	.options = options,
	.size = sizeof(struct annotate),
	.min = 2,
	.max = 2,
	.wanted = "name the database and the module",
	.words = {CLI_DB, CLI_MODULE, CLI_NOTHING},
	.pages = true,
	.run = run,
};
