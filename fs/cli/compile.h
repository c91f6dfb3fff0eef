/* SPDX-License-Identifier: MIT */
/* compile.h - what the Python interpreter, a process of its own, says of the modules of a database. */
#ifndef PYMODFS_CLI_COMPILE_H
#define PYMODFS_CLI_COMPILE_H

#include "filelist.h"

#define COMPILE_PYTHON "/usr/bin/python3"

/* stdlib: the module hides one of the standard library; else its source doesn't compile, at that line (0: not known). */
typedef int compile_fn(
	void *arg, const struct filelist_file *file, bool stdlib, int line, const char *words);

/*
 * Calls fn for each module that isn't right; a value other than 0 ends it and is returned. -ENOENT: there is no such
 * program; -EIO: it ended otherwise than it should, and has said why on stderr. Nothing of the modules is executed.
 */
int compile_all(const struct filelist *modules, const char *python, compile_fn *fn, void *arg);

#endif
