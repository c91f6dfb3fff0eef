/* SPDX-License-Identifier: MIT */
/*
 * I/O errors at every point of a save. SQLite's own file layer is wrapped; the n-th write, sync or read fails,
 * for each n until a save makes no more of them. Whatever fails, the save is whole or not at all, the
 * error is reported, and the next save works.
 */
#include "case.h"

#include <sqlite3.h>

struct faulty_file {
	sqlite3_file base;
	sqlite3_file *real; /* right behind this struct */
};

/* Counts down with each call that can fail; the one that reaches 0 fails with `code`. -1: none does. */
static int countdown = -1;
static int code;
static bool fired;

static bool fails(void)
{
	if (countdown < 0 || --countdown >= 0)
		return false;
	fired = true;
	return true;
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

PASS(xClose, (sqlite3_file * file), (real))
PASS_OR_FAIL(xRead, (sqlite3_file * file, void *data, int size, sqlite3_int64 at),
	(real, data, size, at))
PASS_OR_FAIL(xWrite, (sqlite3_file * file, const void *data, int size, sqlite3_int64 at),
	(real, data, size, at))
PASS_OR_FAIL(xTruncate, (sqlite3_file * file, sqlite3_int64 size), (real, size))
PASS_OR_FAIL(xSync, (sqlite3_file * file, int flags), (real, flags))
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

const struct test_case fault_cases[] = {
	{"a_save_is_whole_or_not_at_all_whatever_fails",
		test_a_save_is_whole_or_not_at_all_whatever_fails, true},
	{0},
};
