// SPDX-License-Identifier: MIT
/*
 * Rename: every combination of what is in the store and what is only in memory, each one transaction. On the
 * writer's thread. What is in memory follows only after the commit.
 *
 *   from \ to     nothing               a file in the store          only in memory
 *   store         move                  replace: a save of the       move, the other is given up
 *                                       target's row
 *   module,       aside (tree.h)        aside, target removed        aside, the other is given up
 *   to a dropping
 *   memory        create                save of the target's row     create, the other is given up
 *   memory, to    stays in memory       stays, target removed        stays, the other is given up
 *   a dropping
 *
 * Both ways at once: exchange.c.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "rename.h"

static int end_find(struct renaming *renaming, struct end *end)
{
	struct tree *tree = renaming->tree;
	int r = store_lookup(store_txn_reader(renaming->txn), end->parent, end->name, &end->node);
	if (r < 0 && r != -ENOENT)
		return r;
	end->in_store = r == 0;
	tree_lock(tree);
	end->draft = draft_find_name(tree, end->parent, end->name);
	if (end->draft)
		end->draft->pins++;
	end->aside =
		end->in_store && aside_hides(tree, end->node.id, renaming->request->caller.tid);
	tree_unlock(tree);
	return 0;
}

static void end_finish(struct tree *tree, struct end *end)
{
	if (!end->draft)
		return;
	tree_lock(tree);
	end->draft->pins--;
	draft_release(tree, end->draft);
	tree_unlock(tree);
}

static bool end_exists(const struct end *end)
{
	return end->draft || (end->in_store && !end->aside);
}

int renaming_commit(struct renaming *renaming)
{
	int64_t change;
	struct store_txn *txn = renaming->txn;
	renaming->txn = NULL;
	return store_commit(txn, &change);
}

/* The target's name is free from now on as far as memory is concerned. Wants the lock. */
static void give_up_target(struct renaming *renaming)
{
	struct draft *draft = renaming->to.draft;
	if (draft)
		draft_give_up(renaming->tree, draft);
}

/* ---- from memory ---- */

static int rename_dropping(struct renaming *renaming)
{
	struct tree *tree = renaming->tree;
	int r = 0;
	if (renaming->to.in_store) {
		r = store_unlink(renaming->txn, renaming->to.node.id);
		if (r == 0)
			r = renaming_commit(renaming);
	}
	if (r < 0)
		return r;
	tree_lock(tree);
	give_up_target(renaming);
	if (renaming->to.in_store)
		tree_forget_node(tree, renaming->to.node.id);
	r = draft_set_name(
		tree, renaming->from.draft, renaming->to.parent, renaming->to.name, true);
	if (r == 0)
		draft_go_by_name(tree, renaming->from.draft, renaming->to.name);
	tree_unlock(tree);
	return r;
}

int renaming_save(struct renaming *renaming, const struct end *end, const struct snapshot *snapshot,
	struct store_node *ret_node)
{
	bool links =
		snapshot->kind == STORE_LINK || (end->in_store && end->node.kind == STORE_LINK);
	int r = end->in_store && links ? store_unlink(renaming->txn, end->node.id) : 0;
	if (r < 0)
		return r;
	if (end->in_store && !links)
		return snapshot_write(renaming->txn, snapshot, end->node.id, ret_node);
	return snapshot_create(
		renaming->tree, renaming->txn, snapshot, end->parent, end->name, ret_node);
}

static int rename_draft(struct renaming *renaming)
{
	struct tree *tree = renaming->tree;
	struct draft *draft = renaming->from.draft;
	struct snapshot snapshot;
	struct store_node node;
	if (renaming->to.in_store && renaming->to.node.kind == STORE_DIR)
		return -EISDIR;
	if (draft->state == DRAFT_LOCAL &&
		(renaming->to_dropping || name_is_temporary(renaming->to.name)))
		return rename_dropping(renaming);
	tree_lock(tree);
	int r = snapshot_init(&snapshot, draft);
	tree_unlock(tree);
	if (r < 0)
		return r;
	r = renaming_save(renaming, &renaming->to, &snapshot, &node);
	if (r == 0)
		r = renaming_commit(renaming);
	if (r == 0) {
		tree_lock(tree);
		give_up_target(renaming);
		if (renaming->to.in_store)
			tree_forget_node(tree, renaming->to.node.id);
		draft_set_name(tree, draft, renaming->to.parent, renaming->to.name, false);
		draft_committed(tree, draft, &snapshot, &node);
		if (!draft->files)
			draft_unbind(tree, draft);
		tree_unlock(tree);
	}
	snapshot_finish(&snapshot);
	return r;
}

/* ---- from the store ---- */

static int rename_dir(struct renaming *renaming)
{
	struct end *from = &renaming->from, *to = &renaming->to;
	pid_t tid = renaming->request->caller.tid;
	bool is_dir = to->in_store && to->node.kind == STORE_DIR;
	if (to->draft || (to->in_store && !is_dir && !to->aside))
		return -ENOTDIR;
	if (is_dir && tree_has_drafts(renaming->tree, to->node.id))
		return -ENOTEMPTY;
	/* What is moved may become another node on the way, which wouldn't be aside. */
	int r = aside_delete_below(renaming->tree, renaming->txn, from->node.id, tid);
	if (r == 0 && is_dir)
		r = aside_delete_below(renaming->tree, renaming->txn, to->node.id, tid);
	if (r == 0 && is_dir)
		r = store_rmdir(renaming->txn, to->node.id);
	else if (r == 0 && to->in_store)
		r = store_unlink(renaming->txn, to->node.id);
	if (r == 0)
		r = store_move(renaming->txn, from->node.id, to->parent, to->name);
	return r == 0 ? renaming_commit(renaming) : r;
}

/*
 * What the caller's look-up of the file led to after it was sent back for this. *ret_back: it was, so it can't be once
 * more. Wants the lock.
 */
static struct draft *find_copy(struct renaming *renaming, const struct end *file, bool *ret_back)
{
	pid_t tid = renaming->request->caller.tid;
	struct ticket *ticket = ticket_find(renaming->tree, tid, &file->node, file->name);
	struct draft *draft = NULL;
	*ret_back = ticket && ticket->use == TICKET_BACKUP;
	if (!*ret_back)
		return NULL;
	if (ticket->draft && ticket->draft->loaded && ticket->draft->state == DRAFT_BOUND &&
		ticket->draft->node == file->node.id &&
		(ticket->draft->files || ticket->draft->base == file->node.version))
		draft = ticket->draft;
	if (draft)
		draft->pins++;
	ticket_drop(renaming->tree, tid);
	return draft;
}

/* Others have saved the file since: what the kernel has under the name will be looked up again anyway. */
static int read_copy(struct renaming *renaming, const struct end *file, struct draft **ret_draft)
{
	struct tree *tree = renaming->tree;
	void *data;
	struct store_content bytes;
	int r = store_read_sparse(
		store_txn_reader(renaming->txn), file->node.version, &data, &bytes);
	if (r < 0)
		return r;
	tree_lock(tree);
	struct draft *draft = draft_create(
		tree, DRAFT_LOCAL, file->node.kind == STORE_LINK ? STORE_LINK : STORE_FILE);
	r = draft ? draft_set_name(tree, draft, file->parent, file->name, false) : -ENOMEM;
	if (r == 0) {
		draft_set_data(tree, draft, data, &bytes);
		draft->pins++;
		*ret_draft = draft;
	} else {
		free(data);
		if (draft)
			draft_release(tree, draft);
	}
	tree_unlock(tree);
	return r;
}

int renaming_copy(struct renaming *renaming, const struct end *file, struct draft **ret_draft)
{
	struct tree *tree = renaming->tree;
	bool back;
	int r = 0;
	tree_lock(tree);
	struct draft *draft = find_copy(renaming, file, &back);
	tree_unlock(tree);
	if (!back) {
		r = ticket_send_back(
			tree, &renaming->request->caller, file->node.id, TICKET_BACKUP);
		return r < 0 ? r : -ESTALE; /* it is; this tells the analyzer */
	}
	if (!draft)
		r = read_copy(renaming, file, &draft);
	if (r < 0)
		return r;
	tree_lock(tree);
	draft_take_node(tree, draft, &file->node);
	tree_unlock(tree);
	*ret_draft = draft;
	return 0;
}

static int rename_aside(struct renaming *renaming)
{
	struct tree *tree = renaming->tree;
	struct draft *draft;
	int r = renaming_copy(renaming, &renaming->from, &draft);
	if (r < 0)
		return r;
	if (renaming->to.in_store) {
		r = store_unlink(renaming->txn, renaming->to.node.id);
		if (r == 0)
			r = renaming_commit(renaming);
	}
	tree_lock(tree);
	if (r == 0) {
		give_up_target(renaming);
		r = draft_set_name(tree, draft, renaming->to.parent, renaming->to.name, true);
	}
	if (r == 0)
		draft_become_dropping(tree, draft);
	if (r == 0)
		r = aside_add(
			tree, &renaming->from.node, caller_process(renaming->request->caller.tid));
	draft->pins--;
	draft_release(tree, draft);
	tree_unlock(tree);
	return r;
}

/* After a move or a replace: writers of the file go on with its new node. */
static void follow(struct renaming *renaming, const struct store_node *node)
{
	struct tree *tree = renaming->tree;
	int64_t from = renaming->from.node.id;
	struct draft *draft = draft_find_node(tree, from);
	if (renaming->to.in_store)
		tree_forget_node(tree, renaming->to.node.id);
	if (draft) {
		draft_set_name(tree, draft, renaming->to.parent, renaming->to.name, false);
		draft_bind(tree, draft, node->id);
	}
	if (from != node->id)
		content_unlink_node(tree, from);
	aside_remove(tree, from);
}

static int move_or_replace(struct renaming *renaming)
{
	struct end *from = &renaming->from, *to = &renaming->to;
	struct store_node node;
	bool links = from->node.kind == STORE_LINK || to->node.kind == STORE_LINK;
	int r = 0;
	if (to->in_store && !links)
		return store_replace(renaming->txn, from->node.id, to->node.id, &node);
	if (to->in_store)
		r = store_unlink(renaming->txn, to->node.id);
	if (r == 0)
		r = store_move(renaming->txn, from->node.id, to->parent, to->name);
	return r;
}

static int rename_node(struct renaming *renaming)
{
	struct end *from = &renaming->from, *to = &renaming->to;
	struct tree *tree = renaming->tree;
	struct store_node node = {.id = 0};
	if (from->node.kind == STORE_DIR)
		return rename_dir(renaming);
	if (to->in_store && to->node.kind == STORE_DIR)
		return -EISDIR;
	if (renaming->to_dropping && from->node.kind == STORE_MODULE)
		return rename_aside(renaming);
	int r = move_or_replace(renaming);
	if (r == 0)
		r = store_lookup(store_txn_reader(renaming->txn), to->parent, to->name, &node);
	if (r == 0)
		r = renaming_commit(renaming);
	if (r < 0)
		return r;
	tree_lock(tree);
	give_up_target(renaming);
	follow(renaming, &node);
	tree_unlock(tree);
	return 0;
}

static int rename_found(struct renaming *renaming, unsigned int flags)
{
	struct end *from = &renaming->from, *to = &renaming->to;
	if (!end_exists(from))
		return -ENOENT;
	if (flags & RENAME_EXCHANGE)
		return end_exists(to) ? rename_exchange(renaming) : -ENOENT;
	if ((flags & RENAME_NOREPLACE) && end_exists(to))
		return -EEXIST;
	return from->draft ? rename_draft(renaming) : rename_node(renaming);
}

int tree_rename(struct tree *tree, const struct tree_request *request, uint64_t dir,
	const char *name, uint64_t new_dir, const char *new_name, unsigned int flags)
{
	struct renaming renaming = {
		.tree = tree,
		.request = request,
		.from = {.parent = ino_get_id(dir), .name = name},
		.to = {.parent = ino_get_id(new_dir), .name = new_name},
		.to_dropping = name_is_dropping(new_name),
	};
	if (flags & ~(unsigned int)(RENAME_NOREPLACE | RENAME_EXCHANGE))
		return -EINVAL;
	int r = store_check_name(new_name);
	if (r == 0)
		r = change_begin(tree, request, &renaming.txn);
	if (r < 0)
		return r;
	r = end_find(&renaming, &renaming.from);
	if (r == 0)
		r = end_find(&renaming, &renaming.to);
	if (r == 0)
		r = rename_found(&renaming, flags);
	if (renaming.txn)
		store_abort(renaming.txn);
	end_finish(tree, &renaming.from);
	end_finish(tree, &renaming.to);
	return r;
}
