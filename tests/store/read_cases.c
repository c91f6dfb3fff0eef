/* SPDX-License-Identifier: MIT */
/* Looking up, listing, reading. */
#include "case.h"
#include "init.h"

#include <sqlite3.h>
#include <sys/stat.h>
#include <unistd.h>

static void test_rows_are_files_and_packages_are_directories(struct env *env)
{
	sql(env, "INSERT INTO module VALUES ('a', 'A'), ('p.__init__', ''), ('p.q.b', 'B')");
	char *tree = dump(env, -1);
	CHECK_TEXT(tree, "a.py=A\np/\np/__init__.py=\np/q/\np/q/b.py=B\n");
	free(tree);
	struct store_node root = lookup(env, "");
	CHECK_INT(root.id, STORE_ROOT);
	CHECK_INT(root.parent, 0);
	CHECK_INT(root.kind, STORE_DIR);
	CHECK_INT(lookup(env, "p/q/b.py").kind, STORE_MODULE);
	CHECK_INT(try_lookup(env, "p/q/c.py"), -ENOENT);
}

static void test_sources_come_back_bit_for_bit(struct env *env)
{
	char bytes[256];
	void *data;
	size_t size;
	for (int i = 0; i < 256; i++)
		bytes[i] = (char)i;
	struct store_txn *txn = begin(env);
	struct store_node node;
	CHECK_INT(store_create(txn, STORE_ROOT, "a.py", STORE_FILE, NULL, bytes, 256, &node), 0);
	CHECK_INT(store_create(txn, STORE_ROOT, "a.bin", STORE_FILE, NULL, bytes, 256, &node), 0);
	commit(txn);
	const char *names[] = {"a.py", "a.bin"};
	for (int i = 0; i < 2; i++) {
		CHECK_INT(store_read(env->reader, lookup(env, names[i]).version, &data, &size), 0);
		CHECK_INT((long long)size, 256);
		CHECK(!memcmp(data, bytes, 256));
		free(data);
	}
	CHECK_INT(sql_number(env, "SELECT typeof(source) = 'blob' FROM module"), 1);
	make(env, STORE_ROOT, "t.py", "V = 'gr\xc3\xbc\xc3\x9f'\r\n");
	CHECK_INT(
		sql_number(env, "SELECT typeof(source) = 'text' FROM module WHERE name = 't'"), 1);
	make(env, STORE_ROOT, "u.py", "V = '\xed\xa0\x80'\n"); /* a surrogate is no UTF-8 */
	CHECK_INT(
		sql_number(env, "SELECT typeof(source) = 'blob' FROM module WHERE name = 'u'"), 1);
	make(env, STORE_ROOT, "e.py", "");
	CHECK_INT(lookup(env, "e.py").size, 0);
}

static void test_sources_that_are_numbers_read_as_text(struct env *env)
{
	sql(env, "INSERT INTO module VALUES ('i', 42), ('r', 1.5)");
	char *tree = dump(env, -1);
	CHECK_TEXT(tree, "i.py=42\nr.py=1.5\n");
	free(tree);
}

static void test_a_version_is_found_by_its_id_while_its_file_is_there(struct env *env)
{
	struct store_node node = make(env, STORE_ROOT, "a.py", "one"), found;
	bool current;
	struct store_node later = save(env, node.id, "three");
	CHECK(later.version > node.version);
	CHECK_INT(store_get_version(env->reader, node.version, &found, &current), 0);
	CHECK(!current);
	CHECK_INT(found.id, node.id);
	CHECK_INT(found.size, 3);
	CHECK_INT(found.mtime, node.mtime);
	CHECK_INT(store_get_version(env->reader, later.version, &found, &current), 0);
	CHECK(current);
	CHECK_INT(found.size, 5);
	remove_file(env, node.id);
	CHECK_INT(store_get_version(env->reader, later.version, &found, &current), -ESTALE);
	CHECK_INT(store_get_version(env->reader, 12345, &found, &current), -ESTALE);
	CHECK_INT(store_get_node(env->reader, node.id, &found), -ESTALE);
}

static void test_contents_of_earlier_and_deleted_modules_stay_readable(struct env *env)
{
	void *data;
	size_t size;
	struct store_node one = make(env, STORE_ROOT, "a.py", "one");
	struct store_node two = save(env, one.id, "two");
	remove_file(env, one.id);
	CHECK_INT(store_read(env->reader, one.version, &data, &size), 0);
	CHECK_TEXT(data, "one");
	free(data);
	CHECK_INT(store_read(env->reader, two.version, &data, &size), 0);
	CHECK_TEXT(data, "two");
	free(data);
	CHECK_INT(store_read(env->reader, 999, &data, &size), -ESTALE);
}

struct ids {
	int64_t ids[4000];
	int n, stop_at;
};

static int take_id(void *arg, const struct store_entry *entry)
{
	struct ids *ids = arg;
	CHECK(!ids->n || ids->ids[ids->n - 1] < entry->node.id);
	ids->ids[ids->n++] = entry->node.id;
	return ids->n == ids->stop_at ? 7 : 0;
}

static void test_a_listing_goes_on_where_it_stopped_while_the_directory_changes(struct env *env)
{
	struct ids first = {.stop_at = 1500}, rest = {.n = 0};
	sql(env, "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT 3000)"
		 " INSERT INTO module SELECT 'm' || i, '' FROM n");
	CHECK_INT(store_list(env->reader, STORE_ROOT, 0, take_id, &first), 7);
	CHECK_INT(first.n, 1500);
	sql(env, "DELETE FROM module WHERE name IN ('m1', 'm2', 'm2999'); INSERT INTO module "
		 "VALUES ('new', '')");
	CHECK_INT(store_list(env->reader, STORE_ROOT, first.ids[1499], take_id, &rest), 0);
	CHECK_INT(rest.n, 1500);
	CHECK(rest.ids[0] > first.ids[1499]);
}

static int list_again(void *arg, const struct store_entry *entry)
{
	struct env *env = arg;
	struct ids *ids = calloc(1, sizeof(*ids));
	struct store_node node;
	CHECK_INT(store_list(env->reader, entry->node.parent, 0, take_id, ids), 0);
	CHECK_INT(ids->n, 3);
	CHECK_INT(store_lookup(env->reader, entry->node.parent, entry->name, &node), 0);
	free(ids);
	return 0;
}

static void test_a_callback_may_read_with_the_same_reader(struct env *env)
{
	sql(env, "INSERT INTO module VALUES ('a', ''), ('b', ''), ('c', '')");
	CHECK_INT(store_list(env->reader, STORE_ROOT, 0, list_again, env), 0);
}

static void test_a_snapshot_does_not_move(struct env *env)
{
	struct store_node node = make(env, STORE_ROOT, "a.py", "one");
	int64_t before, after;
	CHECK_INT(store_reader_begin(env->reader), 0);
	sql(env, "UPDATE module SET source = 'two'");
	CHECK_INT(lookup(env, "a.py").version, node.version);
	char *text = text_of(env, "a.py");
	CHECK_TEXT(text, "one");
	free(text);
	CHECK_INT(store_last_change(env->reader, &before), 0);
	store_reader_end(env->reader);
	CHECK_INT(store_last_change(env->reader, &after), 0);
	CHECK(after > before);
	text = text_of(env, "a.py");
	CHECK_TEXT(text, "two");
	free(text);
}

static int count_name(void *arg, const char *name, size_t size)
{
	(*(int *)arg)++;
	CHECK(!name[size]);
	return 0;
}

static void test_rows_that_cannot_be_paths_are_hidden_and_counted(struct env *env)
{
	struct store_counts counts;
	int n = 0;
	sql(env, "INSERT INTO module VALUES ('ok', ''), ('', ''), ('a..b', ''), ('.a', ''), ('a.', "
		 "''), ('a/b', ''),"
		 " ('n' || char(0) || 'l', ''), (x'6162', ''), ('t' || char(9) || 'b', ''),"
		 " (replace(hex(zeroblob(130)), '0', 'x'), ''), ('d.' || "
		 "replace(hex(zeroblob(130)), '0', 'x') || '.m', '')");
	CHECK_INT(store_count(env->reader, &counts), 0);
	CHECK_INT(counts.modules, 1);
	CHECK_INT(counts.hidden, 10);
	CHECK_INT(counts.dirs, 0);
	CHECK_INT(store_hidden(env->reader, count_name, &n), 0);
	CHECK_INT(n, 10);
	char *tree = dump(env, -1);
	CHECK_TEXT(tree, "ok.py=\n");
	free(tree);
}

static void test_the_longest_names_are_shown(struct env *env)
{
	sql(env, "INSERT INTO module VALUES (substr(replace(hex(zeroblob(130)), '0', 'x'), 1, "
		 "252), ''),"
		 " (substr(replace(hex(zeroblob(130)), '0', 'y'), 1, 255) || '.m', '')");
	struct store_counts counts;
	CHECK_INT(store_count(env->reader, &counts), 0);
	CHECK_INT(counts.modules, 2);
	CHECK_INT(counts.hidden, 0);
}

static void test_a_name_with_hundreds_of_directories(struct env *env)
{
	struct store_counts counts;
	sql(env, "INSERT INTO module SELECT group_concat('d', '.'), 'deep' FROM (WITH RECURSIVE "
		 "n(i) AS"
		 " (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT 301) SELECT i FROM n)");
	CHECK_INT(store_count(env->reader, &counts), 0);
	CHECK_INT(counts.dirs, 300);
	CHECK_INT(counts.modules, 1);
	sql(env, "DELETE FROM module");
	CHECK_INT(store_count(env->reader, &counts), 0);
	CHECK_INT(counts.dirs, 0);
}

static void test_paths_of_nodes(struct env *env)
{
	char *path;
	struct store_node dir = make_dir(env, STORE_ROOT, "d"),
			  file = make(env, dir.id, "f.txt", "");
	CHECK_INT(store_path(env->reader, STORE_ROOT, &path), 0);
	CHECK_TEXT(path, "");
	free(path);
	CHECK_INT(store_path(env->reader, file.id, &path), 0);
	CHECK_TEXT(path, "d/f.txt");
	free(path);
	CHECK_INT(store_path(env->reader, 999, &path), -ESTALE);
}

static void test_what_would_be_a_module(struct env *env)
{
	static const struct {
		const char *name;
		bool module;
	} names[] = {
		{"a.py", true},
		{"__init__.py", true},
		{"a b.py", true},
		{"\xc3\xbc.py", true},
		{"1.py", true},
		{"a", false},
		{".py", false},
		{"a.b.py", false},
		{"a.pyc", false},
		{"a.PY", false},
		{"py", false},
		{".a.py", false},
		{"a\tb.py", false},
	};
	bool module;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		CHECK_INT(store_is_module(env->reader, STORE_ROOT, names[i].name, &module), 0);
		CHECK_INT(module, names[i].module);
		CHECK_INT(make(env, STORE_ROOT, names[i].name, "x").kind,
			names[i].module ? STORE_MODULE : STORE_FILE);
	}
	struct store_node dotted = make_dir(env, STORE_ROOT, "x.dist-info");
	CHECK_INT(store_is_module(env->reader, dotted.id, "a.py", &module), 0);
	CHECK(!module);
	CHECK_INT(make(env, dotted.id, "a.py", "x").kind, STORE_FILE);
	CHECK_INT(store_is_module(env->reader, 999, "a.py", &module), -ESTALE);
}

static void test_a_read_only_store_reads_and_refuses_to_write(struct env *env)
{
	struct store_options options = {.read_only = true};
	struct store *store;
	struct store_reader *reader;
	struct store_txn *txn;
	struct store_node node;
	make(env, STORE_ROOT, "a.py", "one");
	CHECK_INT(store_open(env->path, &options, &store), 0);
	CHECK_INT(store_reader_create(store, &reader), 0);
	CHECK_INT(store_lookup(reader, STORE_ROOT, "a.py", &node), 0);
	CHECK_INT(store_begin(store, NULL, -1, &txn), -EROFS);
	store_reader_destroy(reader);
	store_close(store);
}

static void test_a_reader_of_an_open_store_reports_a_damaged_file(struct env *env)
{
	struct store *store;
	struct store_options options = {.read_only = true};
	char path[5000];
	snprintf(path, sizeof(path), "%s.txt", env->path);
	FILE *file = fopen(path, "w");
	for (int i = 0; i < 5000; i++)
		fputs("no database at all\n", file);
	fclose(file);
	CHECK_INT(store_open(path, &options, &store), -EUCLEAN);
	CHECK(strstr(store_error(), path));
	CHECK_INT(store_open("/nowhere/at/all.db", &options, &store), -ENOENT);
	CHECK(strstr(store_error(), "/nowhere/at/all.db"));
	CHECK_INT(store_open("/", &options, &store), -EINVAL);
}

static void test_a_newer_schema_is_refused(struct env *env)
{
	struct store *store;
	sql(env, "UPDATE pymodfs_setting SET value = '99' WHERE key = 'schema'");
	CHECK_INT(store_open(env->path, NULL, &store), -EPROTO);
	CHECK(strstr(store_error(), "newer"));
	sql(env, "UPDATE pymodfs_setting SET value = '3' WHERE key = 'schema'");
}

const struct test_case read_cases[] = {
	{"rows_are_files_and_packages_are_directories",
		test_rows_are_files_and_packages_are_directories},
	{"sources_come_back_bit_for_bit", test_sources_come_back_bit_for_bit, true},
	{"sources_that_are_numbers_read_as_text", test_sources_that_are_numbers_read_as_text, true},
	{"a_version_is_found_by_its_id_while_its_file_is_there",
		test_a_version_is_found_by_its_id_while_its_file_is_there},
	{"contents_of_earlier_and_deleted_modules_stay_readable",
		test_contents_of_earlier_and_deleted_modules_stay_readable},
	{"a_listing_goes_on_where_it_stopped_while_the_directory_changes",
		test_a_listing_goes_on_where_it_stopped_while_the_directory_changes, true},
	{"a_callback_may_read_with_the_same_reader", test_a_callback_may_read_with_the_same_reader},
	{"a_snapshot_does_not_move", test_a_snapshot_does_not_move},
	{"rows_that_cannot_be_paths_are_hidden_and_counted",
		test_rows_that_cannot_be_paths_are_hidden_and_counted, true},
	{"the_longest_names_are_shown", test_the_longest_names_are_shown, true},
	{"a_name_with_hundreds_of_directories", test_a_name_with_hundreds_of_directories, true},
	{"paths_of_nodes", test_paths_of_nodes},
	{"what_would_be_a_module", test_what_would_be_a_module},
	{"a_read_only_store_reads_and_refuses_to_write",
		test_a_read_only_store_reads_and_refuses_to_write},
	{"a_reader_of_an_open_store_reports_a_damaged_file",
		test_a_reader_of_an_open_store_reports_a_damaged_file, true},
	{"a_newer_schema_is_refused", test_a_newer_schema_is_refused},
	{0},
};
