/* SPDX-License-Identifier: MIT */
/*
 * PostgreSQL's SQLSTATEs as the errnos that store.h promises
 * (https://www.postgresql.org/docs/current/errcodes-appendix.html). No state, no lock.
 */
#include "postgres.h"

#include "error.h"

#include <errno.h>
#include <string.h>

static const struct {
	const char *prefix; /* of the SQLSTATE; the first that fits */
	int err;
} states[] = {
	{"55P03", -EBUSY},                  /* lock_not_available */
	{"57014", -EBUSY},                  /* query_canceled: the user's own statement_timeout */
	{"40", -EBUSY},                     /* deadlock, serialization failure */
	{"25006", -EROFS},                  /* read_only_sql_transaction */
	{"42501", -EACCES},                 /* insufficient_privilege */
	{"53100", -ENOSPC},                 /* disk_full */
	{"53200", -ENOMEM}, {"54", -EFBIG}, /* program_limit_exceeded */
	{"22021", -EILSEQ},                 /* character_not_in_repertoire */
	{"22P05", -EILSEQ},                 /* untranslatable_character */
	{"22", -EINVAL}, {"23", -EINVAL},   /* integrity_constraint_violation */
	{"P0", -EINVAL},                    /* raise_exception */
	{"44", -EINVAL},
	{"45", -EINVAL},    /* with_check_option_violation; what triggers raise by the standard */
	{"XX00", -EUCLEAN}, /* data_corrupted, index_corrupted */
};

static int errno_for(const char *state)
{
	for (size_t i = 0; state && i < sizeof(states) / sizeof(states[0]); i++)
		if (!strncmp(state, states[i].prefix, strlen(states[i].prefix)))
			return states[i].err;
	return -EIO;
}

int postgres_fail(PGconn *connection, const PGresult *result)
{
	const char *words = PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);
	if (!words)
		words = connection ? PQerrorMessage(connection) : "out of memory";
	if (!*words)
		words = "the server does not answer";
	return store_fail(errno_for(PQresultErrorField(result, PG_DIAG_SQLSTATE)), "%s", words);
}
