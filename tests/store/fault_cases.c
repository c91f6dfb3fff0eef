/* SPDX-License-Identifier: MIT */
/*
 * Faults at every point of a save: the n-th one fails, for each n until a save meets no more of them. Whatever fails, the
 * save is whole or not at all, the error is reported, and the next save works.
 *
 * I/O errors: SQLite's own file layer is wrapped. Power loss, in the same layer: from the n-th call on nothing reaches the
 * disk any more, and of what was written since the file's last sync all or some is lost. Memory: our own malloc is wrapped by
 * the linker (meson.build), and SQLite gets a limit a little above what it uses.
 */
#include "case.h"

#include <errno.h>
#include <sqlite3.h>
#include <unistd.h>

struct faulty_file {
	sqlite3_file base;
	sqlite3_file *real; /* right behind this struct */
};

/* Counts down with each call that can fail; the one that reaches 0 fails with `code`. -1: none does. */
static int countdown = -1;
static int code;
static bool fired;

/* A write that isn't synced: what stood there before. */
struct undo {
	struct faulty_file *file;
	sqlite3_int64 at;
	int size;
	char *old; /* zeros behind the end */
	struct undo *next;
};

static struct undo *undos; /* the newest first */
static bool power_fails;   /* the fault is a power loss */
static bool some_is_lost;  /* of what wasn't synced; else all of it */
static bool dead;          /* the power is gone */

static bool is_lost(const struct undo *undo)
{
	return !some_is_lost || ((uint64_t)undo->at * UINT64_C(0x9e3779b97f4a7c15) >> 40) % 2;
}

static void lose_power(void)
{
	for (struct undo *undo = undos; undo; undo = undo->next)
		if (is_lost(undo))
			undo->file->real->pMethods->xWrite(
				undo->file->real, undo->old, undo->size, undo->at);
	dead = true;
}

static bool fails(void)
{
	if (dead)
		return true;
	if (countdown < 0 || --countdown >= 0)
		return false;
	fired = true;
	if (power_fails)
		lose_power();
	return true;
}

/* All writes to the file are on the disk, or it is closed; NULL: to any file. */
static void forget_undos(const struct faulty_file *file)
{
	for (struct undo **p = &undos; *p;) {
		struct undo *undo = *p;
		if (file && undo->file != file) {
			p = &undo->next;
			continue;
		}
		*p = undo->next;
		free(undo->old);
		free(undo);
	}
}

static void remember(struct faulty_file *file, int size, sqlite3_int64 at)
{
	struct undo *undo = malloc(sizeof(*undo));
	CHECK(undo);
	*undo = (struct undo){file, at, size, calloc(1, (size_t)size), undos};
	CHECK(undo->old);
	/* What is behind the end is read as zeros. */
	file->real->pMethods->xRead(file->real, undo->old, size, at);
	undos = undo;
}

static void arm(int n, int with)
{
	countdown = n;
	code = with;
	fired = false;
}

static sqlite3_file *real_of(sqlite3_file *file)
{
	return ((struct faulty_file *)file)->real;
}

#define PASS(name, parameters, arguments)              \
	static int faulty_##name parameters            \
	{                                              \
		sqlite3_file *real = real_of(file);    \
		return real->pMethods->name arguments; \
	}
#define PASS_OR_FAIL(name, parameters, arguments)                       \
	static int faulty_##name parameters                             \
	{                                                               \
		sqlite3_file *real = real_of(file);                     \
		return fails() ? code : real->pMethods->name arguments; \
	}

PASS_OR_FAIL(xRead, (sqlite3_file * file, void *data, int size, sqlite3_int64 at),
	(real, data, size, at))
PASS_OR_FAIL(xTruncate, (sqlite3_file * file, sqlite3_int64 size), (real, size))
PASS(xFileSize, (sqlite3_file * file, sqlite3_int64 *size), (real, size))
PASS(xLock, (sqlite3_file * file, int level), (real, level))
PASS(xUnlock, (sqlite3_file * file, int level), (real, level))
PASS(xCheckReservedLock, (sqlite3_file * file, int *held), (real, held))
PASS(xFileControl, (sqlite3_file * file, int op, void *arg), (real, op, arg))
PASS(xSectorSize, (sqlite3_file * file), (real))
PASS(xDeviceCharacteristics, (sqlite3_file * file), (real))
PASS(xShmMap, (sqlite3_file * file, int page, int size, int extend, void volatile **map),
	(real, page, size, extend, map))
PASS(xShmLock, (sqlite3_file * file, int offset, int n, int flags), (real, offset, n, flags))
PASS(xShmUnmap, (sqlite3_file * file, int remove), (real, remove))
PASS(xFetch, (sqlite3_file * file, sqlite3_int64 at, int size, void **data), (real, at, size, data))
PASS(xUnfetch, (sqlite3_file * file, sqlite3_int64 at, void *data), (real, at, data))

static int faulty_xClose(sqlite3_file *file)
{
	forget_undos((struct faulty_file *)file);
	return real_of(file)->pMethods->xClose(real_of(file));
}

static int faulty_xWrite(sqlite3_file *file, const void *data, int size, sqlite3_int64 at)
{
	if (fails())
		return code;
	if (power_fails)
		remember((struct faulty_file *)file, size, at);
	return real_of(file)->pMethods->xWrite(real_of(file), data, size, at);
}

static int faulty_xSync(sqlite3_file *file, int flags)
{
	if (fails())
		return code;
	forget_undos((struct faulty_file *)file);
	return real_of(file)->pMethods->xSync(real_of(file), flags);
}

static void faulty_xShmBarrier(sqlite3_file *file)
{
	sqlite3_file *real = real_of(file);
	real->pMethods->xShmBarrier(real);
}

static const sqlite3_io_methods methods = {
	.iVersion = 3,
	.xClose = faulty_xClose,
	.xRead = faulty_xRead,
	.xWrite = faulty_xWrite,
	.xTruncate = faulty_xTruncate,
	.xSync = faulty_xSync,
	.xFileSize = faulty_xFileSize,
	.xLock = faulty_xLock,
	.xUnlock = faulty_xUnlock,
	.xCheckReservedLock = faulty_xCheckReservedLock,
	.xFileControl = faulty_xFileControl,
	.xSectorSize = faulty_xSectorSize,
	.xDeviceCharacteristics = faulty_xDeviceCharacteristics,
	.xShmMap = faulty_xShmMap,
	.xShmLock = faulty_xShmLock,
	.xShmBarrier = faulty_xShmBarrier,
	.xShmUnmap = faulty_xShmUnmap,
	.xFetch = faulty_xFetch,
	.xUnfetch = faulty_xUnfetch,
};

static sqlite3_vfs *real_vfs;

static int faulty_open(
	sqlite3_vfs *vfs, const char *name, sqlite3_file *base, int flags, int *ret_flags)
{
	struct faulty_file *file = (struct faulty_file *)base;
	file->real = (sqlite3_file *)(file + 1);
	int err = real_vfs->xOpen(real_vfs, name, file->real, flags, ret_flags);
	file->base.pMethods = file->real->pMethods ? &methods : NULL;
	return err;
}

static int faulty_delete(sqlite3_vfs *vfs, const char *name, int sync)
{
	(void)vfs;
	return dead ? SQLITE_IOERR_DELETE : real_vfs->xDelete(real_vfs, name, sync);
}

/* A second store on the same database whose files are faulty. */
static struct env open_faulty(const struct env *env)
{
	static sqlite3_vfs vfs;
	struct env faulty = *env;
	real_vfs = sqlite3_vfs_find(NULL);
	vfs = *real_vfs;
	vfs.zName = "faulty";
	vfs.szOsFile += (int)sizeof(struct faulty_file);
	vfs.xOpen = faulty_open;
	vfs.xDelete = faulty_delete;
	CHECK_INT(sqlite3_vfs_register(&vfs, 1), SQLITE_OK);
	CHECK_INT(store_open(env->path, NULL, &faulty.store), 0);
	CHECK_INT(store_reader_create(faulty.store, &faulty.reader), 0);
	return faulty;
}

static void close_faulty(struct env *faulty)
{
	store_reader_destroy(faulty->reader);
	store_close(faulty->store);
	sqlite3_vfs_unregister(sqlite3_vfs_find("faulty"));
}

/* A save that touches several tables; its errno. */
static int try_save(struct env *env, int64_t id, const char *text, size_t size)
{
	struct store_txn *txn;
	struct store_node node;
	int64_t change;
	int err = store_begin(env->store, NULL, -1, &txn);
	if (err)
		return err;
	err = store_write(txn, id, text, size, &node);
	if (!err)
		err = store_move(txn, id, STORE_ROOT, "a2.py");
	if (!err)
		err = store_move(txn, id, STORE_ROOT, "a.py");
	if (!err)
		return store_commit(txn, &change);
	store_abort(txn);
	return err;
}

/* Fails the n-th call of each save in turn, for all n. Returns how many there are. */
static int fail_everywhere(struct env *env, struct env *faulty, int64_t id, int with, int expected)
{
	size_t size = 40000;
	char *text = malloc(size + 1), *before = NULL;
	int n;
	for (n = 0;; n++) {
		free(before);
		before = text_of(env, "a.py");
		memset(text, 'a' + n % 26, size);
		snprintf(text, 20, "%d of %d", n, with);
		text[size] = '\0';
		arm(n, with);
		int err = try_save(faulty, id, text, size);
		countdown = -1;
		char *after = text_of(env, "a.py");
		CHECK_TEXT(after, err ? before : text);
		free(after);
		if (n % 8 == 0)
			check_invariants(env);
		CHECK_INT(save(faulty, id, "the next save works").id, id);
		if (!fired)
			break;
		/* An error that SQLite could cope with (a checkpoint, say) is none. */
		CHECK(!err || err == expected);
	}
	free(before);
	free(text);
	return n;
}

static void test_a_save_is_whole_or_not_at_all_whatever_fails(struct env *env)
{
	struct store_node node = make(env, STORE_ROOT, "a.py", "old");
	struct env faulty = open_faulty(env);
	CHECK(fail_everywhere(env, &faulty, node.id, SQLITE_IOERR_WRITE, -EIO) > 10);
	CHECK(fail_everywhere(env, &faulty, node.id, SQLITE_FULL, -ENOSPC) > 10);
	close_faulty(&faulty);
}

/* ---- power ---- */

static void open_again(struct env *env)
{
	/* Memory that the processes share does not outlive them. */
	char shared[sizeof(env->path) + 8];
	snprintf(shared, sizeof(shared), "%s-shm", env->path);
	unlink(shared);
	CHECK_INT(store_open(env->path, NULL, &env->store), 0);
	CHECK_INT(store_reader_create(env->store, &env->reader), 0);
}

static void close_store(struct env *env)
{
	store_reader_destroy(env->reader);
	store_close(env->store);
	env->reader = NULL;
	env->store = NULL;
}

static int count_damage(void *arg, const char *words)
{
	(void)words;
	++*(int *)arg;
	return 0;
}

/* One save during which the power fails at the n-th call, or right after it; returns whether it came to that. */
static bool lose_power_at(struct env *env, int64_t id, int n, const char *before, const char *text)
{
	int damage = 0;
	close_store(env);
	struct env faulty = open_faulty(env);
	power_fails = true;
	arm(n, SQLITE_IOERR_WRITE);
	int err = try_save(&faulty, id, text, strlen(text));
	bool during = fired;
	if (!dead)
		lose_power();
	close_faulty(&faulty);
	forget_undos(NULL);
	countdown = -1;
	power_fails = dead = false;
	open_again(env);
	char *after = text_of(env, "a.py");
	/* What was acknowledged is there; what was not is there whole, or not at all. */
	CHECK(!strcmp(after, text) || (err && !strcmp(after, before)));
	free(after);
	CHECK_INT(store_check(env->store, count_damage, &damage), 0);
	CHECK_INT(damage, 0);
	check_invariants(env);
	return during;
}

static void test_an_acknowledged_save_outlasts_a_power_loss_and_none_is_kept_in_part(
	struct env *env)
{
	int64_t id = make(env, STORE_ROOT, "a.py", "old").id;
	char *text = malloc(6001);
	CHECK(text);
	memset(text, 'x', 6000);
	text[6000] = '\0';
	for (int turn = 0; turn < 2; turn++) {
		some_is_lost = turn == 1;
		int n = 0;
		for (bool during = true; during; n++) {
			char *before = text_of(env, "a.py");
			text[snprintf(text, 20, "%d of %d", n, turn)] = 'x';
			during = lose_power_at(env, id, n, before, text);
			free(before);
		}
		CHECK(n > 10);
	}
	free(text);
}

/* ---- memory ---- */

static int allocations = -1; /* as countdown, of our own code */

void *__real_malloc(size_t size);
void *__real_calloc(size_t n, size_t size);
void *__real_realloc(void *old, size_t size);
char *__real_strdup(const char *text);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_realloc(void *old, size_t size);
char *__wrap_strdup(const char *text);

static bool is_out_of_memory(void)
{
	if (allocations < 0 || --allocations >= 0)
		return false;
	fired = true;
	errno = ENOMEM;
	return true;
}

void *__wrap_malloc(size_t size)
{
	return is_out_of_memory() ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t n, size_t size)
{
	return is_out_of_memory() ? NULL : __real_calloc(n, size);
}

void *__wrap_realloc(void *old, size_t size)
{
	return is_out_of_memory() ? NULL : __real_realloc(old, size);
}

char *__wrap_strdup(const char *text)
{
	return is_out_of_memory() ? NULL : __real_strdup(text);
}

/*
 * A save during which our n-th allocation fails (-1: none does) and SQLite gets that many bytes more than it has (-1: as many as
 * it likes); returns its errno.
 */
static int save_starved(struct env *env, int64_t id, int n, int bytes)
{
	char text[64], *before = text_of(env, "a.py");
	snprintf(text, sizeof(text), "save %d, %d", n, bytes);
	fired = false;
	if (bytes >= 0)
		sqlite3_hard_heap_limit64(sqlite3_memory_used() + bytes);
	allocations = n;
	int err = try_save(env, id, text, strlen(text));
	allocations = -1;
	sqlite3_hard_heap_limit64(0);
	char *after = text_of(env, "a.py");
	CHECK_TEXT(after, err ? before : text);
	free(after);
	free(before);
	CHECK(!err || err == -ENOMEM);
	CHECK_INT(save(env, id, "the next save works").id, id);
	return err;
}

static void test_a_save_without_memory_fails_whole_and_the_next_one_works(struct env *env)
{
	int64_t id = make(env, STORE_ROOT, "a.py", "old").id;
	int failed = 0, n = 0;
	do
		failed += save_starved(env, id, n++, -1) != 0;
	while (fired);
	CHECK(failed > 5);
	check_invariants(env);
}

static void test_the_same_where_it_is_the_database_that_has_no_memory(struct env *env)
{
	int64_t id = make(env, STORE_ROOT, "a.py", "old").id;
	int failed = 0, row = 0;
	/* Until more memory makes no difference any more. */
	for (int n = 0; row < 20 && n < 3000; n++) {
		bool fails_now = save_starved(env, id, -1, 256 * n) != 0;
		failed += fails_now;
		row = fails_now ? 0 : row + 1;
	}
	CHECK_INT(row, 20);
	CHECK(failed > 0);
	check_invariants(env);
}

const struct test_case fault_cases[] = {
	{"an_acknowledged_save_outlasts_a_power_loss_and_none_is_kept_in_part",
		test_an_acknowledged_save_outlasts_a_power_loss_and_none_is_kept_in_part, true},
	{"a_save_without_memory_fails_whole_and_the_next_one_works",
		test_a_save_without_memory_fails_whole_and_the_next_one_works, true},
	{"the_same_where_it_is_the_database_that_has_no_memory",
		test_the_same_where_it_is_the_database_that_has_no_memory, true},
	{"a_save_is_whole_or_not_at_all_whatever_fails",
		test_a_save_is_whole_or_not_at_all_whatever_fails, true},
	{0},
};
