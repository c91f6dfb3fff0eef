/* SPDX-License-Identifier: MIT */
/* client.h - SQL as any client of the two engines runs it; what goes wrong ends the case. */
#ifndef TESTS_STORE_CLIENT_H
#define TESTS_STORE_CLIENT_H

void sqlite_sql(const char *path, const char *statements);
void postgres_sql(const char *url, const char *statements);
/* The first value of the first row, "" for NULL; the caller frees. */
char *sqlite_value(const char *path, const char *query);
char *postgres_value(const char *url, const char *query);

#endif
