/* SPDX-License-Identifier: MIT */
/*
 * table.h - uthash for programs that outlive a moment without memory: what can't be added is not in the table then, and
 * is_in_table() says so (uthash alone would end the process).
 */
#ifndef PYMODFS_TABLE_H
#define PYMODFS_TABLE_H

#define HASH_NONFATAL_OOM 1
#include <uthash.h>

/* Was it added? Of what was just given to HASH_ADD...; hh: its handle's name. */
#define is_in_table(hh, item) ((item)->hh.tbl != NULL)

#endif
