/* SPDX-License-Identifier: MIT */
/* pymodfs show: a module as it is or was, byte for byte. */
#include "cli.h"
#include "past.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char help[] =
	"Usage: pymodfs show DB MODULE[@VERSION]\n"
	"Prints a module of the database DB: as it is, or a version that it had. `pymodfs log` "
	"tells which there\n"
	"are. MODULE is a dotted name (a.b) or a path (a/b.py).\n\n"
	"  --help  this text\n";

enum { OPT_HELP = 1 };

static const struct option options[] = {
	{"help", no_argument, NULL, OPT_HELP},
	{0},
};

static int print(const void *data, size_t size)
{
	if (fwrite(data, 1, size, stdout) != size || fflush(stdout))
		return cli_fail("can't write: %s", strerror(errno));
	return 0;
}

static int show_name(struct store_reader *reader, const struct past_name *name)
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
	status = print(data, size);
	free(data);
	return status;
}

static int show(struct store_reader *reader, void *arg)
{
	struct past_name name;
	int status = past_name_init(&name, reader, arg);
	if (status)
		return status;
	status = show_name(reader, &name);
	past_name_finish(&name);
	return status;
}

int cmd_show(int argc, char **argv)
{
	int option;
	while ((option = getopt_long(argc, argv, ":", options, NULL)) != -1) {
		if (option != OPT_HELP)
			return cli_bad_option(argc, argv, option);
		return fputs(help, stdout) < 0;
	}
	if (argc - optind != 2)
		return cli_usage("name the database and the module");
	return past_with_reader(argv[optind], show, argv[optind + 1]);
}
