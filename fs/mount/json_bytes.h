/* SPDX-License-Identifier: MIT */
/* json_bytes.h - names that may be no UTF-8 in JSON, which knows nothing else. */
#ifndef PYMODFS_MOUNT_JSON_BYTES_H
#define PYMODFS_MOUNT_JSON_BYTES_H

#include <jansson.h>
#include <stddef.h>

/*
 * Any bytes as a JSON string, at most limit of them (then ... follows). What is not UTF-8, is too long or has a NUL in it: with
 * \xNN for each byte that is not printable ASCII, and for a backslash. NULL: no memory.
 */
json_t *json_bytes(const char *data, size_t size, size_t limit);
/* A text likewise, of any length; null for NULL. */
json_t *json_text(const char *text);

#endif
