/* SPDX-License-Identifier: MIT */
/* utf8.h - is it text? Private to fs/store. */
#ifndef PYMODFS_STORE_UTF8_H
#define PYMODFS_STORE_UTF8_H

#include <stdbool.h>
#include <stddef.h>

/* Well-formed UTF-8 (no overlong forms, no surrogates, nothing above U+10FFFF) without NUL. */
bool utf8_is_text(const void *data, size_t size);

#endif
