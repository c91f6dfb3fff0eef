/* SPDX-License-Identifier: MIT */
/*
 * MODULE[@VERSION]: from words of the command line to contents. Everything is looked up in the reader's one
 * snapshot. One thread.
 */
#include "past.h"
#include "cli.h"
#include "filelist.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* ---- names ---- */

/* Cuts @VERSION off. */
static int64_t split_version(char *word)
{
	char *at = strrchr(word, '@');
	if (!at || !at[1] || strlen(at + 1) > 18 || at[1 + strspn(at + 1, "0123456789")])
		return 0;
	int64_t version = strtoll(at + 1, NULL, 10);
	if (version > 0)
		*at = '\0';
	return version;
}

static bool is_path(const char *text)
{
	size_t size = strlen(text);
	return strchr(text, '/') || (size > 3 && !strcmp(text + size - 3, ".py"));
}

/* a.b to a/b and what is to follow. */
static char *module_path(const char *module, const char *end)
{
	char *path = malloc(strlen(module) + strlen(end) + 1);
	if (!path)
		return NULL;
	strcpy(stpcpy(path, module), end);
	for (size_t i = 0; i < strlen(module); i++)
		if (path[i] == '.')
			path[i] = '/';
	return path;
}

static int stop_at_version(void *arg, const struct store_version *version)
{
	return 1;
}

static bool has_history(struct store_reader *reader, const char *path)
{
	return store_history(reader, path, stop_at_version, NULL) == 1;
}

/* The path that a dotted name means: the first of these that is or was there, else the first. */
static char *find_path(struct store_reader *reader, const char *word)
{
	char *path = module_path(word, ".py");
	char *package = module_path(word, "/__init__.py");
	char *other = strdup(word);
	if (path && package && other && !has_history(reader, path)) {
		char **found = has_history(reader, package) ? &package
			       : has_history(reader, other) ? &other
							    : &path;
		char *first = path;
		path = *found;
		*found = first;
	}
	free(other);
	free(package);
	return path;
}

int past_name_init(struct past_name *name, struct store_reader *reader, const char *word)
{
	char *copy = strdup(word);
	if (!copy)
		return cli_fail("out of memory");
	int64_t version = split_version(copy);
	char *path = is_path(copy) ? strdup(copy) : find_path(reader, copy);
	free(copy);
	if (!path)
		return cli_fail("out of memory");
	*name = (struct past_name){.word = word, .path = path, .version = version};
	return 0;
}

void past_name_finish(struct past_name *name)
{
	free(name->path);
}

/* A module's dotted name of its path, in place. */
static void make_dotted(char *path)
{
	path[strlen(path) - 3] = '\0';
	for (; *path; path++)
		if (*path == '/')
			*path = '.';
}

/* The name among all modules that the word may have been meant to be; the caller frees. NULL: none. */
static char *find_nearest(struct store_reader *reader, const char *word)
{
	struct filelist files;
	char *found = NULL;
	if (filelist_init(&files, word, reader, INT64_MAX)) {
		filelist_finish(&files);
		return NULL;
	}
	const char **names = calloc(files.n + 1, sizeof(*names));
	for (size_t i = 0; names && i < files.n; i++) {
		if (files.files[i].kind != STORE_MODULE)
			continue;
		if (!is_path(word))
			make_dotted(files.files[i].path);
		names[i] = files.files[i].path;
	}
	const char *near = names ? cli_nearest(word, names, files.n) : NULL;
	if (near)
		found = strdup(near);
	free(names);
	filelist_finish(&files);
	return found;
}

int past_fail_unknown(struct store_reader *reader, const char *word)
{
	char *near = find_nearest(reader, word);
	if (near)
		cli_fail("there is no %s, and there never was; did you mean %s?", word, near);
	else
		cli_fail("there is no %s, and there never was", word);
	free(near);
	return CLI_FAILURE;
}

bool past_is_known(struct store_reader *reader, const struct past_name *name)
{
	return has_history(reader, name->path);
}

/* ---- versions ---- */

struct search {
	int64_t wanted; /* 0: the newest that is kept */
	int64_t below;  /* 0: any */
	bool seen;      /* the file has a history */
	struct past_version found;
};

static int match_version(void *arg, const struct store_version *version)
{
	struct search *search = arg;
	search->seen = true;
	if (search->wanted ? version->id != search->wanted
			   : !version->kept || (search->below && version->id >= search->below))
		return 0;
	search->found = (struct past_version){
		.id = version->id,
		.current = version->current,
		.kept = version->kept,
	};
	return 1;
}

static int search_history(
	struct store_reader *reader, const struct past_name *name, struct search *search)
{
	int found = store_history(reader, name->path, match_version, search);
	if (found < 0)
		return cli_fail("%s: %s", name->word, store_error());
	if (!search->seen)
		return past_fail_unknown(reader, name->word);
	return 0;
}

static int find_current(
	struct store_reader *reader, const struct past_name *name, struct past_version *ret_version)
{
	struct store_node node;
	struct search search = {.wanted = -1};
	int err = store_at_lookup(reader, INT64_MAX, name->path, &node);
	if (!err && node.kind == STORE_DIR)
		return cli_fail("%s is a directory", name->word);
	if (!err) {
		*ret_version = (struct past_version){node.version, true, true};
		return 0;
	}
	if (err != -ENOENT)
		return cli_fail("%s: %s", name->word, store_error());
	int status = search_history(reader, name, &search);
	if (!status)
		*ret_version = (struct past_version){0};
	return status;
}

int past_find(
	struct store_reader *reader, const struct past_name *name, struct past_version *ret_version)
{
	struct search search = {.wanted = name->version};
	if (!name->version)
		return find_current(reader, name, ret_version);
	int status = search_history(reader, name, &search);
	if (!status && !search.found.id)
		status = cli_fail("%s: there is no such version of %s; pymodfs log tells which "
				  "there are",
			name->word, name->path);
	if (!status)
		*ret_version = search.found;
	return status;
}

int past_find_before(struct store_reader *reader, const struct past_name *name, int64_t version,
	struct past_version *ret_version)
{
	struct search search = {.below = version};
	int status = search_history(reader, name, &search);
	if (!status)
		*ret_version = search.found;
	return status;
}

int past_read(struct store_reader *reader, const struct past_name *name,
	const struct past_version *version, void **ret_data, size_t *ret_size)
{
	if (!version->kept)
		return cli_fail("%s: the content of version %lld of %s is no longer kept",
			name->word, (long long)version->id, name->path);
	if (store_read(reader, version->id, ret_data, ret_size))
		return cli_fail("%s: %s", name->word, store_error());
	return 0;
}

/* ---- generations ---- */

/* A number in the middle of a transaction is a state that never was. */
static int refuse_half(struct store_reader *reader, const char *word, int64_t change)
{
	int64_t first, last;
	if (store_find_transaction(reader, change, &first, &last))
		return cli_fail("%s", store_error());
	if (change == last)
		return 0;
	return cli_fail("%s is in the middle of a transaction; name %lld for the state after it, "
			"%lld for the one before",
		word, (long long)last, (long long)first - 1);
}

static int find_number(struct store_reader *reader, const char *word, int64_t *ret_change)
{
	int64_t last;
	errno = 0;
	int64_t change = strtoll(word, NULL, 10);
	if (errno)
		change = INT64_MAX;
	if (store_last_change(reader, &last))
		return cli_fail("%s", store_error());
	if (change > last)
		return cli_fail(
			"there is no generation %s yet; the newest is %lld", word, (long long)last);
	int status = refuse_half(reader, word, change);
	if (!status)
		*ret_change = change;
	return status;
}

static int find_moment(
	struct store_reader *reader, const char *word, int64_t time, int64_t *ret_change)
{
	int64_t change, first, last;
	int err = store_change_at_time(reader, time, &change);
	if (!err)
		err = store_find_transaction(reader, change, &first, &last);
	if (err)
		return cli_fail("%s", store_error());
	/* What was still under way at that time hadn't happened yet. */
	if (change != last)
		change = first - 1;
	if (change <= 0)
		return cli_fail(
			"the history begins later than %s; for its beginning name generation 0",
			word);
	*ret_change = change;
	return 0;
}

int past_generation(struct store_reader *reader, const char *word, int64_t *ret_change)
{
	int64_t time;
	if (*word && !word[strspn(word, "0123456789")])
		return find_number(reader, word, ret_change);
	if (cli_parse_time(word, &time))
		return cli_usage(
			"a generation is a number that pymodfs log tells, or a time, not %s", word);
	return find_moment(reader, word, time, ret_change);
}

/* ---- the database ---- */

int past_with_reader(const char *url, past_fn *fn, void *arg)
{
	const struct store_options options = {.read_only = true};
	struct store *store;
	struct store_reader *reader = NULL;
	if (store_open(url, &options, &store))
		return cli_fail("%s", store_error());
	int err = store_reader_create(store, &reader);
	if (!err)
		err = store_reader_begin(reader);
	int status = err ? cli_fail("%s: %s", store_url(store), store_error()) : fn(reader, arg);
	store_reader_destroy(reader);
	store_close(store);
	return status;
}
