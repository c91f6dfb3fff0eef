/* SPDX-License-Identifier: MIT */
/*
 * A copy of the database while it is in use, and SQLite's own check of it. Both on connections of their own,
 * which are gone afterwards; no lock. The copy is one step of SQLite's backup API, so that it is one snapshot and is
 * never begun anew because of a writer; in WAL mode writers go on meanwhile. It has the original's mode, but its owner may
 * write it. It gets its name when it is whole; what a kill leaves of it, under another name, the next backup to the same
 * file takes away.
 */
#include "sqlite.h"

#include "error.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define PAGES 1000 /* between two words about the progress */

static int fail_file(const char *file, int error)
{
	return store_fail(-error, "%s: %s", file, strerror(error));
}

static int fail_taken(const char *file)
{
	return store_fail(
		-EEXIST, "%s is there already, and is not overwritten; name another file", file);
}

/* ---- the file ---- */

/* What a kill has left of the copy before; the lock says that nobody is writing it. */
static int empty_part(int fd, const char *part)
{
	struct stat ours, there;
	char *journal;
	if (flock(fd, LOCK_EX | LOCK_NB) || fstat(fd, &ours) || stat(part, &there) ||
		ours.st_ino != there.st_ino)
		return store_fail(-EBUSY, "%s: another backup is writing it", part);
	if (ftruncate(fd, 0) || fchmod(fd, 0600))
		return fail_file(part, errno);
	if (asprintf(&journal, "%s-journal", part) < 0)
		return store_fail(-ENOMEM, "out of memory");
	unlink(journal);
	free(journal);
	return 0;
}

/* Nobody else may read it until it is whole. */
static int open_part(const char *part, int *ret_fd)
{
	int fd = open(part, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return fail_file(part, errno);
	int err = empty_part(fd, part);
	if (err)
		close(fd);
	else
		*ret_fd = fd;
	return err;
}

/* Nothing is replaced. Some file systems know no such rename, others no second name. */
static int rename_part(const char *part, const char *file)
{
	if (!renameat2(AT_FDCWD, part, AT_FDCWD, file, RENAME_NOREPLACE))
		return 0;
	if (errno == EINVAL && !link(part, file))
		return unlink(part) ? fail_file(part, errno) : 0;
	return errno == EEXIST ? fail_taken(file) : fail_file(file, errno);
}

/* ---- the copy ---- */

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
	return stat(from, &st) || chmod(file, (st.st_mode & 0777) | S_IRUSR | S_IWUSR)
		       ? fail_file(file, errno)
		       : 0;
}

static int fill_file(struct store *store, const char *file, store_progress_fn *fn, void *arg)
{
	sqlite3 *from, *to = NULL;
	int err = sqlite_connect_store(store, &from);
	if (err)
		return err;
	int code = sqlite3_open_v2(file, &to, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL);
	if (code == SQLITE_OK)
		code = sqlite3_exec(to, "PRAGMA synchronous = FULL", NULL, NULL, NULL);
	err = code == SQLITE_OK ? copy_pages(from, to, fn, arg) : sqlite_fail(to, code);
	sqlite3_close(to);
	sqlite3_close(from);
	return err ? err : set_mode(store->url, file);
}

static int make_copy(
	struct store *store, const char *file, const char *part, store_progress_fn *fn, void *arg)
{
	int fd = -1;
	int err = open_part(part, &fd);
	if (err)
		return err;
	/* An absolute path has no meaning of its own to SQLite, as ":memory:" has. */
	char *path = realpath(part, NULL);
	err = path ? fill_file(store, path, fn, arg) : fail_file(part, errno);
	if (!err)
		err = rename_part(part, file);
	if (err)
		unlink(part);
	free(path);
	close(fd);
	return err ? err : sync_dir(file);
}

int sqlite_backup(struct store *store, const char *file, store_progress_fn *fn, void *arg)
{
	struct stat st;
	char *part;
	if (!lstat(file, &st))
		return fail_taken(file);
	if (asprintf(&part, "%s.pymodfs-part", file) < 0)
		return store_fail(-ENOMEM, "out of memory");
	int err = make_copy(store, file, part, fn, arg);
	free(part);
	return err;
}

/* ---- the check ---- */

int sqlite_check(struct store *store, int (*fn)(void *arg, const char *words), void *arg)
{
	sqlite3_stmt *statement = NULL;
	sqlite3 *handle;
	int stop = 0;
	int err = sqlite_connect_store(store, &handle);
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
	if (!err && !stop && sqlite_check_triggers(handle, store->url, &store->setting))
		stop = fn(arg, store_error());
	sqlite3_close(handle);
	return err ? err : stop;
}
