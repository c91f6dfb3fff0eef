/* SPDX-License-Identifier: MIT */
/* What client.h declares: a connection for each call, as another process would have. */
#include "client.h"

#include "case.h"

#include <libpq-fe.h>
#include <sqlite3.h>

static sqlite3 *open_sqlite(const char *path)
{
	sqlite3 *client;
	CHECK_INT(sqlite3_open(path, &client), SQLITE_OK);
	sqlite3_busy_timeout(client, 10000);
	return client;
}

void sqlite_sql(const char *path, const char *statements)
{
	sqlite3 *client = open_sqlite(path);
	if (sqlite3_exec(client, statements, NULL, NULL, NULL) != SQLITE_OK) {
		fprintf(stderr, "%s: %s\n", statements, sqlite3_errmsg(client));
		exit(1);
	}
	sqlite3_close(client);
}

char *sqlite_value(const char *path, const char *query)
{
	sqlite3 *client = open_sqlite(path);
	sqlite3_stmt *statement;
	CHECK_INT(sqlite3_prepare_v2(client, query, -1, &statement, NULL), SQLITE_OK);
	CHECK_INT(sqlite3_step(statement), SQLITE_ROW);
	const char *text = (const char *)sqlite3_column_text(statement, 0);
	char *copy = strdup(text ? text : "");
	sqlite3_finalize(statement);
	sqlite3_close(client);
	return copy;
}

static char *run_postgres(const char *url, const char *statements)
{
	PGconn *client = PQconnectdb(url);
	PGresult *result = PQexec(client, statements);
	ExecStatusType status = PQresultStatus(result);
	if (status != PGRES_COMMAND_OK && status != PGRES_TUPLES_OK) {
		fprintf(stderr, "%s: %s\n", statements, PQerrorMessage(client));
		exit(1);
	}
	char *value = strdup(PQntuples(result) ? PQgetvalue(result, 0, 0) : "");
	PQclear(result);
	PQfinish(client);
	return value;
}

void postgres_sql(const char *url, const char *statements)
{
	free(run_postgres(url, statements));
}

char *postgres_value(const char *url, const char *query)
{
	return run_postgres(url, query);
}
