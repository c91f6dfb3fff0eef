/* SPDX-License-Identifier: MIT */
/*
 * From rows to struct store_node. The column order is that of NODE in sql.c. No state, no lock.
 */
#include "store-private.h"

#include "error.h"

/* The kernel refuses a file whose mode has other bits. */
static int32_t mode_from_row(const struct db_row *row)
{
	int64_t mode = db_get_int_or_unset(row, 4);
	return mode < 0 ? -1 : (int32_t)(mode & 07777);
}

void node_from_row(struct store_node *ret_node, const struct db_row *row)
{
	*ret_node = (struct store_node){
		.id = db_get_int(row, 0),
		.parent = db_get_int(row, 1),
		.version = db_get_int(row, 2),
		.kind = (enum store_kind)db_get_text(row, 3)[0],
		.mode = mode_from_row(row),
		.uid = db_get_int_or_unset(row, 5),
		.gid = db_get_int_or_unset(row, 6),
		.size = db_get_int(row, 7),
		.atime = db_get_int(row, 8),
		.mtime = db_get_int(row, 9),
		.ctime = db_get_int(row, 10),
		.subdirs = db_get_int(row, 12),
	};
}

int node_take(void *arg, const struct db_row *row)
{
	struct node_result *result = arg;
	node_from_row(&result->node, row);
	result->found = true;
	return 0;
}

int node_find(struct db *db, enum sql sql, const struct db_value *values, size_t n_values,
	int missing, struct store_node *ret_node)
{
	struct node_result result = {.found = false};
	int err = db_run(db, sql, values, n_values, node_take, &result);
	if (err)
		return err;
	if (!result.found)
		return store_fail(missing, "no such file");
	*ret_node = result.node;
	return 0;
}
