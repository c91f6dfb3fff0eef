/* SPDX-License-Identifier: MIT */
/* pymodfs backup: a copy of the database as it is at one moment, while it is in use. */
#include "cli.h"
#include "store.h"

#include <getopt.h>
#include <stdio.h>

static const char help[] =
	"Usage: pymodfs backup DB FILE\n"
	"Copies the database DB, with its history, to the new file FILE. Mounts and other programs "
	"may go on\n"
	"meanwhile; the copy is the state of one moment.\n\n"
	"  --help  this text\n";

enum { OPT_HELP = 1 };

static const struct option options[] = {
	{"help", no_argument, NULL, OPT_HELP},
	{0},
};

int cmd_backup(int argc, char **argv)
{
	const struct store_options store_options = {.read_only = true};
	struct store *store;
	int option, status = 0;
	while ((option = getopt_long(argc, argv, ":", options, NULL)) != -1) {
		if (option != OPT_HELP)
			return cli_bad_option(argc, argv, option);
		return fputs(help, stdout) < 0;
	}
	if (argc - optind != 2)
		return cli_usage("name the database and the new file");
	if (store_open(argv[optind], &store_options, &store))
		return cli_fail("%s", store_error());
	if (store_backup(store, argv[optind + 1]))
		status = cli_fail("%s", store_error());
	else
		printf("%s is a copy of %s\n", argv[optind + 1], store_url(store));
	store_close(store);
	return status;
}
