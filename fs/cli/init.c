/* SPDX-License-Identifier: MIT */
/* pymodfs init: sets a database up, or adopts a table of an existing one. */
#include "cli.h"
#include "init.h"
#include "store.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>

static const char help[] =
	"Usage: pymodfs init DB [--table TABLE] [--name-column COLUMN] [--source-column COLUMN]\n"
	"Sets the database DB up: an SQLite file, made if it isn't there, or postgresql://...\n"
	"Safe to repeat.\n\n"
	"  --table TABLE           use this table, which is there already (default: module, made "
	"if missing)\n"
	"  --name-column COLUMN    its column of dotted module names (default: name)\n"
	"  --source-column COLUMN  its column of sources (default: source)\n"
	"  --help                  this text\n";

enum { OPT_HELP = 1, OPT_TABLE, OPT_NAME, OPT_SOURCE };

static const struct option options[] = {
	{"help", no_argument, NULL, OPT_HELP},
	{"table", required_argument, NULL, OPT_TABLE},
	{"name-column", required_argument, NULL, OPT_NAME},
	{"source-column", required_argument, NULL, OPT_SOURCE},
	{0},
};

static int report(const char *url, const struct store_init_options *init, bool fresh)
{
	char *shown = store_shown_url(url);
	printf("%s is %s: table %s\n", shown ? shown : "the database",
		fresh ? "ready" : "set up already", init->table ? init->table : "module");
	free(shown);
	return 0;
}

int cmd_init(int argc, char **argv)
{
	struct store_init_options init = {0};
	bool fresh;
	int option;
	while ((option = getopt_long(argc, argv, ":", options, NULL)) != -1) {
		switch (option) {
		case OPT_HELP:
			return fputs(help, stdout) < 0;
		case OPT_TABLE:
			init.table = optarg;
			break;
		case OPT_NAME:
			init.name_column = optarg;
			break;
		case OPT_SOURCE:
			init.source_column = optarg;
			break;
		default:
			return cli_bad_option(argc, argv, option);
		}
	}
	if (argc - optind != 1)
		return cli_usage(argc == optind ? "name the database" : "one database at a time");
	if (store_init(argv[optind], &init, &fresh))
		return cli_fail("%s", store_error());
	return report(argv[optind], &init, fresh);
}
