/* SPDX-License-Identifier: MIT */
#ifndef PYMODFS_NAMES_H
#define PYMODFS_NAMES_H

#include <stdbool.h>

/*
 * Is it a name under which a well-known editor keeps something of its own for a moment (swap file, lock,
 * backup, file to be renamed over the real one)? Such a file lives in memory. A name that a
 * person could have meant is none.
 */
bool name_is_dropping(const char *name);
/*
 * Is it a name that a program gives to a file for a moment, before it renames it over the real one (sed, patch, rsync,
 * Qt's QSaveFile)? A person could have meant it too (`x.py.backup`), so such a file is kept if it stays.
 */
bool name_is_temporary(const char *name);
/* Does it end in `.py`? */
bool name_is_python(const char *name);

#endif
