/* SPDX-License-Identifier: MIT */
/* error.h - the words behind store_error(); private to fs/store. */
#ifndef PYMODFS_STORE_ERROR_H
#define PYMODFS_STORE_ERROR_H

/* Sets the calling thread's last error and returns err, a negative errno. */
int store_fail(int err, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
