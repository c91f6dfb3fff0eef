/* SPDX-License-Identifier: MIT */
/*
 * A copy of the database while it is in use, and SQLite's own check of it. Both on connections of their own,
 * which are gone afterwards; no lock. The copy is one step of SQLite's backup API, so that it is one snapshot and is
 * never begun anew because of a writer; in WAL mode writers go on meanwhile. It has the original's mode.
 */
#include "sqlite.h"

#include "error.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define PAGES 1000 /* between two words about the progress */

static int fail_file(const char *file, int error)
{
	return store_fail(-error, "%s: %s", file, strerror(error));
}

/* Makes the file; nobody else may read it until it is whole. */
static int make_file(const char *file)
{
	int fd = open(file, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0 && errno == EEXIST)
		return store_fail(-EEXIST,
			"%s is there already, and is not overwritten; name another file", file);
	if (fd < 0)
		return fail_file(file, errno);
	close(fd);
	return 0;
}

/*
 * Between two steps others' commits would make the copy begin anew, so the source is held at one moment by a read
 * transaction.
 */
static int copy_pages(sqlite3 *from, sqlite3 *to, store_progress_fn *fn, void *arg)
{
	int code =
		sqlite3_exec(from, "BEGIN; SELECT count(*) FROM sqlite_schema", NULL, NULL, NULL);
	if (code != SQLITE_OK)
		return sqlite_fail(from, code);
	sqlite3_backup *backup = sqlite3_backup_init(to, "main", from, "main");
	if (!backup)
		return sqlite_fail(to, sqlite3_errcode(to));
	int stop = 0;
	while (!stop && (code = sqlite3_backup_step(backup, fn ? PAGES : -1)) == SQLITE_OK) {
		int total = sqlite3_backup_pagecount(backup);
		if (fn)
			stop = fn(arg, total - sqlite3_backup_remaining(backup), total);
	}
	int end = sqlite3_backup_finish(backup);
	if (stop)
		return stop;
	if (code == SQLITE_DONE && end == SQLITE_OK)
		return 0;
	code = end != SQLITE_OK ? end : code;
	int err = sqlite_fail(to, code);
	return store_fail(err, "%s: %s", sqlite3_db_filename(to, "main"), store_error());
}

/* The name in its directory survives a power failure as well. */
static int sync_dir(const char *file)
{
	char *copy = strdup(file);
	if (!copy)
		return store_fail(-ENOMEM, "out of memory");
	int fd = open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int err = fd < 0 || fsync(fd) ? fail_file(file, errno) : 0;
	if (fd >= 0)
		close(fd);
	free(copy);
	return err;
}

static int set_mode(const char *from, const char *file)
{
	struct stat st;
	return stat(from, &st) || chmod(file, st.st_mode & 0777) ? fail_file(file, errno) : 0;
}

static int fill_file(struct store *store, const char *file, store_progress_fn *fn, void *arg)
{
	sqlite3 *from, *to = NULL;
	int timeout = store->options.busy_timeout_ms;
	int err = sqlite_connect(store->url, SQLITE_OPEN_READONLY, timeout, &from);
	if (err)
		return err;
	int code = sqlite3_open_v2(file, &to, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL);
	if (code == SQLITE_OK)
		code = sqlite3_exec(to, "PRAGMA synchronous = FULL", NULL, NULL, NULL);
	err = code == SQLITE_OK ? copy_pages(from, to, fn, arg) : sqlite_fail(to, code);
	sqlite3_close(to);
	sqlite3_close(from);
	if (!err)
		err = set_mode(store->url, file);
	return err ? err : sync_dir(file);
}

int sqlite_backup(struct store *store, const char *file, store_progress_fn *fn, void *arg)
{
	int err = make_file(file);
	if (err)
		return err;
	/* An absolute path has no meaning of its own to SQLite, as ":memory:" has. */
	char *path = realpath(file, NULL);
	err = path ? fill_file(store, path, fn, arg) : fail_file(file, errno);
	if (err)
		unlink(file);
	free(path);
	return err;
}

int sqlite_check(struct store *store, int (*fn)(void *arg, const char *words), void *arg)
{
	sqlite3_stmt *statement = NULL;
	sqlite3 *handle;
	int stop = 0;
	int err = sqlite_connect(
		store->url, SQLITE_OPEN_READONLY, store->options.busy_timeout_ms, &handle);
	if (err)
		return err;
	int code = sqlite3_prepare_v2(handle, "PRAGMA integrity_check", -1, &statement, NULL);
	while (code == SQLITE_OK && !stop && (code = sqlite3_step(statement)) == SQLITE_ROW) {
		const char *words = (const char *)sqlite3_column_text(statement, 0);
		if (words && strcmp(words, "ok"))
			stop = fn(arg, words);
		code = SQLITE_OK;
	}
	if (code != SQLITE_OK && code != SQLITE_DONE)
		err = sqlite_fail(handle, code);
	sqlite3_finalize(statement);
	sqlite3_close(handle);
	return err ? err : stop;
}
