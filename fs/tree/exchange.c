// SPDX-License-Identifier: MIT
/*
 * RENAME_EXCHANGE: the two trade places, in one transaction. On the writer's thread. What is in memory follows only after
 * the commit, and by then nothing can fail any more.
 *
 *   both in the store          store_exchange()
 *   a file, and a dropping     the dropping's content is a save of the file's row; the file's old content is the
 *                              dropping from now on, in memory
 *   a directory, and a         the dropping is put into the store first: its content gets a name that is none
 *   dropping
 *   two droppings              trade names
 *
 * A file that isn't committed yet is committed first.
 */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#include "rename.h"

/* An end whose draft is put into the store. */
struct settled {
	bool is;
	struct snapshot snapshot;
	struct store_node node;
};

static int settle(struct renaming *renaming, struct end *end, struct settled *settled)
{
	tree_lock(renaming->tree);
	int r = snapshot_init(&settled->snapshot, end->draft);
	tree_unlock(renaming->tree);
	if (r < 0)
		return r;
	settled->is = true;
	r = renaming_save(renaming, end, &settled->snapshot, &settled->node);
	if (r < 0)
		return r;
	end->in_store = true;
	end->node = settled->node;
	return 0;
}

static void settled_finish(struct settled *settled)
{
	if (settled->is)
		snapshot_finish(&settled->snapshot);
}

/* Wants the lock. */
static void note_settled(struct renaming *renaming, struct end *end, const struct settled *settled)
{
	if (settled->is)
		draft_committed(renaming->tree, end->draft, &settled->snapshot, &settled->node);
}

/* ---- both in the store ---- */

/* Writers of what was at `end` go on with it where it is now, as node. Wants the lock. */
static void follow(struct tree *tree, struct draft *draft, const struct end *to, int64_t node)
{
	if (!draft)
		return;
	draft_set_name(tree, draft, to->parent, to->name, false);
	if (draft->node != node)
		draft_bind(tree, draft, node);
	if (!draft->files && !draft->pins)
		draft_unbind(tree, draft);
}

static int exchange_nodes(
	struct renaming *renaming, const struct settled *a, const struct settled *b)
{
	struct end *from = &renaming->from, *to = &renaming->to;
	struct tree *tree = renaming->tree;
	struct store_reader *reader = store_txn_reader(renaming->txn);
	struct store_node at_from = {.id = 0}, at_to = {.id = 0};
	/* As in rename_dir(). */
	int r = aside_delete_below(
		tree, renaming->txn, from->node.id, renaming->request->caller.tid);
	if (r == 0)
		r = aside_delete_below(
			tree, renaming->txn, to->node.id, renaming->request->caller.tid);
	if (r == 0)
		r = store_exchange(renaming->txn, from->node.id, to->node.id);
	if (r == 0)
		r = store_lookup(reader, from->parent, from->name, &at_from);
	if (r == 0)
		r = store_lookup(reader, to->parent, to->name, &at_to);
	if (r == 0)
		r = renaming_commit(renaming);
	if (r < 0)
		return r;
	tree_lock(tree);
	note_settled(renaming, from, a);
	note_settled(renaming, to, b);
	struct draft *first = draft_find_node(tree, from->node.id),
		     *second = draft_find_node(tree, to->node.id);
	follow(tree, first, to, at_to.id);
	follow(tree, second, from, at_from.id);
	aside_remove(tree, from->node.id);
	aside_remove(tree, to->node.id);
	tree_unlock(tree);
	return 0;
}

/* ---- one, or both, in memory ---- */

/* What is in memory has this end's name now. Wants the lock. */
static void settle_at(struct tree *tree, struct draft *draft, const struct end *end)
{
	assert(draft);
	draft_become_dropping(tree, draft);
	draft_go_by_name(tree, draft, end->name);
}

/* The draft of those who are writing the file, or else the copy, is the dropping from now on. Wants the lock. */
static void trade(struct renaming *renaming, struct end *file, struct end *dropping,
	struct draft *copy, const struct snapshot *snapshot, const struct store_node *node)
{
	struct tree *tree = renaming->tree;
	struct draft *writers = draft_find_node(tree, file->node.id);
	struct draft *other = writers && writers->loaded ? writers : copy;
	if (writers)
		draft_unbind(tree, writers);
	draft_trade_places(tree, other, dropping->draft);
	settle_at(tree, other, dropping);
	draft_unname(tree, dropping->draft);
	draft_committed(tree, dropping->draft, snapshot, node);
	if (!dropping->draft->files)
		draft_unbind(tree, dropping->draft);
	if (node->id != file->node.id)
		tree_forget_node(tree, file->node.id);
	aside_remove(tree, file->node.id);
}

static int exchange_with_dropping(struct renaming *renaming, struct end *file, struct end *dropping,
	const struct settled *settled)
{
	struct tree *tree = renaming->tree;
	struct snapshot snapshot;
	struct store_node node;
	struct draft *copy = NULL;
	int r = renaming_copy(renaming, file, &copy);
	if (r < 0)
		return r;
	tree_lock(tree);
	r = snapshot_init(&snapshot, dropping->draft);
	tree_unlock(tree);
	if (r == 0) {
		r = renaming_save(renaming, file, &snapshot, &node);
		if (r == 0)
			r = renaming_commit(renaming);
	}
	tree_lock(tree);
	if (r == 0) {
		note_settled(renaming, file, settled);
		trade(renaming, file, dropping, copy, &snapshot, &node);
	}
	assert(copy);
	copy->pins--;
	draft_release(tree, copy);
	tree_unlock(tree);
	snapshot_finish(&snapshot);
	return r;
}

static int exchange_droppings(struct renaming *renaming)
{
	struct end *from = &renaming->from, *to = &renaming->to;
	tree_lock(renaming->tree);
	draft_trade_places(renaming->tree, from->draft, to->draft);
	settle_at(renaming->tree, from->draft, to);
	settle_at(renaming->tree, to->draft, from);
	tree_unlock(renaming->tree);
	return 0;
}

static bool is_dropping(const struct end *end)
{
	return end->draft && end->draft->state == DRAFT_LOCAL;
}

static bool is_dir(const struct end *end)
{
	return !end->draft && end->node.kind == STORE_DIR;
}

static int exchange_settled(struct renaming *renaming, struct settled *a, struct settled *b)
{
	struct end *from = &renaming->from, *to = &renaming->to;
	int r = 0;
	if (from->draft && (!is_dropping(from) || is_dir(to)))
		r = settle(renaming, from, a);
	if (r == 0 && to->draft && (!is_dropping(to) || is_dir(from)))
		r = settle(renaming, to, b);
	if (r < 0)
		return r;
	bool from_memory = from->draft && !a->is, to_memory = to->draft && !b->is;
	if (from_memory && to_memory)
		return exchange_droppings(renaming);
	if (to_memory)
		return exchange_with_dropping(renaming, from, to, a);
	if (from_memory)
		return exchange_with_dropping(renaming, to, from, b);
	return exchange_nodes(renaming, a, b);
}

int rename_exchange(struct renaming *renaming)
{
	struct settled a = {.is = false}, b = {.is = false};
	if (renaming->from.draft && renaming->from.draft == renaming->to.draft)
		return 0;
	int r = exchange_settled(renaming, &a, &b);
	settled_finish(&b);
	settled_finish(&a);
	return r;
}
