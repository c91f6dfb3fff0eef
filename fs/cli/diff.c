/* SPDX-License-Identifier: MIT */
/*
 * pymodfs diff: what changed between two versions of a module, two states of the database, a directory and a database, or two
 * databases; as `diff -u` says it, with its exit statuses.
 *
 * Either two contents are compared, or two trees (filelist.h), file by file. The pager starts with the first difference; until
 * then there may be a bar. One thread.
 */
#include "../mount/json_bytes.h"
#include "cli.h"
#include "output.h"
#include "past.h"
#include "progress.h"
#include "text.h"
#include "filelist.h"
#include "waiting.h"

#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { DIFF_SAME = 0, DIFF_FOUND = 1, DIFF_TROUBLE = 2 };

struct diff {
	/* options */
	const char *from, *to;
	bool json, brief;

	char **words; /* the operands behind the database, ended by NULL */
	bool found;   /* a difference */
	const struct filelist *old, *new;
	struct progress progress;
	int64_t done; /* files of either tree */
};

/* A content with its name. */
struct side {
	char *label;
	void *data;
	size_t size;
};

static void side_finish(struct side *side)
{
	free(side->label);
	free(side->data);
}

/* ---- two contents ---- */

static int print_json(struct diff *diff, const char *path, const struct side *old,
	const struct side *new, bool binary)
{
	size_t added = 0, removed = 0;
	if (!binary && text_count(old->data ? old->data : "", old->size, new->data ? new->data : "",
			       new->size, &added, &removed))
		return cli_fail("out of memory");
	json_t *line =
		json_pack("{s:o, s:s, s:o, s:o, s:o, s:o}", "path", json_text(path), "change",
			!old->data   ? "added"
			: !new->data ? "removed"
				     : "changed",
			"old", json_text(old->label), "new", json_text(new->label), "added",
			binary ? json_null() : json_integer((json_int_t)added), "removed",
			binary ? json_null() : json_integer((json_int_t)removed));
	if (!line)
		return cli_fail("out of memory");
	json_dumpf(line, stdout, 0);
	putchar('\n');
	json_decref(line);
	return 0;
}

static void print_brief(const char *path, const struct side *old, const struct side *new)
{
	bool added = !old->data, removed = !new->data;
	printf("%s%s ",
		output_style(added     ? STYLE_NEW
			     : removed ? STYLE_OLD
				       : STYLE_WARN),
		added     ? "added  "
		: removed ? "removed"
			  : "changed");
	output_name(path);
	printf("%s\n", output_plain());
}

static void begin_output(struct diff *diff)
{
	progress_give_way(&diff->progress);
	if (!diff->found && !diff->json)
		output_begin();
	diff->found = true;
}

/* NULL data: nothing is there, as /dev/null. */
static int print_sides(
	struct diff *diff, const char *path, const struct side *old, const struct side *new)
{
	struct text a, b = {.starts = NULL};
	bool differ = !old->data != !new->data || old->size != new->size ||
		      (old->data && memcmp(old->data, new->data, old->size) != 0);
	int status = 0;
	if (!differ)
		return 0;
	begin_output(diff);
	if (text_init(&a, old->data ? old->data : "", old->size))
		return cli_fail("out of memory");
	if (text_init(&b, new->data ? new->data : "", new->size))
		status = cli_fail("out of memory");
	else if (diff->json)
		status = print_json(diff, path, old, new, text_is_binary(&a) || text_is_binary(&b));
	else if (diff->brief)
		print_brief(path, old, new);
	else if (text_print_diff(old->label, &a, new->label, &b))
		status = cli_fail("out of memory");
	text_finish(&b);
	text_finish(&a);
	return status;
}

/* ---- two versions ---- */

static int make_side(struct side *side, struct store_reader *reader, const struct past_name *name,
	const struct past_version *version)
{
	if (asprintf(&side->label, version->id ? "%s@%lld" : "/dev/null", name->path,
		    (long long)version->id) < 0) {
		side->label = NULL;
		return cli_fail("out of memory");
	}
	return version->id ? past_read(reader, name, version, &side->data, &side->size) : 0;
}

/* A name of the two, with its version; id 0: nothing. */
struct named {
	struct past_name name;
	struct past_version version;
};

static int compare_named(struct store_reader *reader, struct diff *diff, const struct named *old,
	const struct named *new)
{
	struct side a = {.data = NULL}, b = {.data = NULL};
	int status = make_side(&a, reader, &old->name, &old->version);
	if (!status)
		status = make_side(&b, reader, &new->name, &new->version);
	if (!status)
		status = print_sides(diff, new->name.path, &a, &b);
	side_finish(&b);
	side_finish(&a);
	return status;
}

/* What the file had after a change. */
static int find_at(struct store_reader *reader, struct named *named, const char *generation)
{
	struct store_node node;
	int64_t change = INT64_MAX;
	int status = generation ? past_generation(reader, generation, &change) : 0;
	if (status)
		return status;
	int err = store_at_lookup(reader, change, named->name.path, &node);
	if (err && err != -ENOENT)
		return cli_fail("%s: %s", named->name.word, store_error());
	if (!err && node.kind == STORE_DIR)
		return cli_fail("%s is a directory", named->name.word);
	named->version = (struct past_version){err ? 0 : node.version, false, true};
	return 0;
}

/* One name: against the version before it. A deleted module's last version against nothing. */
static int find_versions(
	struct store_reader *reader, const struct diff *diff, struct named *old, struct named *new)
{
	int status = 0;
	if (diff->from || diff->to) {
		status = find_at(reader, old, diff->from);
		return status ? status : find_at(reader, new, diff->to);
	}
	if (diff->words[1])
		status = past_find(reader, &old->name, &old->version);
	if (!status)
		status = past_find(reader, &new->name, &new->version);
	if (!status && !diff->words[1])
		status = past_find_before(reader, &old->name, new->version.id, &old->version);
	return status;
}

static int diff_versions(struct store_reader *reader, struct diff *diff)
{
	struct named old = {.version.id = 0}, new = {.version.id = 0};
	const char *second = diff->words[1] ? diff->words[1] : diff->words[0];
	int status = past_name_init(&old.name, reader, diff->words[0]);
	if (!status)
		status = past_name_init(&new.name, reader, second);
	if (!status)
		status = find_versions(reader, diff, &old, &new);
	if (!status)
		status = compare_named(reader, diff, &old, &new);
	past_name_finish(&new.name);
	past_name_finish(&old.name);
	return status;
}

/* ---- two trees ---- */

static int load(struct side *side, const struct filelist *tree, const struct filelist_file *file)
{
	int size;
	if (!file)
		size = asprintf(&side->label, "/dev/null");
	else if (tree->reader)
		size = asprintf(&side->label, "%s@%lld", file->path, (long long)file->version);
	else
		size = asprintf(&side->label, "%s/%s", tree->name, file->path);
	if (size < 0) {
		side->label = NULL;
		return cli_fail("out of memory");
	}
	return file ? filelist_read(tree, file, &side->data, &side->size) : 0;
}

static int compare_pair(void *arg, const struct filelist_file *old, const struct filelist_file *new)
{
	struct diff *diff = arg;
	struct side a = {.data = NULL}, b = {.data = NULL};
	bool same = false;
	diff->done += (old != NULL) + (new != NULL);
	progress_show(&diff->progress, diff->done);
	if (old && old->kind == STORE_DIR)
		old = NULL;
	if (new &&new->kind == STORE_DIR)
		new = NULL;
	if (!old && !new)
		return 0;
	int status = old && new ? filelist_is_same(diff->old, old, diff->new, new, &same) : 0;
	if (status || same)
		return status;
	status = load(&a, diff->old, old);
	if (!status)
		status = load(&b, diff->new, new);
	if (!status)
		status = print_sides(diff, new ? new->path : old->path, &a, &b);
	side_finish(&b);
	side_finish(&a);
	return status;
}

static int diff_trees(struct diff *diff, const struct filelist *old, const struct filelist *new)
{
	diff->old = old;
	diff->new = new;
	progress_init(&diff->progress, "comparing", (int64_t)(old->n + new->n));
	int status = filelist_join(old, new, compare_pair, diff);
	progress_finish(&diff->progress, !status);
	return status;
}

static int diff_generations(struct store_reader *reader, struct diff *diff)
{
	struct filelist old, new;
	int64_t from = INT64_MAX, to = INT64_MAX;
	int status = diff->from ? past_generation(reader, diff->from, &from) : 0;
	if (!status && diff->to)
		status = past_generation(reader, diff->to, &to);
	if (status)
		return status;
	waiting_begin("reading");
	status = filelist_init(&old, diff->from ? diff->from : "now", reader, from);
	if (!status) {
		status = filelist_init(&new, diff->to ? diff->to : "now", reader, to);
		if (!status)
			status = diff_trees(diff, &old, &new);
		filelist_finish(&new);
	}
	filelist_finish(&old);
	return status;
}

/* ---- what the words mean ---- */

static int diff_database(struct store_reader *reader, void *arg)
{
	struct diff *diff = arg;
	if (diff->words[0])
		return diff_versions(reader, diff);
	return diff_generations(reader, diff);
}

static bool is_dir(const char *word)
{
	struct stat st;
	return !stat(word, &st) && S_ISDIR(st.st_mode);
}

/* A module of the database comes before a directory or file of the same name: ./NAME is never a module. */
struct known {
	const char *word;
	bool is;
};

static int look_up(struct store_reader *reader, void *arg)
{
	struct known *known = arg;
	struct past_name name;
	int status = past_name_init(&name, reader, known->word);
	if (status)
		return status;
	known->is = past_is_known(reader, &name);
	past_name_finish(&name);
	return 0;
}

/* Is the word a directory or a database, not a module of the database? */
static int is_tree(const char *db, const char *word, bool *ret_is)
{
	struct known known = {.word = word};
	struct stat st;
	bool there = !stat(word, &st), url = strstr(word, "://") != NULL;
	*ret_is = there || url;
	if (!there || url || word[0] == '/' || word[0] == '.')
		return 0;
	int status = past_with_reader(db, look_up, &known);
	*ret_is = !known.is;
	return status;
}

/* A tree with what has to be open for it. */
struct opened {
	struct filelist tree;
	struct store *store;
	struct store_reader *reader;
};

static int open_tree(struct opened *opened, const char *word, const char *database)
{
	const struct store_options options = {.read_only = true};
	if (is_dir(word))
		return filelist_init_dir(&opened->tree, word, database);
	if (store_open(word, &options, &opened->store))
		return cli_fail("%s", store_error());
	if (store_reader_create(opened->store, &opened->reader) ||
		store_reader_begin(opened->reader))
		return cli_fail("%s", store_error());
	return filelist_init(&opened->tree, word, opened->reader, INT64_MAX);
}

static void close_tree(struct opened *opened)
{
	filelist_finish(&opened->tree);
	store_reader_destroy(opened->reader);
	store_close(opened->store);
}

static int diff_two(struct diff *diff, const char *a, const char *b)
{
	struct opened old = {.store = NULL}, new = {.store = NULL};
	if (is_dir(a) && is_dir(b))
		return cli_usage("both are directories: diff -r %s %s", a, b);
	waiting_begin("reading");
	int status = open_tree(&old, a, b);
	if (!status)
		status = open_tree(&new, b, a);
	if (!status)
		status = diff_trees(diff, &old.tree, &new.tree);
	close_tree(&new);
	close_tree(&old);
	return status;
}

static int run_diff(struct diff *diff, int argc, char **argv)
{
	bool trees = argc == 2 && is_dir(argv[0]);
	int status = argc == 2 && !trees ? is_tree(argv[0], argv[1], &trees) : 0;
	if (status)
		return status;
	if (trees && (diff->from || diff->to))
		return cli_usage("--from and --to are for one database");
	if (!trees && argc == 1 && !diff->from && !diff->to)
		return cli_usage(
			"name what to compare: a module, a directory, another database, or --from");
	if (argc == 3 && (diff->from || diff->to))
		return cli_usage("--from and --to take one module at most");
	diff->words = argv + 1;
	return trees ? diff_two(diff, argv[0], argv[1])
		     : past_with_reader(argv[0], diff_database, diff);
}

static const struct cli_option options[] = {
	{"from", 0, CLI_TEXT, offsetof(struct diff, from), "GENERATION", CLI_NOTHING,
		"compare this state of the database: a number that log tells, or a time"},
	{"to", 0, CLI_TEXT, offsetof(struct diff, to), "GENERATION", CLI_NOTHING,
		"with this one (default: as it is)"},
	{"brief", 'q', CLI_FLAG, offsetof(struct diff, brief), NULL, CLI_NOTHING,
		"tell only which files differ"},
	{"json", 0, CLI_FLAG, offsetof(struct diff, json), NULL, CLI_NOTHING,
		"likewise, as JSON, a line each, with how many lines"},
	{0},
};

static int run(void *arg, int argc, char **argv)
{
	struct diff *diff = arg;
	if (run_diff(diff, argc, argv))
		return DIFF_TROUBLE;
	return diff->found ? DIFF_FOUND : DIFF_SAME;
}

const struct cli_command cmd_diff = {
	.name = "diff",
	.summary = "compare versions, states, directories and databases",
	.operands =
		"DB MODULE[@VERSION] [MODULE[@VERSION]]\n"
		"   or: pymodfs diff [OPTION]... --from GENERATION [--to GENERATION] DB [MODULE]\n"
		"   or: pymodfs diff [OPTION]... DB|DIR DB|DIR",
	.about = "Compares as diff -u does: two versions of modules (without @VERSION it is the "
		 "module as it is; one alone is\n"
		 "compared with the version before it), two states of the database DB, a directory "
		 "and a database, or\n"
		 "two databases. A word that is both a module and a directory is the module; "
		 "./WORD is the directory.\n"
		 "The exit status is 0 when there is no difference, 1 when there is one, 2 for "
		 "trouble.\n",
	.options = options,
	.size = sizeof(struct diff),
	.min = 1,
	.max = 3,
	.wanted = "name the database and one or two modules, or two of databases and directories",
	.words = {CLI_DB, CLI_MODULE, CLI_NOTHING},
	.pages = true,
	.finds = true,
	.run = run,
};
