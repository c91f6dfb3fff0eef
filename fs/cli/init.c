/* SPDX-License-Identifier: MIT */
/* pymodfs init: sets a database up, or adopts a table of an existing one. */
#include "cli.h"
#include "init.h"
#include "mounts.h"
#include "output.h"
#include "store.h"
#include "waiting.h"

#include <stdlib.h>
#include <string.h>

static const struct cli_option options[] = {
	{"table", 0, CLI_TEXT, offsetof(struct store_init_options, table), "TABLE", CLI_NOTHING,
		"use this table, which is there already (default: module, made if missing)"},
	{"name-column", 0, CLI_TEXT, offsetof(struct store_init_options, name_column), "COLUMN",
		CLI_NOTHING, "its column of dotted module names (default: name)"},
	{"source-column", 0, CLI_TEXT, offsetof(struct store_init_options, source_column), "COLUMN",
		CLI_NOTHING, "its column of sources (default: source)"},
	{0},
};

static int report(const char *url, const struct store_init_options *init, bool fresh)
{
	char *shown = store_shown_url(url);
	output_name(shown ? shown : "the database");
	printf(" is %s: table ", fresh ? "ready" : "set up already");
	output_name(init->table ? init->table : "module");
	putchar('\n');
	free(shown);
	return 0;
}

static int run(void *arg, int argc, char **argv)
{
	bool fresh;
	if (!strstr(argv[0], "://") && mounts_refuse_inside(argv[0], NULL))
		return CLI_FAILURE;
	waiting_begin("setting up");
	int err = store_init(argv[0], arg, &fresh);
	waiting_end();
	if (err)
		return cli_fail("%s", store_error());
	return report(argv[0], arg, fresh);
}

const struct cli_command cmd_init = {
	.name = "init",
	.summary = "set a database up, or adopt a table of an existing one",
	.operands = "DB",
	.about = "Sets the database DB up: an SQLite file, made if it isn't there, or "
		 "postgresql://...\n"
		 "Safe to repeat.\n",
	.options = options,
	.size = sizeof(struct store_init_options),
	.min = 1,
	.max = 1,
	.wanted = "name one database",
	.words = {CLI_DB, CLI_NOTHING, CLI_NOTHING},
	.run = run,
};
