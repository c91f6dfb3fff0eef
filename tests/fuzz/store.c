/* SPDX-License-Identifier: MIT */
/*
 * A store on a database that somebody damaged, or made to do harm. The input says how: values of side tables, triggers
 * and indexes that are gone, bytes of the file. Whatever the store makes of it, each call ends, with 0 or an errno
 * and its words, and what it returns is what its header promises.
 *
 * The database lies in memory (/dev/shm), since each input has its own.
 */
#include "input.h"

#include "../../fs/store/init.h"
#include "../../fs/store/store.h"

#undef NDEBUG
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define DEPTH_MAX 6
#define ENTRIES_MAX 60

static char dir[64], path[96];
static char *pattern; /* the sound database */
static size_t pattern_size;

/* What a call may return; passes it on. */
static int checked(int err)
{
	if (err < 0) {
		assert(err > -4096);
		assert(*store_error() && !strchr(store_error(), '\n'));
	}
	return err;
}

/* ---- the sound database ---- */

static void make(struct store_txn *txn, int64_t parent, const char *name, enum store_kind kind,
	struct store_node *ret_node)
{
	int err = store_create(
		txn, parent, name, kind, NULL, "V = 1\n", kind == STORE_DIR ? 0 : 6, ret_node);
	assert(err == 0);
}

static void fill(struct store *store)
{
	struct store_txn *txn;
	struct store_node top, node;
	int64_t change;
	assert(store_begin(store, &(struct store_origin){0, 1, "fuzz"}, -1, &txn) == 0);
	make(txn, STORE_ROOT, "pkg", STORE_DIR, &top);
	make(txn, top.id, "empty", STORE_DIR, &node);
	make(txn, top.id, "link", STORE_LINK, &node);
	make(txn, top.id, "data.txt", STORE_FILE, &node);
	make(txn, top.id, "__init__.py", STORE_FILE, &node);
	make(txn, STORE_ROOT, "gone.py", STORE_FILE, &node);
	assert(store_unlink(txn, node.id) == 0);
	make(txn, STORE_ROOT, "main.py", STORE_FILE, &node);
	assert(store_write(txn, node.id, "V = 22\n", 7, &node) == 0);
	assert(store_commit(txn, &change) == 0);
}

static void load_pattern(void)
{
	FILE *file = fopen(path, "rb");
	assert(file && fseek(file, 0, SEEK_END) == 0);
	pattern_size = (size_t)ftell(file);
	rewind(file);
	pattern = malloc(pattern_size);
	assert(pattern && fread(pattern, 1, pattern_size, file) == pattern_size);
	fclose(file);
}

static void remove_database(void)
{
	char beside[128];
	unlink(path);
	snprintf(beside, sizeof(beside), "%s-wal", path);
	unlink(beside);
	snprintf(beside, sizeof(beside), "%s-shm", path);
	unlink(beside);
}

static void finish(void)
{
	remove_database();
	rmdir(dir);
	free(pattern);
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	struct store *store;
	bool fresh;
	(void)argc;
	(void)argv;
	snprintf(dir, sizeof(dir), "/dev/shm/pymodfs-fuzz-XXXXXX");
	assert(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/modules.db", dir);
	assert(store_init(path, &(struct store_init_options){0}, &fresh) == 0);
	assert(store_open(path, NULL, &store) == 0);
	fill(store);
	store_close(store);
	load_pattern();
	atexit(finish);
	return 0;
}

/* ---- the harm ---- */

static const char *const columns[] = {
	"pymodfs_node.id",
	"pymodfs_node.kind",
	"pymodfs_node.parent",
	"pymodfs_node.base",
	"pymodfs_node.name",
	"pymodfs_node.path",
	"pymodfs_node.auto",
	"pymodfs_node.version",
	"pymodfs_node.mode",
	"pymodfs_node.size",
	"pymodfs_node.mtime",
	"pymodfs_version.id",
	"pymodfs_version.node",
	"pymodfs_version.path",
	"pymodfs_version.size",
	"pymodfs_version.mtime",
	"pymodfs_version.time",
	"pymodfs_version.content",
	"pymodfs_version.command",
	"pymodfs_change.id",
	"pymodfs_change.op",
	"pymodfs_change.kind",
	"pymodfs_change.node",
	"pymodfs_change.parent",
	"pymodfs_change.dir",
	"pymodfs_change.base",
	"pymodfs_change.version",
	"pymodfs_change.old_version",
	"pymodfs_change.command",
	"pymodfs_resource.node",
	"pymodfs_resource.content",
	"pymodfs_setting.key",
	"pymodfs_setting.value",
	"module.name",
	"module.source",
	"sqlite_sequence.seq",
	"sqlite_schema.sql",
	"sqlite_schema.rootpage",
	"sqlite_schema.name",
	"sqlite_schema.type",
};

static const char *const values[] = {
	"NULL",
	"-1",
	"0",
	"1",
	"2",
	"3",
	"4",
	"5",
	"1e300",
	"-9223372036854775808",
	"9223372036854775807",
	"4294967297",
	"'m'",
	"'f'",
	"'l'",
	"'d'",
	"'x'",
	"''",
	"'.'",
	"'..'",
	"'/'",
	"'a/b'",
	"'main.py'",
	"'pkg'",
	"'pkg/empty'",
	"'pkg.__init__'",
	"char(0)",
	"'a' || char(10) || 'b'",
	"x''",
	"x'ff00ff'",
	"zeroblob(100000)",
	"'table'",
	"'view'",
	"hex(zeroblob(300))",
	"hex(zeroblob(5000))",
	"'schema'",
	"'uuid'",
	"'i'",
	"'u'",
	"'a'",
};

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static void set_value(sqlite3 *handle, struct input *input)
{
	const char *column = columns[input_byte(input) % COUNT(columns)];
	const char *dot = strchr(column, '.');
	const char *value = values[input_byte(input) % COUNT(values)];
	char *sql = sqlite3_mprintf("UPDATE OR IGNORE %.*s SET %s = %s WHERE "
				    "(SELECT count(*) FROM %.*s) = 0 OR rowid %% %d = %d",
		(int)(dot - column), column, dot + 1, value, (int)(dot - column), column,
		1 + input_byte(input) % 4, input_byte(input) % 4);
	/* The settings have no rowid. */
	if (!strncmp(column, "pymodfs_setting", 15)) {
		sqlite3_free(sql);
		sql = sqlite3_mprintf(
			"UPDATE OR IGNORE pymodfs_setting SET %s = %s WHERE length(key) %% 3 = %d",
			dot + 1, value, input_byte(input) % 3);
	}
	sqlite3_exec(handle, sql, NULL, NULL, NULL);
	sqlite3_free(sql);
}

/* Something of the schema goes, or has another text. */
static void change_schema(sqlite3 *handle, struct input *input)
{
	static const char *const replacements[][2] = {
		{"NOT NULL", ""},
		{"TEXT", "BLOB"},
		{"INTEGER PRIMARY KEY", "TEXT PRIMARY KEY"},
		{"path", "nopath"},
		{"INSTEAD OF INSERT ON", "INSTEAD OF DELETE ON"},
		{"WHERE", "WHERE 0 AND"},
		{"AFTER", "BEFORE"},
		{"UNIQUE", ""},
		{"pymodfs_node", "pymodfs_version"},
		{"1000000000", "0"},
	};
	unsigned which = input_byte(input) % COUNT(replacements);
	unsigned number = input_byte(input);
	char *sql =
		number % 2
			? sqlite3_mprintf("DELETE FROM sqlite_schema WHERE rowid = %u", number / 2)
			: sqlite3_mprintf("UPDATE sqlite_schema SET sql = replace(sql, %Q, %Q) "
					  "WHERE rowid = %u",
				  replacements[which][0], replacements[which][1], number / 2);
	sqlite3_exec(handle, sql, NULL, NULL, NULL);
	sqlite3_free(sql);
}

static void write_file(const char *bytes, size_t size)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
	assert(fd >= 0 && write(fd, bytes, size) == (ssize_t)size);
	close(fd);
}

static void damage_rows(struct input *input, unsigned count)
{
	sqlite3 *handle;
	assert(sqlite3_open_v2(path, &handle, SQLITE_OPEN_READWRITE, NULL) == SQLITE_OK);
	sqlite3_db_config(handle, SQLITE_DBCONFIG_ENABLE_TRIGGER, 0, NULL);
	sqlite3_db_config(handle, SQLITE_DBCONFIG_DEFENSIVE, 0, NULL);
	sqlite3_exec(handle, "PRAGMA writable_schema = ON; PRAGMA synchronous = OFF; BEGIN", NULL,
		NULL, NULL);
	while (count-- && input->at < input->end) {
		if (input_byte(input) % 8)
			set_value(handle, input);
		else
			change_schema(handle, input);
	}
	sqlite3_exec(handle, "COMMIT", NULL, NULL, NULL);
	sqlite3_close(handle);
}

static void damage_bytes(struct input *input)
{
	int fd = open(path, O_WRONLY);
	assert(fd >= 0);
	while (input->at < input->end) {
		/* Half of them near the start of a page, where its structure is. */
		size_t at = input_number(input, 3), length = 1 + input_byte(input) % 8;
		at = at & 1 ? at % pattern_size
			    : at % (pattern_size / 4096) * 4096 + (at >> 12) % 120;
		while (length-- && input->at < input->end) {
			uint8_t byte = input_byte(input);
			ssize_t n = pwrite(fd, &byte, 1, (off_t)at++);
			assert(n == 1);
		}
	}
	close(fd);
}

/* ---- the use ---- */

struct walk {
	struct store_reader *reader;
	int64_t ids[ENTRIES_MAX], versions[ENTRIES_MAX];
	unsigned n;
	unsigned depth;
};

static int visit(void *arg, const struct store_entry *entry)
{
	struct walk *walk = arg;
	if (walk->n == ENTRIES_MAX)
		return 1;
	assert(entry->name);
	walk->ids[walk->n] = entry->node.id;
	walk->versions[walk->n++] = entry->node.version;
	if (entry->node.kind == STORE_DIR && walk->depth < DEPTH_MAX) {
		walk->depth++;
		checked(store_list(walk->reader, entry->node.id, 0, visit, walk));
		walk->depth--;
	}
	return 0;
}

static void read_one(struct store_reader *reader, int64_t id, int64_t version)
{
	struct store_node node;
	void *data;
	size_t size;
	char *text;
	bool current;
	checked(store_get_node(reader, id, &node));
	checked(store_get_version(reader, version, &node, &current));
	if (checked(store_read(reader, version, &data, &size)) == 0) {
		assert(data);
		free(data);
	}
	if (checked(store_path(reader, id, &text)) == 0)
		free(text);
}

static int take_change(void *arg, const struct store_change *change)
{
	(void)arg;
	assert(change->name && change->path);
	return 0;
}

static int take_version(void *arg, const struct store_version *version)
{
	(void)arg;
	assert(version->path);
	return 0;
}

static int take_event(void *arg, const struct store_event *event)
{
	(void)arg;
	assert(event->path);
	return 0;
}

static int take_words(void *arg, const char *words)
{
	(void)arg;
	assert(words);
	return 0;
}

static int take_name(void *arg, const char *name, size_t size)
{
	(void)arg;
	assert(name[size] == '\0');
	return 0;
}

static void read_all(struct store *store, struct store_reader *reader, struct walk *walk)
{
	struct store_node node;
	struct store_counts counts;
	int64_t change;
	checked(store_list(reader, STORE_ROOT, 0, visit, walk));
	for (unsigned i = 0; i < walk->n; i++)
		read_one(reader, walk->ids[i], walk->versions[i]);
	checked(store_lookup(reader, STORE_ROOT, "pkg", &node));
	checked(store_changes(reader, 0, take_change, NULL));
	checked(store_last_change(reader, &change));
	checked(store_at_lookup(reader, 3, "pkg/data.txt", &node));
	checked(store_at_list(reader, 3, "pkg", visit, walk));
	checked(store_history(reader, "main.py", take_version, NULL));
	checked(store_history_names(reader, "pkg", take_words, NULL));
	checked(store_log(reader, NULL, take_event, NULL));
	checked(store_log(reader, "main.py", take_event, NULL));
	checked(store_count(reader, &counts));
	checked(store_hidden(reader, take_name, NULL));
	checked(store_check(store, take_words, NULL));
}

/* One change in a transaction of its own. */
static void write_one(struct store *store, unsigned what, int64_t id, int64_t other)
{
	struct store_txn *txn;
	struct store_node node;
	struct store_attr attr = {
		.set = STORE_SET_MODE | STORE_SET_MTIME, .mode = 0600, .mtime = 5};
	int64_t change;
	int err = 0;
	if (checked(store_begin(store, &(struct store_origin){0, 1, "fuzz"}, 0, &txn)))
		return;
	switch (what) {
	case 0:
		err = store_create(txn, id, "new.py", STORE_FILE, &attr, "x", 1, &node);
		break;
	case 1:
		err = store_write(txn, id, "V = 3\n", 6, &node);
		break;
	case 2:
		err = store_set_attr(txn, id, &attr, &node);
		break;
	case 3:
		err = store_move(txn, id, other, "moved.py");
		break;
	case 4:
		err = store_replace(txn, id, other, &node);
		break;
	case 5:
		err = store_exchange(txn, id, other);
		break;
	case 6:
		err = store_unlink(txn, id);
		break;
	case 7:
		err = store_rmdir(txn, id);
		break;
	default:
		err = store_create(txn, id, "dir", STORE_DIR, NULL, NULL, 0, &node);
		break;
	}
	if (checked(err))
		store_abort(txn);
	else
		checked(store_commit(txn, &change));
}

static void use(const struct store_options *options, struct input *input, unsigned writes)
{
	struct store *store;
	struct store_reader *reader;
	struct walk *walk = calloc(1, sizeof(*walk));
	assert(walk);
	if (checked(store_open(path, options, &store)))
		goto free_walk;
	if (checked(store_reader_create(store, &reader)))
		goto close_store;
	walk->reader = reader;
	read_all(store, reader, walk);
	while (writes--) {
		uint8_t what = input_byte(input) % 9;
		int64_t a = input_byte(input) % 12, b = input_byte(input) % 12;
		write_one(store, what, a, b);
	}
	store_reader_destroy(reader);
close_store:
	store_close(store);
free_walk:
	free(walk);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input input = {data, data + size}, calls;
	uint8_t how = input_byte(&input);
	struct store_options options = {.read_only = how % 8 == 7, .busy_timeout_ms = 100};
	unsigned writes = input_byte(&input) % 8, rows = input_byte(&input) % 8;
	/* What is called stands at the front, so that it stays when the damage behind it is made smaller. */
	calls = (struct input){input.at, input.end};
	input.at += (size_t)(input.end - input.at) < 3 * writes ? input.end - input.at : 3 * writes;
	write_file(pattern, pattern_size);
	damage_rows(&input, rows);
	damage_bytes(&input);
	use(&options, &calls, writes);
	remove_database();
	return 0;
}
