/* SPDX-License-Identifier: MIT */
/* pymodfs status: what a mount says of itself, or what is in a database. */
#include "../mount/json_bytes.h"
#include "../mount/mountpoint.h"
#include "../store/user.h"
#include "cli.h"
#include "mounts.h"
#include "output.h"
#include "store.h"

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum format { FORMAT_TEXT, FORMAT_JSON, FORMAT_PROMETHEUS };

struct status_options {
	bool json, prometheus;
};

static const struct cli_option options[] = {
	{"json", 0, CLI_FLAG, offsetof(struct status_options, json), NULL, CLI_NOTHING,
		"as one JSON object"},
	{"prometheus", 0, CLI_FLAG, offsetof(struct status_options, prometheus), NULL, CLI_NOTHING,
		"as metrics in Prometheus' text format"},
	{0},
};

static json_t *database_status(
	struct store *store, const struct store_counts *counts, int64_t change)
{
	return json_pack("{s:o, s:o, s:s, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I}", "store",
		json_text(store_url(store)), "table", json_text(store_table(store)), "uuid",
		store_uuid(store), "modules", (json_int_t)counts->modules, "files",
		(json_int_t)counts->files, "links", (json_int_t)counts->links, "directories",
		(json_int_t)counts->dirs, "hidden", (json_int_t)counts->hidden, "versions",
		(json_int_t)counts->versions, "changes", (json_int_t)counts->changes, "last_change",
		(json_int_t)change);
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
		printf("%*s%-*s  ", indent, "", 16 - indent, key);
		output_name(text ? text : "?");
		putchar('\n');
		free(text);
	}
}

/* ---- Prometheus: https://prometheus.io/docs/instrumenting/exposition_formats/ ---- */

static void print_label(const char *name, const char *value)
{
	printf("%s=\"", name);
	for (; *value; value++)
		if (*value == '\n')
			fputs("\\n", stdout);
		else if (*value == '"' || *value == '\\')
			printf("\\%c", *value);
		else
			putchar(*value);
	putchar('"');
}

static const char *text_of(const json_t *status, const char *key)
{
	const char *text = json_string_value(json_object_get(status, key));
	return text ? text : "";
}

/* One database may have several mounts, and none of them the labels of another. */
static void print_place(const json_t *status)
{
	const char *mountpoint = text_of(status, "mountpoint");
	print_label("database", text_of(status, "store"));
	if (*mountpoint) {
		putchar(',');
		print_label("mountpoint", mountpoint);
	}
}

static void print_metric(const json_t *status, const char *name, const char *type, const char *help,
	json_int_t value)
{
	printf("# HELP pymodfs_%s %s\n# TYPE pymodfs_%s %s\npymodfs_%s{", name, help, name, type,
		name);
	print_place(status);
	printf("} %lld\n", (long long)value);
}

/* What a number of the status is called, and where it stands in a mount's and in a database's. */
static const struct metric {
	const char *object, *key, *name, *type, *help;
} metrics[] = {
	{"counts", "modules", "modules", "gauge", "Modules in the tree."},
	{"counts", "files", "files", "gauge", "Other files in the tree."},
	{"counts", "links", "links", "gauge", "Symbolic links in the tree."},
	{"counts", "directories", "directories", "gauge", "Directories in the tree."},
	{"counts", "versions", "versions", "gauge", "Versions of files, old ones included."},
	{"counts", "changes", "changes", "gauge", "Changes in the feed."},
	{"hidden", "count", "hidden_rows", "gauge", "Rows that can't be files."},
	{NULL, "hidden", "hidden_rows", "gauge", "Rows that can't be files."},
	{NULL, "last_change", "last_change", "gauge", "Number of the newest change."},
	{NULL, "generation", "generation", "gauge", "Generation that the mount shows."},
	{NULL, "read_only", "read_only", "gauge", "1: the mount is read-only."},
	{"echo", "waiting", "echo_waiting", "gauge",
		"Changes that watchers are still to be told of."},
};

static void print_requests(const json_t *status)
{
	const json_t *requests = json_object_get(status, "requests");
	const char *key;
	json_t *value;
	if (!requests)
		return;
	puts("# HELP pymodfs_requests_total Requests of the kernel since the mount began.\n"
	     "# TYPE pymodfs_requests_total counter");
	json_object_foreach((json_t *)requests, key, value)
	{
		fputs("pymodfs_requests_total{", stdout);
		print_place(status);
		putchar(',');
		print_label("request", key);
		printf("} %lld\n", (long long)json_integer_value(value));
	}
}

static void print_prometheus(const json_t *status)
{
	print_metric(status, "up", "gauge", "1: it answers.", 1);
	for (size_t i = 0; i < sizeof(metrics) / sizeof(metrics[0]); i++) {
		const struct metric *m = &metrics[i];
		const json_t *object = m->object ? json_object_get(status, m->object) : NULL;
		const json_t *value = json_object_get(object ? object : status, m->key);
		if (json_is_integer(value) || json_is_boolean(value))
			print_metric(status, m->name, m->type, m->help,
				json_is_true(value) ? 1 : json_integer_value(value));
	}
	print_requests(status);
	if (json_object_get(status, "last_error"))
		print_metric(status, "had_error", "gauge",
			"1: the log of the mount has an error; see its status.",
			!json_is_null(json_object_get(status, "last_error")));
}

/* ---- the whole ---- */

static int print_status(json_t *status, enum format format)
{
	if (!status)
		return cli_fail("out of memory");
	if (format == FORMAT_JSON) {
		json_dumpf(status, stdout, JSON_INDENT(2));
		putchar('\n');
	} else if (format == FORMAT_PROMETHEUS) {
		print_prometheus(status);
	} else {
		print_object(status, 0);
	}
	json_decref(status);
	return 0;
}

/* The kernel lets nobody in whom the mount's owner didn't let in, not even to look. */
static bool find_closed(const char *what, struct mountpoint *ret_mount)
{
	char *path = mountpoint_resolve(what);
	bool found = path && mountpoint_find(path, ret_mount);
	free(path);
	return found;
}

static int run_status(const char *what, enum format format)
{
	struct stat st;
	struct mountpoint mount;
	json_t *status;
	int err = stat(what, &st) ? errno : 0;
	if (err == EIO || mountpoint_is_dead(what))
		return cli_fail(
			"%s is a dead mount: its daemon is gone; pymodfs umount %s", what, what);
	if (err == EACCES && find_closed(what, &mount))
		return cli_fail("%s was mounted by %s, for that user alone; ask as that user, or "
				"mount it with -o allow_other",
			what, user_name(mount.owner).text);
	if (!err && S_ISDIR(st.st_mode)) {
		status = mounts_read_status(what);
		return status ? print_status(status, format)
			      : cli_fail("%s is no mount of pymodfs", what);
	}
	if (read_database(what, &status))
		return cli_fail("%s", store_error());
	return print_status(status, format);
}

static int run(void *arg, int argc, char **argv)
{
	const struct status_options *chosen = arg;
	if (chosen->json && chosen->prometheus)
		return cli_usage("--json and --prometheus exclude each other");
	return run_status(argv[0], chosen->json         ? FORMAT_JSON
				   : chosen->prometheus ? FORMAT_PROMETHEUS
							: FORMAT_TEXT);
}

const struct cli_command cmd_status = {
	.name = "status",
	.summary = "tell of a mount or a database",
	.operands = "MNT|DB",
	.about = "Tells of a mount, or of a database. The exit status is 1 when it doesn't "
		 "answer.\n",
	.options = options,
	.size = sizeof(struct status_options),
	.min = 1,
	.max = 1,
	.wanted = "name a mount or a database",
	.words = {CLI_MOUNT_OR_DB, CLI_NOTHING, CLI_NOTHING},
	.run = run,
};
