/* SPDX-License-Identifier: MIT */
/* error.h - the words behind store_error(); private to fs/store. */
#ifndef PYMODFS_STORE_ERROR_H
#define PYMODFS_STORE_ERROR_H

/* Sets the calling thread's last error. */
void store_set_error(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* The same, and its value is err, a negative errno: a macro, so that an analyzer sees that it is not 0. */
#define store_fail(err, ...)                  \
	__extension__({                       \
		int fail_ = (err);            \
		store_set_error(__VA_ARGS__); \
		fail_;                        \
	})

#endif
