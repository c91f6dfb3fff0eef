/* SPDX-License-Identifier: MIT */
/* The helpers that case.h declares. */
#include "case.h"
#include "client.h"

struct store_txn *begin(struct env *env)
{
	const struct store_origin origin = {.uid = 1000, .pid = 42, .command = "vim"};
	struct store_txn *txn;
	CHECK_INT(store_begin(env->store, &origin, -1, &txn), 0);
	return txn;
}

int64_t commit(struct store_txn *txn)
{
	int64_t change;
	CHECK_INT(store_commit(txn, &change), 0);
	return change;
}

struct store_node make(struct env *env, int64_t parent, const char *name, const char *text)
{
	struct store_txn *txn = begin(env);
	struct store_node node;
	CHECK_INT(store_create(txn, parent, name, STORE_FILE, NULL, text, strlen(text), &node), 0);
	commit(txn);
	return node;
}

struct store_node make_dir(struct env *env, int64_t parent, const char *name)
{
	struct store_txn *txn = begin(env);
	struct store_node node;
	CHECK_INT(store_create(txn, parent, name, STORE_DIR, NULL, NULL, 0, &node), 0);
	commit(txn);
	return node;
}

struct store_node save(struct env *env, int64_t id, const char *text)
{
	struct store_txn *txn = begin(env);
	struct store_node node;
	CHECK_INT(store_write(txn, id, text, strlen(text), &node), 0);
	commit(txn);
	return node;
}

int try_move(struct env *env, int64_t id, int64_t parent, const char *name)
{
	struct store_txn *txn = begin(env);
	int err = store_move(txn, id, parent, name);
	if (err)
		store_abort(txn);
	else
		commit(txn);
	return err;
}

void move(struct env *env, int64_t id, int64_t parent, const char *name)
{
	CHECK_INT(try_move(env, id, parent, name), 0);
}

void remove_file(struct env *env, int64_t id)
{
	struct store_txn *txn = begin(env);
	CHECK_INT(store_unlink(txn, id), 0);
	commit(txn);
}

void sql(struct env *env, const char *statements)
{
	if (env->postgres)
		postgres_sql(env->path, statements);
	else
		sqlite_sql(env->path, statements);
}

char *sql_value(struct env *env, const char *query)
{
	return env->postgres ? postgres_value(env->path, query) : sqlite_value(env->path, query);
}

int64_t sql_number(struct env *env, const char *query)
{
	char *text = sql_value(env, query);
	int64_t number = *text == 't' ? 1 : strtoll(text, NULL, 10);
	free(text);
	return number;
}

static int find(struct env *env, const char *path, struct store_node *ret_node)
{
	struct store_node node;
	char *copy = strdup(path), *rest = copy, *name;
	int err = store_get_node(env->reader, STORE_ROOT, &node);
	while (!err && (name = strsep(&rest, "/")))
		if (*name)
			err = store_lookup(env->reader, node.id, name, &node);
	free(copy);
	if (!err)
		*ret_node = node;
	return err;
}

struct store_node lookup(struct env *env, const char *path)
{
	struct store_node node;
	CHECK_INT(find(env, path, &node), 0);
	return node;
}

int try_lookup(struct env *env, const char *path)
{
	struct store_node node;
	return find(env, path, &node);
}

char *text_of(struct env *env, const char *path)
{
	void *data;
	size_t size;
	CHECK_INT(store_read(env->reader, lookup(env, path).version, &data, &size), 0);
	return data;
}

/* ---- the tree as a text ---- */

struct lines {
	struct env *env;
	int64_t change;
	char path[4096]; /* of the directory being listed */
	char *lines[4096];
	int n;
};

struct found {
	struct store_node node;
	char name[256];
};

struct found_list {
	struct found items[1024];
	int n;
};

static int take_entry(void *arg, const struct store_entry *entry)
{
	struct found_list *list = arg;
	CHECK(list->n < 1024);
	list->items[list->n].node = entry->node;
	strcpy(list->items[list->n++].name, entry->name);
	return 0;
}

static void add_line(struct lines *lines, const char *path, const struct store_node *node)
{
	void *data = NULL;
	size_t size = 0;
	char *line;
	if (node->kind == STORE_DIR) {
		CHECK(asprintf(&line, "%s/\n", path) > 0);
	} else {
		CHECK_INT(store_read(lines->env->reader, node->version, &data, &size), 0);
		CHECK_INT((long long)size, node->size);
		CHECK(asprintf(&line, "%s%s%s\n", path, node->kind == STORE_LINK ? "->" : "=",
			      (char *)data) > 0);
	}
	free(data);
	CHECK(lines->n < 4096);
	lines->lines[lines->n++] = line;
}

/* Every entry must also be found by its name. */
static void check_lookup(
	struct lines *lines, int64_t dir, const char *path, const struct found *found)
{
	struct store_node node;
	if (lines->change < 0)
		CHECK_INT(store_lookup(lines->env->reader, dir, found->name, &node), 0);
	else
		CHECK_INT(store_at_lookup(lines->env->reader, lines->change, path, &node), 0);
	CHECK_INT(node.id, found->node.id);
	CHECK_INT(node.version, found->node.version);
	CHECK_INT(node.kind, found->node.kind);
	CHECK_INT(node.size, found->node.size);
}

static void add_dir(struct lines *lines, int64_t id, const char *path)
{
	struct found_list *list = calloc(1, sizeof(*list));
	char below[8192];
	if (lines->change < 0)
		CHECK_INT(store_list(lines->env->reader, id, 0, take_entry, list), 0);
	else
		CHECK_INT(store_at_list(lines->env->reader, lines->change, path, take_entry, list),
			0);
	for (int i = 0; i < list->n; i++) {
		snprintf(below, sizeof(below), "%s%s%s", path, *path ? "/" : "",
			list->items[i].name);
		check_lookup(lines, id, below, &list->items[i]);
		add_line(lines, below, &list->items[i].node);
		if (list->items[i].node.kind == STORE_DIR)
			add_dir(lines, list->items[i].node.id, below);
	}
	free(list);
}

static int compare_lines(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

char *dump(struct env *env, int64_t change)
{
	struct lines *lines = calloc(1, sizeof(*lines));
	size_t size = 1;
	lines->env = env;
	lines->change = change;
	add_dir(lines, STORE_ROOT, "");
	qsort(lines->lines, (size_t)lines->n, sizeof(char *), compare_lines);
	for (int i = 0; i < lines->n; i++)
		size += strlen(lines->lines[i]);
	char *text = calloc(1, size), *out = text;
	for (int i = 0; i < lines->n; i++) {
		out = stpcpy(out, lines->lines[i]);
		free(lines->lines[i]);
	}
	free(lines);
	return text;
}

/* ---- invariants ---- */

static const struct {
	const char *what, *query; /* counts the violations */
	bool sqlite;
} invariants[] = {
	{"every named row has a node, and every module node a row",
		"SELECT (SELECT count(*) FROM module WHERE name NOT IN (SELECT name FROM "
		"pymodfs_node WHERE kind = 'm'))"
		" + (SELECT count(*) FROM pymodfs_node WHERE kind = 'm' AND name NOT IN (SELECT "
		"name FROM module))"},
	{"every file has a current version that is its own, with its size and mtime",
		"SELECT count(*) FROM pymodfs_node n LEFT JOIN pymodfs_version v ON v.id = "
		"n.version AND v.node = n.id"
		" WHERE n.kind <> 'd' AND (v.id IS NULL OR v.size <> n.size OR v.mtime <> "
		"n.mtime)"},
	{"no current content is stored twice",
		"SELECT count(*) FROM pymodfs_node n JOIN pymodfs_version v ON v.id = n.version"
		" WHERE v.content IS NOT NULL"},
	{"the size is that of the source",
		"SELECT count(*) FROM pymodfs_node n JOIN module m ON m.name = n.name"
		" WHERE n.size <> coalesce(length(CAST(m.source AS BLOB)), 0)",
		true},
	{"every other file has its content, and nothing else has",
		"SELECT (SELECT count(*) FROM pymodfs_node WHERE kind IN ('f', 'l')"
		" AND id NOT IN (SELECT node FROM pymodfs_resource)) + (SELECT count(*) FROM "
		"pymodfs_resource"
		" WHERE node NOT IN (SELECT id FROM pymodfs_node WHERE kind IN ('f', 'l')))"},
	{"a directory's path is its parent's and its name",
		"SELECT count(*) FROM pymodfs_node n LEFT JOIN pymodfs_node d ON d.id = n.parent "
		"WHERE n.kind = 'd'"
		" AND n.id <> 1 AND coalesce(n.path, '?') <> CASE d.path WHEN '' THEN n.base ELSE "
		"d.path || "
		"'/' || n.base END"},
	{"a visible module's place is that of its name",
		"SELECT count(*) FROM pymodfs_node n LEFT JOIN pymodfs_node d ON d.id = n.parent "
		"WHERE n.kind = 'm'"
		" AND n.parent IS NOT NULL AND replace(CASE d.path WHEN '' THEN '' ELSE d.path || "
		"'/' END || n.base,"
		" '/', '.') <> n.name || '.py'"},
	{"every parent is a directory", "SELECT count(*) FROM pymodfs_node n LEFT JOIN "
					"pymodfs_node d ON d.id = n.parent AND d.kind = 'd'"
					" WHERE n.parent IS NOT NULL AND d.id IS NULL"},
	{"no directory stays that nothing needs",
		"SELECT count(*) FROM pymodfs_node n WHERE n.auto <> 0 AND NOT EXISTS"
		" (SELECT 1 FROM pymodfs_node c WHERE c.parent = n.id)"},
	{"nobody is left as the origin",
		"SELECT count(*) FROM pymodfs_origin WHERE command IS NOT NULL"},
	{"the database is sound",
		"SELECT integrity_check <> 'ok' FROM pragma_integrity_check LIMIT 1", true},
};

void check_invariants(struct env *env)
{
	for (size_t i = 0; i < sizeof(invariants) / sizeof(invariants[0]); i++) {
		int64_t violations = env->postgres && invariants[i].sqlite
					     ? 0
					     : sql_number(env, invariants[i].query);
		if (violations) {
			fprintf(stderr, "%lld times it is not so that %s\n", (long long)violations,
				invariants[i].what);
			exit(1);
		}
	}
}
