/* SPDX-License-Identifier: MIT */
/* Renames of files and trees, onto others and for one another. */
#include "case.h"

#define SECOND INT64_C(1000000000)

static void check_tree(struct env *env, const char *expected)
{
	char *tree = dump(env, -1);
	CHECK_TEXT(tree, expected);
	free(tree);
}

static struct store_node replace(struct env *env, int64_t id, int64_t target)
{
	struct store_txn *txn = begin(env);
	struct store_node node;
	CHECK_INT(store_replace(txn, id, target, &node), 0);
	commit(txn);
	return node;
}

static void exchange(struct env *env, int64_t a, int64_t b)
{
	struct store_txn *txn = begin(env);
	CHECK_INT(store_exchange(txn, a, b), 0);
	commit(txn);
}

static int try_exchange(struct env *env, int64_t a, int64_t b)
{
	struct store_txn *txn = begin(env);
	int err = store_exchange(txn, a, b);
	store_abort(txn);
	return err;
}

static void test_a_renamed_module_keeps_id_version_attributes_and_history(struct env *env)
{
	struct store_attr attr = {.set = STORE_SET_MODE, .mode = 0600};
	struct store_node node = make(env, STORE_ROOT, "a.py", "x"),
			  dir = make_dir(env, STORE_ROOT, "d");
	struct store_txn *txn = begin(env);
	CHECK_INT(store_set_attr(txn, node.id, &attr, &node), 0);
	commit(txn);
	move(env, node.id, dir.id, "b.py");
	struct store_node after = lookup(env, "d/b.py");
	CHECK_INT(after.id, node.id);
	CHECK_INT(after.version, node.version);
	CHECK_INT(after.mode, 0600);
	CHECK_INT(after.mtime, node.mtime);
	CHECK_INT(sql_number(env, "SELECT count(*) FROM module WHERE name = 'd.b'"), 1);
	check_tree(env, "d/\nd/b.py=x\n");
}

static void test_moves_that_cannot_be_are_refused(struct env *env)
{
	struct store_node a = make(env, STORE_ROOT, "a.py", "A"),
			  d = make_dir(env, STORE_ROOT, "d"), e = make_dir(env, d.id, "e");
	make(env, STORE_ROOT, "b.py", "B");
	CHECK_INT(try_move(env, a.id, STORE_ROOT, "b.py"), -EEXIST);
	CHECK_INT(try_move(env, d.id, e.id, "x"), -EINVAL);
	CHECK_INT(try_move(env, d.id, d.id, "x"), -EINVAL);
	CHECK_INT(try_move(env, STORE_ROOT, d.id, "x"), -EINVAL);
	CHECK_INT(try_move(env, a.id, a.id, "x"), -ENOTDIR);
	CHECK_INT(try_move(env, 999, STORE_ROOT, "x"), -ESTALE);
	CHECK_INT(try_move(env, a.id, 999, "x"), -ESTALE);
	check_tree(env, "a.py=A\nb.py=B\nd/\nd/e/\n");
}

static void test_a_tree_moves_with_all_below_it(struct env *env)
{
	sql(env, "INSERT INTO module VALUES ('p.__init__', 'I'), ('p.q.a', 'A'), ('p.q.r.b', 'B'), "
		 "('pp.x', 'X'), ('p', 'P')");
	struct store_node q = lookup(env, "p/q"), a = lookup(env, "p/q/a.py"),
			  t = make_dir(env, STORE_ROOT, "t");
	make(env, q.id, "data.txt", "D");
	move(env, lookup(env, "p").id, t.id, "z");
	check_tree(env, "p.py=P\npp/\npp/x.py=X\nt/\nt/z/\nt/z/__init__.py=I\nt/z/q/\nt/z/q/"
			"a.py=A\nt/z/q/data.txt=D\n"
			"t/z/q/r/\nt/z/q/r/b.py=B\n");
	CHECK_INT(lookup(env, "t/z/q/a.py").id, a.id);
	CHECK_INT(lookup(env, "t/z/q/a.py").version, a.version);
	CHECK_INT(lookup(env, "t/z/q").id, q.id);
	CHECK_INT(sql_number(env, "SELECT count(*) FROM module WHERE name LIKE 't.z.%'"), 3);
}

static void test_a_rename_of_a_package_says_everything_in_the_feed(struct env *env)
{
	sql(env, "INSERT INTO module VALUES ('p.a', 'A'), ('p.q.b', 'B')");
	int64_t before = sql_number(env, "SELECT max(id) FROM pymodfs_change");
	char query[200];
	move(env, lookup(env, "p").id, STORE_ROOT, "z");
	snprintf(query, sizeof(query),
		"SELECT %s(op || ' ' || dir || '/' || base, ', ') FROM (SELECT * FROM"
		" pymodfs_change WHERE id > %lld ORDER BY op, dir, base) c",
		env->postgres ? "string_agg" : "group_concat", (long long)before);
	char *feed = sql_value(env, query);
	CHECK_TEXT(feed, "d /p, d p/a.py, d p/q, d p/q/b.py, i /z, i z/a.py, i z/q, i z/q/b.py");
	free(feed);
}

static void test_a_module_that_becomes_a_plain_file_and_back(struct env *env)
{
	struct store_attr attr = {
		.set = STORE_SET_MODE | STORE_SET_MTIME, .mode = 0600, .mtime = 5 * SECOND};
	struct store_node node = make(env, STORE_ROOT, "a.py", "x\xff");
	struct store_txn *txn = begin(env);
	CHECK_INT(store_set_attr(txn, node.id, &attr, &node), 0);
	commit(txn);
	move(env, node.id, STORE_ROOT, "a.py.bak");
	struct store_node file = lookup(env, "a.py.bak");
	CHECK_INT(file.kind, STORE_FILE);
	CHECK_INT(file.mode, 0600);
	CHECK_INT(file.mtime, 5 * SECOND);
	CHECK_INT(sql_number(env, "SELECT count(*) FROM module"), 0);
	move(env, file.id, STORE_ROOT, "b.py");
	CHECK_INT(lookup(env, "b.py").kind, STORE_MODULE);
	CHECK_INT(lookup(env, "b.py").mode, 0600);
	CHECK_INT(
		sql_number(env, "SELECT typeof(source) = 'blob' FROM module WHERE name = 'b'"), 1);
	check_tree(env, "b.py=x\xff\n");
}

static void test_a_tree_below_a_dotted_directory_holds_plain_files(struct env *env)
{
	sql(env, "INSERT INTO module VALUES ('p.a', 'A'), ('p.q.b', 'B')");
	struct store_node inner = make_dir(env, lookup(env, "p").id, "in.ner");
	make(env, inner.id, "c.py", "C");
	move(env, lookup(env, "p").id, STORE_ROOT, "p.old");
	check_tree(env, "p.old/\np.old/a.py=A\np.old/in.ner/\np.old/in.ner/c.py=C\np.old/q/\np.old/"
			"q/b.py=B\n");
	CHECK_INT(sql_number(env, "SELECT count(*) FROM module"), 0);
	move(env, lookup(env, "p.old").id, STORE_ROOT, "new");
	check_tree(env, "new/\nnew/a.py=A\nnew/in.ner/\nnew/in.ner/c.py=C\nnew/q/\nnew/q/b.py=B\n");
	CHECK_INT(sql_number(env, "SELECT count(*) FROM module"), 2);
	move(env, lookup(env, "new/in.ner").id, lookup(env, "new").id, "inner");
	CHECK_INT(sql_number(env, "SELECT count(*) FROM module WHERE name = 'new.inner.c'"), 1);
}

static void test_a_rename_of_the_row_by_sql_is_a_rename(struct env *env)
{
	struct store_node node = make(env, STORE_ROOT, "a.py", "x");
	sql(env, "UPDATE module SET name = 'p.q.b', source = 'y'");
	struct store_node after = lookup(env, "p/q/b.py");
	CHECK_INT(after.id, node.id);
	CHECK(after.version > node.version);
	sql(env, "UPDATE module SET name = 'p..b'");
	CHECK_INT(try_lookup(env, "p"), -ENOENT);
	sql(env, "UPDATE module SET name = 'c'");
	CHECK_INT(lookup(env, "c.py").id, node.id);
	check_tree(env, "c.py=y\n");
}

static void test_a_file_replaces_another_in_one_step(struct env *env)
{
	struct store_node target = make(env, STORE_ROOT, "a.py", "old"),
			  temp = make(env, STORE_ROOT, "a.py.tmp", "new");
	struct store_node after = replace(env, temp.id, target.id);
	CHECK_INT(after.id, target.id);
	CHECK(after.version > target.version);
	CHECK(after.mtime / SECOND > target.mtime / SECOND);
	check_tree(env, "a.py=new\n");
	/* The very same bytes: no new version, but the time moves. */
	temp = make(env, STORE_ROOT, "b.py", "new");
	target = after;
	after = replace(env, temp.id, target.id);
	CHECK_INT(after.version, target.version);
	check_tree(env, "a.py=new\n");
}

static void test_replacing_takes_mode_and_a_time_set_by_hand(struct env *env)
{
	struct store_attr attr = {
		.set = STORE_SET_MODE | STORE_SET_MTIME, .mode = 0700, .mtime = 1000 * SECOND + 7};
	struct store_node target = make(env, STORE_ROOT, "a.py", "old"),
			  temp = make(env, STORE_ROOT, "t", "new");
	struct store_txn *txn = begin(env);
	CHECK_INT(store_set_attr(txn, temp.id, &attr, &temp), 0);
	commit(txn);
	struct store_node after = replace(env, temp.id, target.id);
	CHECK_INT(after.mode, 0700);
	CHECK_INT(after.mtime, 1000 * SECOND + 7);
}

static void test_saves_by_rename_never_repeat_a_second(struct env *env)
{
	struct store_node target = make(env, STORE_ROOT, "a.py", "0");
	for (int i = 1; i < 10; i++) {
		char text[16];
		snprintf(text, sizeof(text), "%d", i);
		struct store_node temp = make(env, STORE_ROOT, "t.txt", text),
				  after = replace(env, temp.id, target.id);
		CHECK(after.mtime / SECOND > target.mtime / SECOND);
		target = after;
	}
	/* Also when the old one is moved away or deleted first. */
	for (int i = 0; i < 4; i++) {
		if (i % 2)
			remove_file(env, target.id);
		else
			move(env, target.id, STORE_ROOT, i ? "b2.py" : "b.py");
		struct store_node temp = make(env, STORE_ROOT, "t.py", "t");
		move(env, temp.id, STORE_ROOT, "a.py");
		struct store_node after = lookup(env, "a.py");
		CHECK(after.mtime / SECOND > target.mtime / SECOND);
		target = after;
	}
}

static void test_links_replace_and_are_replaced(struct env *env)
{
	struct store_node file = make(env, STORE_ROOT, "a.py", "A"), link;
	struct store_txn *txn = begin(env);
	CHECK_INT(store_create(txn, STORE_ROOT, "l", STORE_LINK, NULL, "there", 5, &link), 0);
	commit(txn);
	struct store_node after = replace(env, link.id, file.id);
	CHECK_INT(after.kind, STORE_LINK);
	check_tree(env, "a.py->there\n");
	file = make(env, STORE_ROOT, "t", "T");
	after = replace(env, file.id, after.id);
	CHECK_INT(after.kind, STORE_MODULE);
	check_tree(env, "a.py=T\n");
}

static void test_two_files_change_places(struct env *env)
{
	struct store_node a = make(env, STORE_ROOT, "a.py", "A"),
			  b = make(env, STORE_ROOT, "b.py", "B");
	exchange(env, a.id, b.id);
	check_tree(env, "a.py=B\nb.py=A\n");
	CHECK_INT(lookup(env, "a.py").id, b.id);
	CHECK_INT(lookup(env, "b.py").id, a.id);
	make(env, STORE_ROOT, "t.txt", "T");
	exchange(env, b.id, lookup(env, "t.txt").id);
	check_tree(env, "a.py=T\nb.py=A\nt.txt=B\n");
	CHECK_INT(sql_number(env, "SELECT count(*) FROM pymodfs_change WHERE base LIKE "
				  "'%exchange%' OR dir LIKE '%exchange%'"),
		0);
	exchange(env, a.id, a.id);
}

static void test_two_trees_change_places(struct env *env)
{
	sql(env,
		"INSERT INTO module VALUES ('p.a', 'A'), ('p.x.b', 'B'), ('q.a', 'Q'), ('f', 'F')");
	struct store_node p = lookup(env, "p"), q = lookup(env, "q"), f = lookup(env, "f.py");
	exchange(env, p.id, q.id);
	check_tree(env, "f.py=F\np/\np/a.py=Q\nq/\nq/a.py=A\nq/x/\nq/x/b.py=B\n");
	exchange(env, p.id, f.id);
	check_tree(env, "f.py/\nf.py/a.py=A\nf.py/x/\nf.py/x/b.py=B\np/\np/a.py=Q\nq=F\n");
	CHECK_INT(try_exchange(env, p.id, lookup(env, "f.py/x").id), -EINVAL);
	CHECK_INT(try_exchange(env, lookup(env, "f.py/x").id, p.id), -EINVAL);
	CHECK_INT(try_exchange(env, p.id, STORE_ROOT), -EINVAL);
	CHECK_INT(try_exchange(env, p.id, 999), -ESTALE);
	CHECK_INT(sql_number(env, "SELECT count(*) FROM pymodfs_change WHERE base LIKE "
				  "'%exchange%' OR dir LIKE '%exchange%'"),
		0);
}

const struct test_case move_cases[] = {
	{"a_renamed_module_keeps_id_version_attributes_and_history",
		test_a_renamed_module_keeps_id_version_attributes_and_history},
	{"moves_that_cannot_be_are_refused", test_moves_that_cannot_be_are_refused},
	{"a_tree_moves_with_all_below_it", test_a_tree_moves_with_all_below_it},
	{"a_rename_of_a_package_says_everything_in_the_feed",
		test_a_rename_of_a_package_says_everything_in_the_feed},
	{"a_module_that_becomes_a_plain_file_and_back",
		test_a_module_that_becomes_a_plain_file_and_back, true},
	{"a_tree_below_a_dotted_directory_holds_plain_files",
		test_a_tree_below_a_dotted_directory_holds_plain_files},
	{"a_rename_of_the_row_by_sql_is_a_rename", test_a_rename_of_the_row_by_sql_is_a_rename},
	{"a_file_replaces_another_in_one_step", test_a_file_replaces_another_in_one_step},
	{"replacing_takes_mode_and_a_time_set_by_hand",
		test_replacing_takes_mode_and_a_time_set_by_hand},
	{"saves_by_rename_never_repeat_a_second", test_saves_by_rename_never_repeat_a_second},
	{"links_replace_and_are_replaced", test_links_replace_and_are_replaced},
	{"two_files_change_places", test_two_files_change_places},
	{"two_trees_change_places", test_two_trees_change_places},
	{0},
};
