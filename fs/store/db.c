/* SPDX-License-Identifier: MIT */
/*
 * Values, rows and the small conveniences around an engine's run(). Holds no state and no lock.
 */
#include "db.h"
#include "utf8.h"

#include <errno.h>
#include <string.h>

struct db_value db_int(int64_t number)
{
	return (struct db_value){.type = DB_TYPE_INT, .number = number};
}

struct db_value db_int_or_null(int64_t number)
{
	if (number < 0)
		return (struct db_value){.type = DB_TYPE_NULL};
	return db_int(number);
}

struct db_value db_text(const char *text)
{
	if (!text)
		return (struct db_value){.type = DB_TYPE_NULL};
	return (struct db_value){.type = DB_TYPE_TEXT, .data = text, .size = strlen(text)};
}

struct db_value db_blob(const void *data, size_t size)
{
	return (struct db_value){.type = DB_TYPE_BLOB, .data = size ? data : "", .size = size};
}

struct db_value db_source(const void *data, size_t size)
{
	struct db_value value = db_blob(data, size);
	if (utf8_is_text(value.data, size))
		value.type = DB_TYPE_TEXT;
	return value;
}

int db_run(struct db *db, enum sql sql, const struct db_value *values, size_t n_values,
	db_row_fn *fn, void *arg)
{
	return db->engine->run(db, sql, values, n_values, fn, arg);
}

int db_do(struct db *db, enum sql sql, const struct db_value *values, size_t n_values)
{
	return db->engine->run(db, sql, values, n_values, NULL, NULL);
}

static int take_number(void *arg, const struct db_row *row)
{
	*(int64_t *)arg = db_get_int(row, 0);
	return 0;
}

int db_number(struct db *db, enum sql sql, const struct db_value *values, size_t n_values,
	int64_t missing, int64_t *ret_number)
{
	int64_t number = missing;
	int err = db_run(db, sql, values, n_values, take_number, &number);
	if (!err)
		*ret_number = number;
	return err;
}

int64_t db_affected(const struct db *db)
{
	return db->engine->affected(db);
}

bool db_is_null(const struct db_row *row, int column)
{
	return row->engine->is_null(row, column);
}

int64_t db_get_int(const struct db_row *row, int column)
{
	return row->engine->get_int(row, column);
}

int64_t db_get_int_or_unset(const struct db_row *row, int column)
{
	return db_is_null(row, column) ? -1 : db_get_int(row, column);
}

const char *db_get_text_or_null(const struct db_row *row, int column)
{
	if (db_is_null(row, column))
		return NULL;
	return row->engine->get_bytes(row, column, NULL);
}

const char *db_get_text(const struct db_row *row, int column)
{
	const char *text = db_get_text_or_null(row, column);
	return text ? text : "";
}

const void *db_get_bytes(const struct db_row *row, int column, size_t *ret_size)
{
	return row->engine->get_bytes(row, column, ret_size);
}
