/* SPDX-License-Identifier: MIT */
/* pymodfs show: a module as it is or was, byte for byte. */
#include "../mount/json_bytes.h"
#include "cli.h"
#include "past.h"

#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

struct show {
	bool json; /* option */
	const char *word;
};

static int print(const void *data, size_t size)
{
	if (fwrite(data, 1, size, stdout) != size || fflush(stdout))
		return cli_fail("can't write: %s", strerror(errno));
	return 0;
}

/* ---- as JSON: what is known of the version ---- */

struct description {
	int64_t wanted;
	json_t *json; /* NULL: not found yet */
};

static json_t *number_or_null(int64_t number)
{
	return number < 0 ? json_null() : json_integer((json_int_t)number);
}

static int describe(void *arg, const struct store_version *version)
{
	struct description *description = arg;
	if (version->id != description->wanted)
		return 0;
	description->json = json_pack("{s:I, s:o, s:I, s:I, s:I, s:b, s:o, s:o, s:o}", "version",
		(json_int_t)version->id, "path", json_text(version->path), "size",
		(json_int_t)version->size, "mtime", (json_int_t)version->mtime, "time",
		(json_int_t)version->time, "current", (int)version->current, "uid",
		number_or_null(version->uid), "pid", number_or_null(version->pid), "program",
		json_text(version->command));
	return 1;
}

static int print_json(struct store_reader *reader, const struct past_name *name, int64_t version,
	const void *data, size_t size)
{
	struct description description = {.wanted = version};
	if (store_history(reader, name->path, describe, &description) < 0)
		return cli_fail("%s: %s", name->word, store_error());
	if (!description.json)
		return cli_fail("out of memory");
	/* What is not UTF-8 has no place in JSON. */
	json_t *source = json_stringn(data, size);
	json_object_set_new(description.json, "source", source ? source : json_null());
	json_dumpf(description.json, stdout, JSON_INDENT(2));
	putchar('\n');
	json_decref(description.json);
	return 0;
}

/* ---- the whole ---- */

static int show_name(
	struct store_reader *reader, const struct show *show, const struct past_name *name)
{
	struct past_version version;
	void *data;
	size_t size;
	int status = past_find(reader, name, &version);
	if (!status && !version.id)
		status = cli_fail(
			"%s is deleted; pymodfs log tells which versions it had", name->word);
	if (!status)
		status = past_read(reader, name, &version, &data, &size);
	if (status)
		return status;
	status = show->json ? print_json(reader, name, version.id, data, size) : print(data, size);
	free(data);
	return status;
}

static int show_word(struct store_reader *reader, void *arg)
{
	const struct show *show = arg;
	struct past_name name;
	int status = past_name_init(&name, reader, show->word);
	if (status)
		return status;
	status = show_name(reader, show, &name);
	past_name_finish(&name);
	return status;
}

static const struct cli_option options[] = {
	{"json", 0, CLI_FLAG, offsetof(struct show, json), NULL, CLI_NOTHING,
		"what is known of that version, and the source, as one JSON object"},
	{0},
};

static int run(void *arg, int argc, char **argv)
{
	struct show *show = arg;
	show->word = argv[1];
	return past_with_reader(argv[0], show_word, show);
}

const struct cli_command cmd_show = {
	.name = "show",
	.summary = "print a module as it is or was",
	.operands = "DB MODULE[@VERSION]",
	.about = "Prints a module of the database DB: as it is, or a version that it had. `pymodfs "
		 "log` tells which\n"
		 "there are. MODULE is a dotted name (a.b) or a path (a/b.py).\n",
	.options = options,
	.size = sizeof(struct show),
	.min = 2,
	.max = 2,
	.wanted = "name the database and the module",
	.words = {CLI_DB, CLI_MODULE, CLI_NOTHING},
	.run = run,
};
