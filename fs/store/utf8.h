/* SPDX-License-Identifier: MIT */
/* utf8.h - is it text? Private to fs/store. */
#ifndef PYMODFS_STORE_UTF8_H
#define PYMODFS_STORE_UTF8_H

#include <stdbool.h>
#include <stddef.h>

/* The length of the well-formed sequence at p, 0 when there is none; NUL is none. left, which is at least 1: as far as it may go. */
size_t utf8_sequence_length(const unsigned char *p, size_t left);
/* Well-formed UTF-8 (no overlong forms, no surrogates, nothing above U+10FFFF) without NUL. */
bool utf8_is_text(const void *data, size_t size);

#endif
