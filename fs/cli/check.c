/* SPDX-License-Identifier: MIT */
/*
 * pymodfs check: what is wrong in a database, and what may be.
 *
 * A problem is what somebody would want mended: damage, a row that can't be a path, a module and a package of the same
 * name, of which one can't be imported, a module that hides one of the standard library, a source that doesn't compile. A
 * note is what may well be meant: a package without an __init__ is a namespace package. The tree is walked in one snapshot.
 * One thread.
 */
#include "../mount/json_bytes.h"
#include "../store/escape.h"
#include "cli.h"
#include "compile.h"
#include "output.h"
#include "waiting.h"

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct check {
	/* options */
	bool json, no_compile;
	const char *python;

	long problems, notes;
	struct store_reader *reader;
};

/* ---- what is found ---- */

static void print_text(const char *what, const char *name, size_t size, const char *words)
{
	printf("%s: ", what);
	escape_print(stdout, name, size);
	fputs(size ? ": " : "", stdout);
	output_name(words);
	putchar('\n');
}

static int print_json(
	const char *what, const char *kind, const char *name, size_t size, const char *words)
{
	json_t *text = name ? json_stringn(name, size) : json_null();
	if (!text)
		text = json_bytes(name, size, SIZE_MAX);
	json_t *line = json_pack("{s:s, s:s, s:o, s:o}", "level", what, "kind", kind, "name", text,
		"message", json_text(words));
	if (!line)
		return -ENOMEM;
	int failed = json_dumpf(line, stdout, 0) || putchar('\n') == EOF;
	json_decref(line);
	return failed ? -EIO : 0;
}

/* name may be NULL: it is about the whole database. */
static int report(struct check *check, bool problem, const char *kind, const char *name,
	size_t size, const char *words)
{
	const char *what = problem ? "problem" : "note";
	check->problems += problem;
	check->notes += !problem;
	waiting_end();
	if (check->json)
		return print_json(what, kind, name, size, words);
	print_text(what, name, size, words);
	return 0;
}

static int report_damage(void *arg, const char *words)
{
	return report(arg, true, "damage", NULL, 0, words);
}

static int check_schema(struct check *check, const struct store *store)
{
	char *words;
	if (store_schema(store) == store_schema_wanted())
		return 0;
	if (asprintf(&words, "the schema is %lld, this program's is %lld; run: pymodfs upgrade %s",
		    (long long)store_schema(store), (long long)store_schema_wanted(),
		    store_url(store)) < 0)
		return -ENOMEM;
	int err = report(check, true, "schema", NULL, 0, words);
	free(words);
	return err;
}

/* ---- rows that can't be files ---- */

static const char *wrong_segment(const char *name)
{
	for (;;) {
		size_t size = strcspn(name, ".");
		bool last = !name[size];
		if (!size)
			return "a part of the name is empty: a dot too many";
		if (size > (last ? STORE_NAME_MAX - 3 : STORE_NAME_MAX))
			return "a part of the name is too long for a file name";
		if (last)
			return NULL;
		name += size + 1;
	}
}

static const char *wrong_name(const char *name, size_t size)
{
	if (!size)
		return "the name is empty or NULL";
	if (strlen(name) != size)
		return "there is a NUL in the name";
	if (strchr(name, '/'))
		return "there is a slash in the name; parts of it are parted by dots";
	for (const char *c = name; *c; c++)
		if ((unsigned char)*c < ' ')
			return "there is a control character in the name";
	if (size > 4092)
		return "the name is too long for a path";
	return wrong_segment(name);
}

/* Is there something else at the path of a/b.py, or a file where a directory would have to be? */
static bool is_taken(struct check *check, const char *name)
{
	struct store_node node = {.id = STORE_ROOT};
	char base[STORE_NAME_MAX + 1];
	int err = 0;
	while (!err) {
		size_t size = strcspn(name, ".");
		bool last = !name[size];
		snprintf(base, sizeof(base), "%.*s%s", (int)size, name, last ? ".py" : "");
		err = store_lookup(check->reader, node.id, base, &node);
		if (!err && (last || node.kind != STORE_DIR))
			return true;
		name += size + !last;
	}
	return false;
}

static int check_hidden(void *arg, const char *name, size_t size)
{
	struct check *check = arg;
	const char *words = wrong_name(name, size);
	if (!words && is_taken(check, name))
		words = "something that is no module has its path";
	if (!words)
		words = "the name is not text";
	return report(check, true, "hidden", name, size, words);
}

/* ---- packages ---- */

/* A directory in a directory: looked at when that one has been read. */
struct entry {
	int64_t id;
	char *name;
};

struct dir {
	struct check *check;
	const char *path;   /* dotted */
	bool modules, init; /* has any; has an __init__ */
	struct entry *dirs; /* the directories in it */
	size_t n, room;
};

static void dir_finish(struct dir *dir)
{
	for (size_t i = 0; i < dir->n; i++)
		free(dir->dirs[i].name);
	free(dir->dirs);
}

static int add_dir(struct dir *dir, const struct store_entry *entry)
{
	if (dir->n == dir->room) {
		size_t room = dir->room ? 2 * dir->room : 16;
		void *dirs = reallocarray(dir->dirs, room, sizeof(*dir->dirs));
		if (!dirs)
			return -ENOMEM;
		dir->dirs = dirs;
		dir->room = room;
	}
	char *name = strdup(entry->name);
	if (!name)
		return -ENOMEM;
	dir->dirs[dir->n++] = (struct entry){.id = entry->node.id, .name = name};
	return 0;
}

static int take_entry(void *arg, const struct store_entry *entry)
{
	struct dir *dir = arg;
	if (entry->node.kind == STORE_DIR)
		return add_dir(dir, entry);
	dir->modules |= entry->node.kind == STORE_MODULE;
	dir->init |= !strcmp(entry->name, "__init__.py");
	return 0;
}

/* Of a module and a package of the same name one is never imported. */
static int check_shadow(struct dir *dir, int64_t parent, const char *name)
{
	struct store_node node;
	char file[STORE_NAME_MAX + 4];
	snprintf(file, sizeof(file), "%s.py", name);
	int err = store_lookup(dir->check->reader, parent, file, &node);
	if (err)
		return err == -ENOENT ? 0 : err;
	return report(dir->check, true, "shadowed", dir->path, strlen(dir->path),
		dir->init ? "the package of this name shadows the module of this name"
			  : "the module of this name shadows the modules below: they can't be "
			    "imported");
}

/* A directory with modules in it that is not the root. */
static int check_package(struct dir *dir, int64_t parent, const char *name)
{
	int err = check_shadow(dir, parent, name);
	if (!err && !dir->init)
		err = report(dir->check, false, "namespace", dir->path, strlen(dir->path),
			"a package without an __init__");
	return err;
}

static int check_dir(struct check *check, int64_t id, const char *path);

static int check_below(struct dir *dir, const struct entry *entry)
{
	char *path;
	/* What has a dot in its name is never imported. */
	if (strchr(entry->name, '.'))
		return 0;
	if (asprintf(&path, "%s%s%s", dir->path, *dir->path ? "." : "", entry->name) < 0)
		return -ENOMEM;
	int err = check_dir(dir->check, entry->id, path);
	free(path);
	return err;
}

static int check_dir(struct check *check, int64_t id, const char *path)
{
	struct dir dir = {.check = check, .path = path};
	const char *dot = strrchr(path, '.');
	struct store_node node;
	int err = store_get_node(check->reader, id, &node);
	if (!err)
		err = store_list(check->reader, id, 0, take_entry, &dir);
	if (!err && *path && dir.modules)
		err = check_package(&dir, node.parent, dot ? dot + 1 : path);
	for (size_t i = 0; i < dir.n && !err; i++)
		err = check_below(&dir, &dir.dirs[i]);
	dir_finish(&dir);
	return err;
}

/* ---- what the interpreter says ---- */

static int report_module(
	void *arg, const struct filelist_file *file, bool stdlib, int line, const char *words)
{
	char *text;
	int size = stdlib ? asprintf(&text, "hides the module of this name of the standard library")
		   : line ? asprintf(&text, "line %d: %s", line, words)
			  : asprintf(&text, "%s", words);
	if (size < 0)
		return -ENOMEM;
	int err = report(
		arg, true, stdlib ? "stdlib" : "syntax", file->path, strlen(file->path), text);
	free(text);
	return err;
}

/* An interpreter that isn't there is said, and is no failure: the rest of the check holds. */
static int check_sources(struct check *check)
{
	const char *python = check->python ? check->python : COMPILE_PYTHON;
	struct filelist modules;
	int err = 0;
	if (filelist_init(&modules, "the database", check->reader, INT64_MAX))
		err = -EIO;
	else
		err = compile_all(&modules, python, report_module, check);
	filelist_finish(&modules);
	if (err == -ENOENT)
		return report(check, false, "python", python, strlen(python),
			"there is no such program; the sources were not compiled");
	if (err == -EIO && !ferror(stdout))
		return report(check, true, "python", python, strlen(python),
			"failed; not all sources were compiled");
	return err;
}

/* ---- the whole ---- */

static void print_sum(const struct check *check, const struct store *store)
{
	if (!check->json)
		printf("%s: schema %lld, %ld problem%s, %ld note%s\n", store_url(store),
			(long long)store_schema(store), check->problems,
			check->problems == 1 ? "" : "s", check->notes,
			check->notes == 1 ? "" : "s");
}

/* Damage first: with it, what the rest says may be wrong. */
static int check_all(struct check *check, struct store *store)
{
	waiting_begin("checking");
	int err = store_check(store, report_damage, check);
	if (!err)
		err = check_schema(check, store);
	if (!err)
		err = store_reader_create(store, &check->reader);
	if (!err)
		err = store_reader_begin(check->reader);
	if (!err)
		err = store_hidden(check->reader, check_hidden, check);
	if (!err)
		err = check_dir(check, STORE_ROOT, "");
	if (!err && !check->no_compile)
		err = check_sources(check);
	store_reader_destroy(check->reader);
	waiting_end();
	if (err && ferror(stdout))
		return cli_fail("can't write: %s", strerror(errno));
	if (err)
		return cli_fail("%s: %s", store_url(store), store_error());
	print_sum(check, store);
	return check->problems ? CLI_FAILURE : 0;
}

static const struct cli_option options[] = {
	{"no-compile", 0, CLI_FLAG, offsetof(struct check, no_compile), NULL, CLI_NOTHING,
		"leave out what needs the interpreter"},
	{"python", 0, CLI_TEXT, offsetof(struct check, python), "PROGRAM", CLI_FILE,
		"the interpreter (default: " COMPILE_PYTHON ")"},
	{"json", 0, CLI_FLAG, offsetof(struct check, json), NULL, CLI_NOTHING, "JSON, a line each"},
	{0},
};

static int run(void *arg, int argc, char **argv)
{
	const struct store_options store_options = {.read_only = true, .old_too = true};
	struct store *store;
	if (store_open(argv[0], &store_options, &store))
		return cli_fail("%s", store_error());
	int status = check_all(arg, store);
	store_close(store);
	return status;
}

const struct cli_command cmd_check = {
	.name = "check",
	.summary = "look for what is wrong in a database",
	.operands = "DB",
	.about =
		"Looks for what is wrong in the database DB: damage; a schema that is out of "
		"date; rows that can't be\n"
		"files, and why; a module and a package of the same name; modules that hide one of "
		"the standard\n"
		"library; sources that don't compile (nothing is executed). Notes packages without "
		"an __init__. The exit\n"
		"status is 1 when there is a problem; a note is none.\n",
	.options = options,
	.size = sizeof(struct check),
	.min = 1,
	.max = 1,
	.wanted = "name one database",
	.words = {CLI_DB, CLI_NOTHING, CLI_NOTHING},
	.run = run,
};
