/* SPDX-License-Identifier: MIT */
/*
 * SQLite's result codes as the errnos that store.h promises (https://sqlite.org/rescode.html). No
 * state, no lock.
 */
#include "sqlite.h"

#include "error.h"

#include <errno.h>
#include <string.h>

static int errno_for(int code)
{
	switch (code & 0xff) {
	case SQLITE_BUSY:
	case SQLITE_LOCKED:
		return -EBUSY;
	case SQLITE_READONLY:
		return -EROFS;
	case SQLITE_FULL:
		return -ENOSPC;
	case SQLITE_CONSTRAINT:
	case SQLITE_MISMATCH:
		return -EINVAL;
	case SQLITE_CORRUPT:
	case SQLITE_NOTADB:
		return -EUCLEAN;
	case SQLITE_NOMEM:
		return -ENOMEM;
	case SQLITE_TOOBIG:
		return -EFBIG;
	default:
		return -EIO;
	}
}

/* With what the system said, if it did: on a full disk there is no room for the -shm file either, which a reader needs too. */
static int fail_io(sqlite3 *handle, const char *words)
{
	int number = sqlite3_system_errno(handle);
	int err = number == ENOSPC || number == EDQUOT ? -ENOSPC : -EIO;
	return number ? store_fail(err, "%s: %s", words, strerror(number))
		      : store_fail(err, "%s", words);
}

int sqlite_fail(sqlite3 *handle, int code)
{
	const char *words = handle ? sqlite3_errmsg(handle) : sqlite3_errstr(code);
	if (handle && ((code & 0xff) == SQLITE_IOERR || (code & 0xff) == SQLITE_CANTOPEN))
		return fail_io(handle, words);
	return store_fail(errno_for(code), "%s", words);
}
