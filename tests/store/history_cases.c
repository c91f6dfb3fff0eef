/* SPDX-License-Identifier: MIT */
/* The feed, the tree as it was, the versions of a file. */
#include "case.h"

struct feed {
	char text[65536];
	int64_t last;
};

static int take_change(void *arg, const struct store_change *change)
{
	struct feed *feed = arg;
	size_t used = strlen(feed->text);
	CHECK(change->id > feed->last);
	feed->last = change->id;
	snprintf(feed->text + used, sizeof(feed->text) - used, "%c%c %s %s %s\n", change->op,
		change->kind, change->path, change->name, change->module ? change->module : "-");
	return 0;
}

static void test_the_feed_tells_what_happened_in_order(struct env *env)
{
	struct feed *feed = calloc(1, sizeof(*feed));
	int64_t middle;
	sql(env, "INSERT INTO module VALUES ('p.a', '1')");
	CHECK_INT(store_last_change(env->reader, &middle), 0);
	struct store_node file = make(env, STORE_ROOT, "t.txt", "x");
	sql(env, "UPDATE module SET source = '2'; UPDATE module SET source = '2'; UPDATE module "
		 "SET name = 'b'");
	save(env, file.id, "y");
	remove_file(env, file.id);
	CHECK_INT(store_changes(env->reader, 0, take_change, feed), 0);
	CHECK_TEXT(feed->text,
		"id p p -\nim p/a.py a.py p.a\nif t.txt t.txt -\num p/a.py a.py p.a\n"
		"dm p/a.py a.py p.a\nim b.py b.py b\ndd p p -\nuf t.txt t.txt -\ndf t.txt t.txt "
		"-\n");
	memset(feed, 0, sizeof(*feed));
	CHECK_INT(store_changes(env->reader, middle + 6, take_change, feed), 0);
	CHECK_TEXT(feed->text, "df t.txt t.txt -\n");
	free(feed);
}

/* ---- a random history, remembered and compared ---- */

#define STEPS 40

static int64_t random_node(struct env *env, const char *condition)
{
	char query[300];
	snprintf(query, sizeof(query),
		"SELECT id FROM pymodfs_node WHERE (parent IS NOT NULL OR id = 1) AND %s"
		" ORDER BY random() LIMIT 1",
		condition);
	sql(env, "INSERT INTO module SELECT 'seed', '' WHERE NOT EXISTS (SELECT 1 FROM "
		 "pymodfs_node WHERE kind <> 'd')");
	return sql_number(env, query);
}

static const char *random_name(char *name, size_t size)
{
	static const char *const ends[] = {"", "", ".py", ".py", ".py", ".txt"};
	snprintf(name, size, "n%d%s", rand() % 6, rand() % 40 ? ends[rand() % 6] : ".d");
	return name;
}

/* One random change; refusals are as good as any other answer. */
static void change_something(struct env *env)
{
	char name[32], text[32];
	struct store_node node;
	int64_t dir = random_node(env, "kind = 'd'"), file = random_node(env, "kind <> 'd'"),
		any = random_node(env, "id <> 1"), other = random_node(env, "id <> 1");
	struct store_txn *txn = begin(env);
	int err = 0;
	snprintf(text, sizeof(text), "text %d", rand() % 1000);
	random_name(name, sizeof(name));
	switch (rand() % 9) {
	case 0:
	case 1:
		err = store_create(txn, dir, name, STORE_FILE, NULL, text, strlen(text), &node);
		break;
	case 2:
		err = store_create(txn, dir, name, STORE_DIR, NULL, NULL, 0, &node);
		break;
	case 3:
		err = store_write(txn, file, text, strlen(text), &node);
		break;
	case 4:
		err = store_unlink(txn, file);
		break;
	case 5:
		err = store_rmdir(txn, dir);
		break;
	case 6:
		err = store_move(txn, any, dir, name);
		break;
	case 7:
		err = store_exchange(txn, any, other);
		break;
	case 8:
		err = store_replace(txn, file, other, &node);
		break;
	}
	if (err)
		store_abort(txn);
	else
		commit(txn);
}

static const char *const sqlite_changes[] = {
	"REPLACE INTO module VALUES ('n%d.n%d.n%d', 'r%d')",
	"UPDATE OR REPLACE module SET name = 'n%d', source = 'u%d%d%d' WHERE name ="
	" (SELECT name FROM module ORDER BY random() LIMIT 1)",
	"DELETE FROM module WHERE name = (SELECT name FROM module ORDER BY random() LIMIT 1)",
	"UPDATE OR IGNORE module SET name = 'x..' || name WHERE name LIKE '%%n%d';"
	" UPDATE OR IGNORE module SET name = substr(name, 4) WHERE name LIKE 'x..%%'",
};

static const char *const postgres_changes[] = {
	"INSERT INTO module VALUES ('n%d.n%d.n%d', 'r%d') ON CONFLICT (name) DO UPDATE SET source "
	"= excluded.source",
	"UPDATE module SET name = 'n%1$d', source = 'u%2$d%3$d%4$d' WHERE name ="
	" (SELECT name FROM module ORDER BY random() LIMIT 1) AND NOT EXISTS (SELECT 1 FROM module "
	"WHERE name = 'n%1$d')",
	"DELETE FROM module WHERE name = (SELECT name FROM module ORDER BY random() LIMIT 1)",
	"UPDATE module SET name = 'x..' || name WHERE name LIKE '%%n%d';"
	" UPDATE module SET name = substr(name, 4) WHERE name LIKE 'x..%%'",
};

static void change_by_sql(struct env *env)
{
	char statement[400];
	int which = rand() % 4, a = rand() % 6, b = rand() % 6, c = rand() % 6, d = rand() % 6;
	const char *format = env->postgres ? postgres_changes[which] : sqlite_changes[which];
	snprintf(statement, sizeof(statement), format, a, b, c, d);
	sql(env, statement);
}

static void test_every_state_of_a_random_history_is_read_back(struct env *env)
{
	char *trees[STEPS];
	int64_t changes[STEPS];
	const char *seed = getenv("STORE_TEST_SEED");
	srand(seed ? (unsigned)atoi(seed) : 1);
	/* Contents of plain files are compared too. */
	sql(env, "UPDATE pymodfs_setting SET value = '1' WHERE key = 'resource_history'");
	for (int i = 0; i < STEPS; i++) {
		for (int j = 0; j < 4; j++) {
			if (rand() % 4)
				change_something(env);
			else
				change_by_sql(env);
		}
		if (i % 4 == 0)
			check_invariants(env);
		trees[i] = dump(env, -1);
		CHECK_INT(store_last_change(env->reader, &changes[i]), 0);
	}
	for (int i = 0; i < STEPS; i++) {
		char *tree = dump(env, changes[i]);
		CHECK_TEXT(tree, trees[i]);
		free(tree);
		free(trees[i]);
	}
	char *tree = dump(env, 0);
	CHECK_TEXT(tree, "");
	free(tree);
}

static void test_states_beyond_what_the_feed_keeps_are_not_there(struct env *env)
{
	struct store_node node;
	make(env, STORE_ROOT, "a.py", "1");
	make(env, STORE_ROOT, "b.py", "1");
	sql(env, "INSERT INTO pymodfs_setting VALUES ('feed_start', '2')");
	CHECK_INT(store_at_lookup(env->reader, 1, "a.py", &node), -ENOENT);
	CHECK_INT(store_at_list(env->reader, 1, "", NULL, NULL), -ENOENT);
	CHECK_INT(store_at_lookup(env->reader, 2, "a.py", &node), 0);
	CHECK_INT(store_at_lookup(env->reader, 2, "a.py/x", &node), -ENOENT);
	CHECK_INT(store_at_list(env->reader, 2, "a.py", NULL, NULL), -ENOTDIR);
	CHECK_INT(store_at_list(env->reader, 2, "nowhere", NULL, NULL), -ENOENT);
}

struct versions {
	char text[4096];
};

static int take_version(void *arg, const struct store_version *version)
{
	struct versions *versions = arg;
	size_t used = strlen(versions->text);
	snprintf(versions->text + used, sizeof(versions->text) - used, "%s size %lld%s%s %s %lld\n",
		version->path, (long long)version->size, version->current ? " current" : "",
		version->kept ? " kept" : "", version->command ? version->command : "sql",
		(long long)version->uid);
	return 0;
}

static void check_history(struct env *env, const char *path, const char *expected)
{
	struct versions versions = {.text = ""};
	CHECK_INT(store_history(env->reader, path, take_version, &versions), 0);
	CHECK_TEXT(versions.text, expected);
}

static void test_the_history_of_a_file_follows_its_renames_and_deletion(struct env *env)
{
	struct store_node node = make(env, STORE_ROOT, "a.py", "1");
	sql(env, "UPDATE module SET source = '22'");
	move(env, node.id, STORE_ROOT, "b.py");
	save(env, node.id, "333");
	check_history(env, "b.py",
		"b.py size 3 current kept vim 1000\na.py size 2 kept sql -1\na.py size 1 kept vim "
		"1000\n");
	remove_file(env, node.id);
	make(env, STORE_ROOT, "b.py", "4444");
	check_history(env, "b.py",
		"b.py size 4 current kept vim 1000\nb.py size 3 kept vim 1000\na.py size 2 kept "
		"sql -1\n"
		"a.py size 1 kept vim 1000\n");
	check_history(env, "nowhere.py", "");
	make(env, STORE_ROOT, "f.txt", "1");
	save(env, lookup(env, "f.txt").id, "22");
	check_history(env, "f.txt", "f.txt size 2 current kept vim 1000\nf.txt size 1 vim 1000\n");
}

static void test_what_init_found_has_a_version_but_no_change(struct env *env)
{
	struct store_counts counts;
	CHECK_INT(store_count(env->reader, &counts), 0);
	CHECK_INT(counts.changes, 0);
	CHECK_INT(counts.versions, 0);
}

const struct test_case history_cases[] = {
	{"the_feed_tells_what_happened_in_order", test_the_feed_tells_what_happened_in_order},
	{"every_state_of_a_random_history_is_read_back",
		test_every_state_of_a_random_history_is_read_back},
	{"states_beyond_what_the_feed_keeps_are_not_there",
		test_states_beyond_what_the_feed_keeps_are_not_there},
	{"the_history_of_a_file_follows_its_renames_and_deletion",
		test_the_history_of_a_file_follows_its_renames_and_deletion},
	{"a_fresh_database_is_empty", test_what_init_found_has_a_version_but_no_change},
	{0},
};
