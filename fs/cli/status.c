/* SPDX-License-Identifier: MIT */
/* pymodfs status: what a mount says of itself, or what is in a database. */
#include "cli.h"
#include "store.h"

#include <errno.h>
#include <getopt.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static const char help[] = "Usage: pymodfs status [--json] MNT|DB\n"
			   "Tells of a mount, or of a database.\n\n"
			   "  --json  as one JSON object\n"
			   "  --help  this text\n";

enum { OPT_HELP = 1, OPT_JSON };

static const struct option options[] = {
	{"help", no_argument, NULL, OPT_HELP},
	{"json", no_argument, NULL, OPT_JSON},
	{0},
};

static json_t *database_status(
	struct store *store, const struct store_counts *counts, int64_t change)
{
	return json_pack("{s:s, s:s, s:s, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I}", "store",
		store_url(store), "table", store_table(store), "uuid", store_uuid(store), "modules",
		(json_int_t)counts->modules, "files", (json_int_t)counts->files, "links",
		(json_int_t)counts->links, "directories", (json_int_t)counts->dirs, "hidden",
		(json_int_t)counts->hidden, "versions", (json_int_t)counts->versions, "changes",
		(json_int_t)counts->changes, "last_change", (json_int_t)change);
}

static int read_database(const char *url, json_t **ret_status)
{
	const struct store_options store_options = {.read_only = true};
	struct store *store;
	struct store_reader *reader = NULL;
	struct store_counts counts;
	int64_t change;
	int err = store_open(url, &store_options, &store);
	if (err)
		return err;
	err = store_reader_create(store, &reader);
	if (!err)
		err = store_reader_begin(reader);
	if (!err)
		err = store_count(reader, &counts);
	if (!err)
		err = store_last_change(reader, &change);
	if (!err)
		*ret_status = database_status(store, &counts, change);
	store_reader_destroy(reader);
	store_close(store);
	return err;
}

static json_t *read_mount(const char *mountpoint)
{
	json_error_t error;
	char *path;
	if (asprintf(&path, "%s/.pymodfs/status", mountpoint) < 0)
		return NULL;
	json_t *status = json_load_file(path, 0, &error);
	free(path);
	return status;
}

/* "key  value" lines; what is in an object is indented. */
static void print_object(const json_t *object, int indent)
{
	const char *key;
	json_t *value;
	json_object_foreach((json_t *)object, key, value)
	{
		if (json_is_object(value)) {
			printf("%*s%s\n", indent, "", key);
			print_object(value, indent + 2);
			continue;
		}
		char *text = json_is_string(value) ? strdup(json_string_value(value))
						   : json_dumps(value, JSON_ENCODE_ANY);
		printf("%*s%-*s  %s\n", indent, "", 16 - indent, key, text ? text : "?");
		free(text);
	}
}

static int print_status(json_t *status, bool json)
{
	if (!status)
		return cli_fail("out of memory");
	if (json) {
		json_dumpf(status, stdout, JSON_INDENT(2));
		putchar('\n');
	} else {
		print_object(status, 0);
	}
	json_decref(status);
	return 0;
}

static int run(const char *what, bool json)
{
	struct stat st;
	json_t *status;
	if (stat(what, &st) && (errno == ENOTCONN || errno == EIO))
		return cli_fail(
			"%s is a dead mount: its daemon is gone; pymodfs umount %s", what, what);
	if (!stat(what, &st) && S_ISDIR(st.st_mode)) {
		status = read_mount(what);
		return status ? print_status(status, json)
			      : cli_fail("%s is no mount of pymodfs", what);
	}
	if (read_database(what, &status))
		return cli_fail("%s", store_error());
	return print_status(status, json);
}

int cmd_status(int argc, char **argv)
{
	bool json = false;
	int option;
	while ((option = getopt_long(argc, argv, ":", options, NULL)) != -1) {
		switch (option) {
		case OPT_HELP:
			return fputs(help, stdout) < 0;
		case OPT_JSON:
			json = true;
			break;
		default:
			return cli_bad_option(argc, argv, option);
		}
	}
	if (argc - optind != 1)
		return cli_usage("name a mount or a database");
	return run(argv[optind], json);
}
