/* SPDX-License-Identifier: MIT */
/*
 * SQLite's result codes as the errnos that store.h promises (https://sqlite.org/rescode.html). No
 * state, no lock.
 */
#include "sqlite.h"

#include "error.h"

#include <errno.h>

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

int sqlite_fail(sqlite3 *handle, int code)
{
	const char *words = handle ? sqlite3_errmsg(handle) : sqlite3_errstr(code);
	return store_fail(errno_for(code), "%s", words);
}
