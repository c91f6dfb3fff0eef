/* SPDX-License-Identifier: MIT */
/*
 * SQLite databases that can't be written: how they are read all the same, and why they can't. The file decides, the file
 * system, and the directory, in which SQLite keeps a log beside the file while it is open.
 *
 * Where no log can be made the file is opened as immutable: SQLite takes no locks then, and keeps what it has read for ever. But
 * who may write there can write at any time. So such a connection is made anew when the file has changed or has a log; from then on
 * it is an ordinary one as long as somebody has the database open. No state.
 */
#include "sqlite.h"

#include "error.h"
#include "user.h"

#include <errno.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

char *sqlite_immutable_uri(const char *path)
{
	static const char digits[] = "0123456789abcdef";
	char *uri = malloc(3 * strlen(path) + sizeof("file:?immutable=1"));
	if (!uri)
		return NULL;
	char *out = stpcpy(uri, "file:");
	for (const unsigned char *c = (const unsigned char *)path; *c; c++) {
		*out++ = '%';
		*out++ = digits[*c >> 4];
		*out++ = digits[*c & 15];
	}
	strcpy(out, "?immutable=1");
	return uri;
}

/* Is there a write-ahead log with something in it? Then the database file alone is not all. */
static bool has_log(const char *path)
{
	char *log;
	struct stat st;
	if (asprintf(&log, "%s-wal", path) < 0)
		return true;
	bool has = !stat(log, &st) && st.st_size > 0;
	free(log);
	return has;
}

/* 0, or the errno that says why nothing can be made in the directory of the file. */
static int check_directory(const char *path)
{
	char *copy = strdup(path);
	if (!copy)
		return ENOMEM;
	int error = access(dirname(copy), W_OK | X_OK) ? errno : 0;
	free(copy);
	return error;
}

bool sqlite_is_immutable(const char *path)
{
	return !access(path, R_OK) && check_directory(path) && !has_log(path);
}

static void stamp_take(struct sqlite_stamp *stamp, const char *path)
{
	struct stat st;
	*stamp = (struct sqlite_stamp){.size = -1};
	if (stat(path, &st) == 0)
		*stamp = (struct sqlite_stamp){.mtime = st.st_mtim, .size = st.st_size};
}

int sqlite_stamp_connect(
	struct sqlite_stamp *stamp, const struct store *store, sqlite3 **ret_handle)
{
	stamp_take(stamp, store->url); /* before it is opened: a change after that is seen */
	int err = sqlite_connect_store(store, ret_handle);
	if (!err)
		stamp->immutable = sqlite3_uri_boolean(
			sqlite3_db_filename(*ret_handle, "main"), "immutable", 0);
	return err;
}

bool sqlite_stamp_is_old(const struct sqlite_stamp *stamp, const char *path)
{
	struct sqlite_stamp now;
	if (!stamp->immutable)
		return false;
	stamp_take(&now, path);
	return now.size != stamp->size || now.mtime.tv_sec != stamp->mtime.tv_sec ||
	       now.mtime.tv_nsec != stamp->mtime.tv_nsec || has_log(path);
}

/* Whose it is, for the words: "root, mode 0644". */
struct owner {
	struct user_name user;
	unsigned int mode;
};

static struct owner find_owner(const char *path)
{
	struct stat st;
	if (stat(path, &st))
		return (struct owner){.user = {"?"}};
	return (struct owner){.user = user_name(st.st_uid), .mode = st.st_mode & 07777};
}

int sqlite_refuse_to_read(const char *path)
{
	const struct owner owner = find_owner(path);
	return store_fail(-EACCES,
		"can't open %s: you may not read it (owner %s, mode %04o): let the owner allow it",
		path, owner.user.text, owner.mode);
}

static int refuse_directory(const char *path)
{
	char *copy = strdup(path);
	if (!copy)
		return store_fail(-ENOMEM, "out of memory");
	const struct owner owner = find_owner(dirname(copy));
	free(copy);
	return store_fail(-EROFS,
		"you may not write its directory, where its log would be (owner %s, mode %04o): "
		"let the owner allow it, or work on a copy (pymodfs backup)",
		owner.user.text, owner.mode);
}

int sqlite_refuse_to_write(const char *path)
{
	int error = access(path, W_OK) ? errno : 0;
	if (error == EACCES) {
		const struct owner owner = find_owner(path);
		return store_fail(-EROFS,
			"you may not write the file (owner %s, mode %04o): let the owner allow it, "
			"or work on a copy (pymodfs backup)",
			owner.user.text, owner.mode);
	}
	if (!error)
		error = check_directory(path);
	if (error == EACCES)
		return refuse_directory(path);
	if (error == EROFS)
		return store_fail(-EROFS, "it is on a read-only file system; work on a copy "
					  "elsewhere (pymodfs backup)");
	return store_fail(-EROFS,
		"SQLite could open it for reading only; work on a copy elsewhere (pymodfs backup)");
}
