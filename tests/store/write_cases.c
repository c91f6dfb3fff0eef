/* SPDX-License-Identifier: MIT */
/* Creating, saving, attributes, removing; transactions that end, well or not. */
#include "case.h"
#include "init.h"

#include <pthread.h>
#include <sched.h>
#include <sqlite3.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define SECOND INT64_C(1000000000)

static int try_create(struct env *env, int64_t parent, const char *name, enum store_kind kind)
{
	struct store_txn *txn = begin(env);
	struct store_node node;
	int err = store_create(txn, parent, name, kind, NULL, "x", 1, &node);
	store_abort(txn);
	return err;
}

static void test_a_new_file_is_a_row_or_a_resource(struct env *env)
{
	struct store_node dir = make_dir(env, STORE_ROOT, "p");
	struct store_node module = make(env, dir.id, "a.py", "A"),
			  file = make(env, dir.id, "py.typed", "");
	CHECK_INT(module.kind, STORE_MODULE);
	CHECK_INT(module.mode, -1);
	CHECK_INT(module.uid, -1);
	CHECK_INT(file.kind, STORE_FILE);
	CHECK_INT(
		sql_number(env, "SELECT count(*) FROM module WHERE name = 'p.a' AND source = 'A'"),
		1);
	CHECK_INT(sql_number(env, "SELECT count(*) FROM module"), 1);
}

static void test_a_link_is_kept_with_its_target(struct env *env)
{
	struct store_txn *txn = begin(env);
	struct store_node node;
	CHECK_INT(store_create(txn, STORE_ROOT, "l.py", STORE_LINK, NULL, "../x", 4, &node), 0);
	commit(txn);
	char *tree = dump(env, -1);
	CHECK_TEXT(tree, "l.py->../x\n");
	free(tree);
	CHECK_INT(sql_number(env, "SELECT count(*) FROM module"), 0);
}

static void test_names_that_cannot_be_made_are_refused(struct env *env)
{
	char name[300];
	struct store_node file = make(env, STORE_ROOT, "f", "");
	memset(name, 'x', sizeof(name));
	name[256] = '\0';
	CHECK_INT(try_create(env, STORE_ROOT, name, STORE_FILE), -ENAMETOOLONG);
	CHECK_INT(try_create(env, STORE_ROOT, "f", STORE_DIR), -EEXIST);
	CHECK_INT(try_create(env, file.id, "a.py", STORE_FILE), -ENOTDIR);
	CHECK_INT(try_create(env, 999, "a.py", STORE_FILE), -ESTALE);
	CHECK_INT(try_create(env, STORE_ROOT, "a/b", STORE_FILE), -EINVAL);
	CHECK_INT(try_create(env, STORE_ROOT, "..", STORE_DIR), -EINVAL);
	CHECK_INT(try_create(env, STORE_ROOT, "", STORE_DIR), -ENOENT);
	name[255] = '\0';
	CHECK_INT(try_create(env, STORE_ROOT, name, STORE_FILE), 0);
}

static void test_awkward_names_are_kept(struct env *env)
{
	static const char *const names[] = {"a'b.py", "a\"b.py", "100%.py", "a\\b.py", "a b.py",
		"[x].py", "\xe6\x96\x87.py", "a;--.py", "NULL.py", "q\"\\.txt", "n\nl.txt",
		"x\xff.py", "\xff"};
	struct store_node dir = make_dir(env, STORE_ROOT, "d'\"\\%");
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		char path[300], *text;
		if (env->postgres && strchr(names[i], 0xff)) {
			CHECK_INT(try_create(env, dir.id, names[i], STORE_FILE), -EILSEQ);
			continue;
		}
		make(env, dir.id, names[i], names[i]);
		snprintf(path, sizeof(path), "d'\"\\%%/%s", names[i]);
		text = text_of(env, path);
		CHECK_TEXT(text, names[i]);
		free(text);
	}
	sql(env, "INSERT INTO module VALUES ('x\"\\.y\"\\.z', '')");
	CHECK_INT(lookup(env, "x\"\\/y\"\\/z.py").kind, STORE_MODULE);
	sql(env, "DELETE FROM module WHERE name LIKE 'x%'");
	CHECK_INT(try_lookup(env, "x\"\\"), -ENOENT);
}

static void test_every_save_is_a_version_whose_second_is_above_the_one_before(struct env *env)
{
	struct store_node node = make(env, STORE_ROOT, "a.py", "0");
	for (int i = 1; i < 20; i++) {
		char text[16];
		snprintf(text, sizeof(text), "%d", i);
		struct store_node after = save(env, node.id, text);
		CHECK(after.version > node.version);
		CHECK(after.mtime / SECOND > node.mtime / SECOND);
		CHECK_INT(after.id, node.id);
		node = after;
	}
	sql(env, "UPDATE module SET source = 'sql'");
	CHECK(lookup(env, "a.py").mtime / SECOND > node.mtime / SECOND);
}

static void test_seconds_grow_over_a_deletion_too(struct env *env)
{
	struct store_node before = make(env, STORE_ROOT, "a.py", "0");
	for (int i = 0; i < 5; i++) {
		remove_file(env, before.id);
		struct store_node after = make(env, STORE_ROOT, "a.py", "1");
		CHECK(after.mtime / SECOND > before.mtime / SECOND);
		CHECK(after.id != before.id);
		before = after;
	}
	sql(env, "DELETE FROM module; INSERT INTO module VALUES ('a', '2')");
	CHECK(lookup(env, "a.py").mtime / SECOND > before.mtime / SECOND);
}

static void test_equal_bytes_make_no_version(struct env *env)
{
	struct store_node module = make(env, STORE_ROOT, "a.py", "x"),
			  file = make(env, STORE_ROOT, "f", "x");
	CHECK_INT(save(env, module.id, "x").version, module.version);
	CHECK_INT(save(env, file.id, "x").version, file.version);
	sql(env, "UPDATE module SET source = 'x'; UPDATE module SET source = x'78'; REPLACE INTO "
		 "module VALUES ('a', 'x')");
	CHECK_INT(lookup(env, "a.py").version, module.version);
	CHECK_INT(sql_number(env, "SELECT count(*) FROM pymodfs_version"), 2);
}

static void test_replace_and_upsert_end_right(struct env *env)
{
	struct store_node node = make(env, STORE_ROOT, "a.py", "one");
	sql(env, "REPLACE INTO module VALUES ('a', 'two')");
	CHECK_INT(lookup(env, "a.py").id, node.id);
	sql(env, "INSERT INTO module VALUES ('a', 'three') ON CONFLICT(name) DO UPDATE SET source "
		 "= excluded.source");
	CHECK_INT(lookup(env, "a.py").id, node.id);
	sql(env, "INSERT OR IGNORE INTO module VALUES ('a', 'never')");
	CHECK_INT(sql_number(env, "SELECT count(*) FROM pymodfs_version"), 3);
	CHECK_INT(sql_number(env, "SELECT group_concat(content) = 'one,two,three' OR "
				  "group_concat(content) = 'one,two'"
				  " FROM pymodfs_version"),
		1);
	sql(env, "INSERT INTO module VALUES ('b', 'B'); UPDATE OR REPLACE module SET name = 'b' "
		 "WHERE name = 'a'");
	CHECK_INT(lookup(env, "b.py").id, node.id);
	CHECK_INT(sql_number(env, "SELECT count(*) FROM pymodfs_version WHERE content = 'B'"), 1);
	sql(env, "REPLACE INTO module VALUES ('b', 'four'); DELETE FROM pymodfs_version WHERE id < "
		 "0");
	sql(env, "PRAGMA recursive_triggers = 1; REPLACE INTO module VALUES ('b', 'five'), ('p.q', "
		 "''), ('b', 'six');"
		 "DELETE FROM module WHERE name = 'p.q'");
	char *tree = dump(env, -1);
	CHECK_TEXT(tree, "b.py=six\n");
	free(tree);
	/* INSERT OR IGNORE leaves a copy of the current content behind, until the next save. */
	sql(env, "UPDATE module SET source = 'seven'");
}

static void test_explicit_times_and_attributes_are_honoured(struct env *env)
{
	struct store_attr attr = {.set = STORE_SET_MODE | STORE_SET_UID | STORE_SET_GID |
					 STORE_SET_ATIME | STORE_SET_MTIME,
		.mode = 0640,
		.uid = 7,
		.gid = 8,
		.atime = 5 * SECOND + 1,
		.mtime = -3 * SECOND + 5};
	struct store_node node = make(env, STORE_ROOT, "a.py", "x"), again;
	bool current;
	struct store_txn *txn = begin(env);
	CHECK_INT(store_set_attr(txn, node.id, &attr, &node), 0);
	int64_t change = commit(txn);
	CHECK_INT(node.mode, 0640);
	CHECK_INT(node.uid, 7);
	CHECK_INT(node.gid, 8);
	CHECK_INT(node.atime, 5 * SECOND + 1);
	CHECK_INT(node.mtime, -3 * SECOND + 5);
	CHECK_INT(store_get_version(env->reader, node.version, &again, &current), 0);
	CHECK_INT(again.mtime, -3 * SECOND + 5);
	CHECK_INT(sql_number(env, "SELECT op = 'a' AND version = old_version FROM pymodfs_change "
				  "ORDER BY id DESC"),
		1);
	CHECK_INT(sql_number(env, "SELECT max(id) FROM pymodfs_change"), change);
	node = save(env, node.id, "y");
	CHECK_INT(node.mode, 0640);
	CHECK(node.mtime > 0);
	attr.set = STORE_SET_MODE;
	attr.mode = 0755;
	txn = begin(env);
	CHECK_INT(store_set_attr(txn, STORE_ROOT, &attr, &node), 0);
	commit(txn);
	CHECK_INT(lookup(env, "").mode, 0755);
}

static void test_a_directory_s_mtime_grows_with_each_entry(struct env *env)
{
	struct store_node dir = make_dir(env, STORE_ROOT, "d"), before = dir, after;
	for (int i = 0; i < 20; i++) {
		char statement[100];
		snprintf(
			statement, sizeof(statement), "INSERT INTO module VALUES ('d.m%d', '')", i);
		sql(env, statement);
		after = lookup(env, "d");
		CHECK(after.mtime >= before.mtime + 1000000);
		before = after;
	}
	sql(env, "UPDATE module SET source = 'x'");
	CHECK_INT(lookup(env, "d").mtime, before.mtime);
	sql(env, "DELETE FROM module WHERE name = 'd.m3'");
	CHECK(lookup(env, "d").mtime >= before.mtime + 1000000);
}

static void test_directories_made_by_names_go_with_them_and_others_stay(struct env *env)
{
	sql(env, "INSERT INTO module VALUES ('a.b.c.m', ''), ('a.x', ''), ('k.l.m', '')");
	sql(env, "DELETE FROM module WHERE name = 'a.b.c.m'");
	CHECK_INT(try_lookup(env, "a/b"), -ENOENT);
	CHECK_INT(try_lookup(env, "a"), 0);
	struct store_node l = lookup(env, "k/l");
	make(env, l.id, "n.py", "");
	sql(env, "DELETE FROM module");
	char *tree = dump(env, -1);
	CHECK_TEXT(tree, "k/\nk/l/\n");
	free(tree);
	sql(env, "INSERT INTO module VALUES ('u.v', '')");
	remove_file(env, lookup(env, "u/v.py").id);
	CHECK_INT(try_lookup(env, "u"), 0);
}

static void test_unlink_and_rmdir_answer_as_the_system_calls(struct env *env)
{
	struct store_node dir = make_dir(env, STORE_ROOT, "d"), file = make(env, dir.id, "f", "");
	struct store_txn *txn = begin(env);
	CHECK_INT(store_unlink(txn, dir.id), -EISDIR);
	CHECK_INT(store_rmdir(txn, file.id), -ENOTDIR);
	CHECK_INT(store_rmdir(txn, dir.id), -ENOTEMPTY);
	CHECK_INT(store_rmdir(txn, STORE_ROOT), -EBUSY);
	CHECK_INT(store_unlink(txn, 999), -ESTALE);
	CHECK_INT(store_unlink(txn, file.id), 0);
	CHECK_INT(store_unlink(txn, file.id), -ESTALE);
	CHECK_INT(store_rmdir(txn, dir.id), 0);
	commit(txn);
	char *tree = dump(env, -1);
	CHECK_TEXT(tree, "");
	free(tree);
	CHECK_INT(sql_number(env, "SELECT count(*) FROM pymodfs_resource"), 0);
}

static void test_a_module_in_the_way_of_something_hides_and_comes_back(struct env *env)
{
	struct store_counts counts;
	struct store_node file = make(env, STORE_ROOT, "pkg", "in the way"),
			  dir = make_dir(env, STORE_ROOT, "m.py");
	struct store_txn *txn = begin(env);
	struct store_node link;
	CHECK_INT(store_create(txn, STORE_ROOT, "n.py", STORE_LINK, NULL, "x", 1, &link), 0);
	commit(txn);
	sql(env,
		"INSERT INTO module VALUES ('pkg.sub.a', 'A'), ('m', 'M'), ('n', 'N'), ('ok', '')");
	CHECK_INT(store_count(env->reader, &counts), 0);
	CHECK_INT(counts.hidden, 3);
	CHECK_INT(counts.modules, 1);
	sql(env, "UPDATE module SET source = source || '2'");
	remove_file(env, file.id);
	move(env, link.id, STORE_ROOT, "elsewhere");
	txn = begin(env);
	CHECK_INT(store_rmdir(txn, dir.id), 0);
	commit(txn);
	char *tree = dump(env, -1);
	CHECK_TEXT(
		tree, "elsewhere->x\nm.py=M2\nn.py=N2\nok.py=2\npkg/\npkg/sub/\npkg/sub/a.py=A2\n");
	free(tree);
}

static void test_an_abort_leaves_nothing(struct env *env)
{
	struct store_node node = make(env, STORE_ROOT, "a.py", "x");
	char *before = dump(env, -1);
	int64_t change = sql_number(env, "SELECT max(id) FROM pymodfs_change");
	struct store_txn *txn = begin(env);
	CHECK_INT(store_write(txn, node.id, "y", 1, &node), 0);
	CHECK_INT(store_create(txn, STORE_ROOT, "b.py", STORE_FILE, NULL, "", 0, &node), 0);
	store_abort(txn);
	store_abort(NULL);
	char *after = dump(env, -1);
	CHECK_TEXT(after, before);
	CHECK_INT(sql_number(env, "SELECT max(id) FROM pymodfs_change"), change);
	free(after);
	free(before);
}

static void test_the_transaction_s_reader_sees_its_own_changes(struct env *env)
{
	struct store_txn *txn = begin(env);
	struct store_node node, found;
	CHECK_INT(store_create(txn, STORE_ROOT, "a.py", STORE_FILE, NULL, "x", 1, &node), 0);
	CHECK_INT(store_lookup(store_txn_reader(txn), STORE_ROOT, "a.py", &found), 0);
	CHECK_INT(store_lookup(env->reader, STORE_ROOT, "a.py", &found), -ENOENT);
	commit(txn);
	CHECK_INT(store_lookup(env->reader, STORE_ROOT, "a.py", &found), 0);
}

static sqlite3 *hold_lock(struct env *env)
{
	sqlite3 *other;
	CHECK_INT(sqlite3_open(env->path, &other), SQLITE_OK);
	CHECK_INT(sqlite3_exec(other, "BEGIN IMMEDIATE; INSERT INTO module VALUES ('other', '')",
			  NULL, NULL, NULL),
		SQLITE_OK);
	return other;
}

static int64_t elapsed_ms(const struct timespec *since)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (now.tv_sec - since->tv_sec) * 1000 + (now.tv_nsec - since->tv_nsec) / 1000000;
}

static void test_a_lock_held_by_another_is_waited_for_and_then_reported(struct env *env)
{
	struct store_node node = make(env, STORE_ROOT, "a.py", "x");
	struct store_txn *txn;
	struct timespec start;
	sqlite3 *other = hold_lock(env);
	clock_gettime(CLOCK_MONOTONIC, &start);
	CHECK_INT(store_begin(env->store, NULL, -1, &txn), -EBUSY);
	CHECK(elapsed_ms(&start) >= 150);
	clock_gettime(CLOCK_MONOTONIC, &start);
	CHECK_INT(store_begin(env->store, NULL, 0, &txn), -EBUSY);
	char *text = text_of(env, "a.py"); /* reads go on */
	CHECK_TEXT(text, "x");
	free(text);
	CHECK_INT(sqlite3_exec(other, "COMMIT", NULL, NULL, NULL), SQLITE_OK);
	sqlite3_close(other);
	save(env, node.id, "y"); /* nothing lingers */
	text = text_of(env, "a.py");
	CHECK_TEXT(text, "y");
	free(text);
	CHECK_INT(try_lookup(env, "other.py"), 0);
}

struct saver {
	struct env *env;
	int64_t id;
	int n;
};

static void *save_often(void *arg)
{
	struct saver *saver = arg;
	for (int i = 0; i < 50; i++) {
		struct store_txn *txn;
		struct store_node node;
		int64_t change;
		char text[32];
		snprintf(text, sizeof(text), "%d of %d", i, saver->n);
		CHECK_INT(store_begin(saver->env->store, NULL, 20000, &txn), 0);
		CHECK_INT(store_write(txn, saver->id, text, strlen(text), &node), 0);
		CHECK_INT(store_commit(txn, &change), 0);
	}
	return NULL;
}

static void test_threads_save_one_after_another(struct env *env)
{
	struct store_node node = make(env, STORE_ROOT, "a.py", "x");
	struct saver savers[4];
	pthread_t threads[4];
	for (int i = 0; i < 4; i++) {
		savers[i] = (struct saver){env, node.id, i};
		CHECK_INT(pthread_create(&threads[i], NULL, save_often, &savers[i]), 0);
	}
	for (int i = 0; i < 4; i++)
		pthread_join(threads[i], NULL);
	CHECK_INT(sql_number(env, "SELECT count(*) FROM pymodfs_version"), 201);
	CHECK_INT(sql_number(env, "SELECT count(DISTINCT content) FROM pymodfs_version"), 200);
}

static void test_a_constraint_of_the_users_table_is_an_error_with_its_name(struct env *env)
{
	struct store_node node = make(env, STORE_ROOT, "a.py", "x"), made;
	sql(env, "CREATE TRIGGER no_tabs BEFORE UPDATE ON module WHEN instr(NEW.source, char(9))"
		 " BEGIN SELECT RAISE(ABORT, 'tabs are refused by no_tabs'); END;"
		 "CREATE TRIGGER no_more BEFORE INSERT ON module BEGIN SELECT RAISE(ABORT, "
		 "'no_more rows'); END");
	struct store_txn *txn = begin(env);
	CHECK_INT(store_write(txn, node.id, "\t", 1, &made), -EINVAL);
	CHECK(strstr(store_error(), "no_tabs"));
	store_abort(txn);
	txn = begin(env);
	CHECK_INT(store_create(txn, STORE_ROOT, "b.py", STORE_FILE, NULL, "", 0, &made), -EINVAL);
	CHECK(strstr(store_error(), "no_more"));
	store_abort(txn);
	save(env, node.id, "y");
}

static void test_what_a_trigger_of_the_users_table_ignores_is_an_error_too(struct env *env)
{
	struct store_node made, node = make(env, STORE_ROOT, "a.py", "x");
	struct store_node dir = make_dir(env, STORE_ROOT, "p");
	make(env, dir.id, "m.py", "x");
	sql(env,
		"CREATE TRIGGER no_update BEFORE UPDATE ON module BEGIN SELECT RAISE(IGNORE); END;"
		"CREATE TRIGGER no_delete BEFORE DELETE ON module BEGIN SELECT RAISE(IGNORE); END;"
		"CREATE TRIGGER no_insert BEFORE INSERT ON module BEGIN SELECT RAISE(IGNORE); END");
	struct store_txn *txn = begin(env);
	CHECK_INT(store_write(txn, node.id, "y", 1, &made), -EINVAL);
	CHECK(strstr(store_error(), "triggers kept a as"));
	CHECK_INT(store_unlink(txn, node.id), -EINVAL);
	CHECK_INT(store_move(txn, node.id, STORE_ROOT, "b.py"), -EINVAL);
	CHECK_INT(store_move(txn, dir.id, STORE_ROOT, "q"), -EINVAL);
	CHECK(strstr(store_error(), "triggers kept 1 modules in p"));
	CHECK_INT(store_create(txn, STORE_ROOT, "b.py", STORE_FILE, NULL, "", 0, &made), -EINVAL);
	store_abort(txn);
}

static void test_a_trigger_of_the_users_table_may_change_what_is_saved(struct env *env)
{
	struct store_node node;
	sql(env, "CREATE TRIGGER upper AFTER INSERT ON module BEGIN"
		 " UPDATE module SET source = upper(source) WHERE name = NEW.name; END;"
		 "CREATE TRIGGER upper2 AFTER UPDATE OF source ON module BEGIN"
		 " UPDATE module SET source = upper(source) WHERE name = NEW.name; END");
	node = make(env, STORE_ROOT, "a.py", "abc");
	CHECK_INT(node.size, 3);
	char *text = text_of(env, "a.py");
	CHECK_TEXT(text, "ABC");
	free(text);
	save(env, node.id, "defg");
	text = text_of(env, "a.py");
	CHECK_TEXT(text, "DEFG");
	free(text);
}

static void test_who_made_a_change_is_recorded_and_raw_sql_is_nobody(struct env *env)
{
	make(env, STORE_ROOT, "a.py", "x");
	CHECK_INT(
		sql_number(env,
			"SELECT uid = 1000 AND pid = 42 AND command = 'vim' FROM pymodfs_version"),
		1);
	CHECK_INT(sql_number(env,
			  "SELECT uid = 1000 AND pid = 42 AND command = 'vim' FROM pymodfs_change"),
		1);
	sql(env, "UPDATE module SET source = 'y'");
	CHECK_INT(sql_number(env, "SELECT command IS NULL AND uid IS NULL FROM pymodfs_version "
				  "ORDER BY id DESC"),
		1);
}

static void test_old_contents_of_other_files_are_kept_when_the_setting_says_so(struct env *env)
{
	struct store_node node = make(env, STORE_ROOT, "f.txt", "one");
	void *data;
	size_t size;
	save(env, node.id, "two");
	CHECK_INT(store_read(env->reader, node.version, &data, &size), -ESTALE);
	sql(env, "UPDATE pymodfs_setting SET value = '1' WHERE key = 'resource_history'");
	struct store_node two = lookup(env, "f.txt");
	save(env, node.id, "three");
	struct store_node three = lookup(env, "f.txt");
	remove_file(env, node.id);
	CHECK_INT(store_read(env->reader, two.version, &data, &size), 0);
	CHECK_TEXT(data, "two");
	free(data);
	CHECK_INT(store_read(env->reader, three.version, &data, &size), 0);
	CHECK_TEXT(data, "three");
	free(data);
}

static void test_a_row_of_a_table_without_its_content_is_stale_and_not_empty(struct env *env)
{
	struct store_node node = make(env, STORE_ROOT, "a.py", "x");
	void *data;
	size_t size;
	sql(env, "DROP TRIGGER pymodfs_row_delete; DELETE FROM module;"
		 "CREATE TRIGGER pymodfs_row_delete AFTER DELETE ON module BEGIN SELECT 1; END");
	CHECK_INT(store_read(env->reader, node.version, &data, &size), -ESTALE);
	struct store_txn *txn = begin(env);
	CHECK_INT(store_write(txn, node.id, "y", 1, &node), -ESTALE);
	store_abort(txn);
	sql(env, "INSERT INTO module VALUES ('a', 'x')");
}

/* A store in a file system of 4 MiB. */
static void open_small(struct env *env, struct env *small)
{
	bool fresh;
	char dir[4200];
	*small = (struct env){.store = NULL};
	snprintf(dir, sizeof(dir), "%s.small", env->path);
	CHECK_INT(mkdir(dir, 0700), 0);
	CHECK_INT(unshare(CLONE_NEWNS), 0);
	CHECK_INT(mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL), 0);
	/* Other tests' mounts would live on in this namespace after their umount. */
	/* NOLINTNEXTLINE(cert-env33-c): the command is a constant */
	CHECK(system("umount --all --lazy --types fuse.pymodfs") >= 0);
	CHECK_INT(mount("tmpfs", dir, "tmpfs", 0, "size=4m"), 0);
	CHECK(snprintf(small->path, sizeof(small->path), "%s/m.db", dir) <
		(int)sizeof(small->path));
	CHECK_INT(store_init(small->path, &(struct store_init_options){0}, &fresh), 0);
	CHECK_INT(store_open(small->path, NULL, &small->store), 0);
	CHECK_INT(store_reader_create(small->store, &small->reader), 0);
}

static void test_a_full_disk_refuses_the_save_and_nothing_lingers(struct env *env)
{
	struct env small;
	struct store_txn *txn;
	struct store_node node, after;
	char *large = malloc(8 << 20), *text;
	int64_t change;
	memset(large, '#', 8 << 20);
	open_small(env, &small);
	node = make(&small, STORE_ROOT, "a.py", "old");
	txn = begin(&small);
	int err = store_write(txn, node.id, large, 8 << 20, &after);
	if (err)
		store_abort(txn);
	else
		err = store_commit(txn, &change);
	CHECK_INT(err, -ENOSPC);
	text = text_of(&small, "a.py");
	CHECK_TEXT(text, "old");
	free(text);
	save(&small, node.id, "new");
	text = text_of(&small, "a.py");
	CHECK_TEXT(text, "new");
	free(text);
	check_invariants(&small);
	store_reader_destroy(small.reader);
	store_close(small.store);
	free(large);
}

/* Also for who doesn't look at what a statement of it answered: none may be carried out by itself afterwards. */
static void test_a_lost_connection_ends_its_transaction(struct env *env)
{
	struct store_node node, file = make(env, STORE_ROOT, "a.py", "V = 1");
	int64_t change;
	struct store_txn *txn = begin(env);
	sql(env, "SELECT pg_terminate_backend(l.pid, 5000) FROM pg_locks l WHERE l.locktype = "
		 "'advisory' AND l.database = (SELECT oid FROM pg_database"
		 " WHERE datname = current_database())");
	CHECK_INT(store_get_node(store_txn_reader(txn), file.id, &node), -EIO);
	CHECK_INT(store_get_node(store_txn_reader(txn), file.id, &node), -EIO);
	CHECK_INT(store_write(txn, file.id, "V = 2", 5, &node), -EIO);
	CHECK_INT(store_commit(txn, &change), -EIO);
	char *source = sql_value(env, "SELECT source FROM module");
	CHECK_TEXT(source, "V = 1");
	free(source);
	save(env, file.id, "V = 3");
	CHECK_INT(store_reader_begin(env->reader), 0);
	sql(env, "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE state = 'idle "
		 "in transaction' AND datname = current_database()");
	CHECK_INT(store_get_node(env->reader, file.id, &node), -EIO);
	CHECK_INT(store_get_node(env->reader, file.id, &node), -EIO);
	store_reader_end(env->reader);
	CHECK_INT(store_get_node(env->reader, file.id, &node), 0);
}

const struct test_case write_cases[] = {
	{"a_lost_connection_ends_its_transaction", test_a_lost_connection_ends_its_transaction,
		.server = true},
	{"a_full_disk_refuses_the_save_and_nothing_lingers",
		test_a_full_disk_refuses_the_save_and_nothing_lingers, true},
	{"a_new_file_is_a_row_or_a_resource", test_a_new_file_is_a_row_or_a_resource},
	{"a_link_is_kept_with_its_target", test_a_link_is_kept_with_its_target},
	{"names_that_cannot_be_made_are_refused", test_names_that_cannot_be_made_are_refused},
	{"awkward_names_are_kept", test_awkward_names_are_kept},
	{"every_save_is_a_version_whose_second_is_above_the_one_before",
		test_every_save_is_a_version_whose_second_is_above_the_one_before},
	{"seconds_grow_over_a_deletion_too", test_seconds_grow_over_a_deletion_too},
	{"equal_bytes_make_no_version", test_equal_bytes_make_no_version, true},
	{"replace_and_upsert_end_right", test_replace_and_upsert_end_right, true},
	{"explicit_times_and_attributes_are_honoured",
		test_explicit_times_and_attributes_are_honoured},
	{"a_directorys_mtime_grows_with_each_entry",
		test_a_directory_s_mtime_grows_with_each_entry},
	{"directories_made_by_names_go_with_them_and_others_stay",
		test_directories_made_by_names_go_with_them_and_others_stay},
	{"unlink_and_rmdir_answer_as_the_system_calls",
		test_unlink_and_rmdir_answer_as_the_system_calls},
	{"a_module_with_something_in_its_place_hides_and_comes_back",
		test_a_module_in_the_way_of_something_hides_and_comes_back},
	{"an_abort_leaves_nothing", test_an_abort_leaves_nothing},
	{"the_transactions_reader_sees_its_own_changes",
		test_the_transaction_s_reader_sees_its_own_changes},
	{"a_lock_held_by_another_is_waited_for_and_then_reported",
		test_a_lock_held_by_another_is_waited_for_and_then_reported, true},
	{"threads_save_one_after_another", test_threads_save_one_after_another},
	{"what_a_trigger_of_the_users_table_ignores_is_an_error_too",
		test_what_a_trigger_of_the_users_table_ignores_is_an_error_too, true},
	{"a_constraint_of_the_users_table_is_an_error_with_its_name",
		test_a_constraint_of_the_users_table_is_an_error_with_its_name, true},
	{"a_trigger_of_the_users_table_may_change_what_is_saved",
		test_a_trigger_of_the_users_table_may_change_what_is_saved, true},
	{"who_made_a_change_is_recorded_and_raw_sql_is_nobody",
		test_who_made_a_change_is_recorded_and_raw_sql_is_nobody},
	{"old_contents_of_other_files_are_kept_when_the_setting_says_so",
		test_old_contents_of_other_files_are_kept_when_the_setting_says_so},
	{"a_node_without_its_row_is_stale_and_not_empty",
		test_a_row_of_a_table_without_its_content_is_stale_and_not_empty, true},
	{0},
};
