/* SPDX-License-Identifier: MIT */
#ifndef PYMODFS_URL_H
#define PYMODFS_URL_H

/* A database's name with *** for the password in it: for whatever others may read. NULL: no memory; the caller frees it. */
char *url_mask(const char *url);

#endif
