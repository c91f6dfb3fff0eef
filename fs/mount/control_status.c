/* SPDX-License-Identifier: MIT */
/*
 * control_status.c - the files `generation` and `status`.
 */
#include "control.h"
#include "json_bytes.h"

#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define HIDDEN_MAX 10   /* names of hidden rows in the status */
#define HIDDEN_SIZE 200 /* bytes of each */

int control_print_generation(struct control *control, char **ret_text, size_t *ret_size)
{
	int size = asprintf(ret_text, "%" PRId64 "\n", feed_generation(control->mount->feed));
	if (size < 0)
		return -ENOMEM;
	*ret_size = (size_t)size;
	return 0;
}

static int add_hidden(void *arg, const char *name, size_t size)
{
	json_t *names = arg;
	if (json_array_size(names) == HIDDEN_MAX)
		return 1;
	return json_array_append_new(names, json_bytes(name, size, HIDDEN_SIZE)) < 0 ? -ENOMEM : 0;
}

static json_t *json_counts(const struct store_counts *counts)
{
	return json_pack("{s:I,s:I,s:I,s:I,s:I,s:I}", "modules", (json_int_t)counts->modules,
		"files", (json_int_t)counts->files, "links", (json_int_t)counts->links,
		"directories", (json_int_t)counts->dirs, "versions", (json_int_t)counts->versions,
		"changes", (json_int_t)counts->changes);
}

static json_t *json_hidden(const struct store_counts *counts, json_t *names)
{
	return json_pack("{s:I,s:o}", "count", (json_int_t)counts->hidden, "names", names);
}

static json_t *json_caches(struct control *control)
{
	return json_pack("{s:f,s:I,s:I}", "kernel_seconds", control->mount->timeout,
		"control_nodes", (json_int_t)HASH_CNT(by_id, control->by_id), "given_ahead",
		(json_int_t)control->mount->ahead.given);
}

/* How often the kernel asked for what; what it never asked for is left out. */
static json_t *json_requests(struct mount *mount)
{
	static const char *const names[REQUEST_COUNT] = {
		[REQUEST_LOOKUP] = "lookup",
		[REQUEST_FORGET] = "forget",
		[REQUEST_GETATTR] = "getattr",
		[REQUEST_SETATTR] = "setattr",
		[REQUEST_READLINK] = "readlink",
		[REQUEST_MKNOD] = "mknod",
		[REQUEST_MKDIR] = "mkdir",
		[REQUEST_UNLINK] = "unlink",
		[REQUEST_RMDIR] = "rmdir",
		[REQUEST_SYMLINK] = "symlink",
		[REQUEST_RENAME] = "rename",
		[REQUEST_LINK] = "link",
		[REQUEST_OPEN] = "open",
		[REQUEST_READ] = "read",
		[REQUEST_WRITE] = "write",
		[REQUEST_FLUSH] = "flush",
		[REQUEST_RELEASE] = "release",
		[REQUEST_FSYNC] = "fsync",
		[REQUEST_FSYNCDIR] = "fsyncdir",
		[REQUEST_OPENDIR] = "opendir",
		[REQUEST_READDIR] = "readdir",
		[REQUEST_READDIRPLUS] = "readdirplus",
		[REQUEST_STATFS] = "statfs",
		[REQUEST_CREATE] = "create",
		[REQUEST_POLL] = "poll",
		[REQUEST_IOCTL] = "ioctl",
	};
	json_t *requests = json_object();
	for (int i = 0; requests && i < REQUEST_COUNT; i++) {
		uint64_t count = atomic_load_explicit(&mount->requests[i], memory_order_relaxed);
		if (count)
			json_object_set_new(requests, names[i], json_integer((json_int_t)count));
	}
	return requests;
}

/* null: there was none. */
static json_t *json_last_error(void)
{
	char line[LOG_LINE_SIZE];
	log_get_last_error(line);
	return json_text(*line ? line : NULL);
}

/* null: off. */
static json_t *json_echo(struct echo *echo)
{
	pid_t pid;
	size_t waiting;
	if (!echo_get_status(echo, &pid, &waiting))
		return json_null();
	return json_pack("{s:I,s:I}", "pid", (json_int_t)pid, "waiting", (json_int_t)waiting);
}

static json_t *json_status(
	struct control *control, const struct store_counts *counts, json_t *names)
{
	struct mount *mount = control->mount;
	return json_pack("{s:s,s:o,s:o,s:s,s:I,s:o,s:b,s:b,s:I,s:o,s:o,s:o,s:o,s:o,s:o}", "pymodfs",
		PYMODFS_VERSION, "store", json_text(store_url(mount->store)), "table",
		json_text(store_table(mount->store)), "uuid", store_uuid(mount->store), "pid",
		(json_int_t)getpid(), "mountpoint", json_text(mount->mountpoint), "read_only",
		(int)mount->read_only, "allow_other", (int)mount->allow_other, "generation",
		(json_int_t)feed_generation(mount->feed), "counts", json_counts(counts), "hidden",
		json_hidden(counts, names), "caches", json_caches(control), "echo",
		json_echo(mount->echo), "requests", json_requests(mount), "last_error",
		json_last_error());
}

static int print(const json_t *status, char **ret_text, size_t *ret_size)
{
	char *text = json_dumps(status, JSON_INDENT(2));
	size_t size = text ? strlen(text) : 0;
	char *line = text ? realloc(text, size + 2) : NULL;
	if (!line) {
		free(text);
		return -ENOMEM;
	}
	line[size] = '\n';
	line[size + 1] = '\0';
	*ret_text = line;
	*ret_size = size + 1;
	return 0;
}

int control_print_status(struct control *control, char **ret_text, size_t *ret_size)
{
	struct store_counts counts;
	json_t *names = json_array();
	int error = names ? store_count(control->mount->reader, &counts) : -ENOMEM;
	if (!error)
		error = store_hidden(control->mount->reader, add_hidden, names);
	if (error < 0) {
		json_decref(names);
		return error;
	}
	json_t *status = json_status(control, &counts, names);
	error = status ? print(status, ret_text, ret_size) : -ENOMEM;
	json_decref(status);
	return error;
}
