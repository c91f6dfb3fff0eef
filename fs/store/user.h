/* SPDX-License-Identifier: MIT */
/* user.h - users as people know them. */
#ifndef PYMODFS_STORE_USER_H
#define PYMODFS_STORE_USER_H

#include <limits.h>
#include <stdint.h>

struct user_name {
	char text[LOGIN_NAME_MAX];
};

/* A user's name, or its number where it has none. Not while another thread calls it (getpwuid(3)). */
struct user_name user_name(int64_t uid);

#endif
