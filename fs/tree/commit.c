// SPDX-License-Identifier: MIT
/*
 * Committing drafts. On the writer's thread: one commit at a time.
 *
 * The draft's bytes are copied under the lock and written to the store without it, so that its
 * writers and all readers go on meanwhile; `changes` tells afterwards whether more was written.
 */
#include "commit.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int change_begin(struct tree *tree, const struct tree_request *request, struct store_txn **ret_txn)
{
	struct store_origin origin = {
		.uid = request->caller.uid,
		.pid = request->caller.tid ? caller_process(request->caller.tid) : -1,
		.command = request->command[0] ? request->command : NULL,
	};
	int64_t rest = (request->deadline - clock_monotonic()) / 1000000;
	return store_begin(tree->store, &origin, rest > 0 ? (int)rest : 0, ret_txn);
}

int snapshot_init(struct snapshot *snapshot, const struct draft *draft)
{
	memset(snapshot, 0, sizeof(*snapshot));
	snapshot->data = malloc(draft->filled + 1);
	if (!snapshot->data)
		return -ENOMEM;
	if (draft->filled)
		memcpy(snapshot->data, draft->data, draft->filled);
	snapshot->content = draft_content(draft);
	snapshot->content.data = snapshot->data;
	snapshot->kind = draft->kind;
	snapshot->changes = draft->changes;
	snapshot->exposed = draft->exposed;
	snapshot->attr = draft->attr;
	snapshot->created = draft->state != DRAFT_BOUND;
	if (!snapshot->created) {
		snapshot->node = draft->node;
	} else {
		snapshot->attr.set |= STORE_SET_MODE | STORE_SET_UID | STORE_SET_GID;
		snapshot->attr.mode = (int32_t)draft->mode;
		snapshot->attr.uid = draft->uid;
		snapshot->attr.gid = draft->gid;
	}
	if (draft->place) {
		snapshot->parent = draft->place->parent;
		strcpy(snapshot->name, draft->place->name);
	}
	return 0;
}

void snapshot_finish(struct snapshot *snapshot)
{
	free(snapshot->data);
}

/* The mount's own owner is not written down: the database may be mounted by another one tomorrow. */
static struct store_attr attr_to_store(const struct tree *tree, const struct store_attr *attr)
{
	struct store_attr result = *attr;
	if ((result.set & STORE_SET_UID) && result.uid == tree->options.uid)
		result.set &= ~STORE_SET_UID;
	if ((result.set & STORE_SET_GID) && result.gid == tree->options.gid)
		result.set &= ~STORE_SET_GID;
	return result;
}

int snapshot_create(struct tree *tree, struct store_txn *txn, const struct snapshot *snapshot,
	int64_t parent, const char *name, struct store_node *ret_node)
{
	struct store_attr attr = attr_to_store(tree, &snapshot->attr);
	enum store_kind kind = snapshot->kind == STORE_LINK ? STORE_LINK : STORE_FILE;
	return store_create_sparse(txn, parent, name, kind, &attr, &snapshot->content, ret_node);
}

static bool are_equal(const struct store_content *a, const struct store_content *b)
{
	return a->length == b->length && store_content_has(a, b->start, b->data, b->size) &&
	       store_content_has(b, a->start, a->data, a->size);
}

/* Is that what the node has already? Then a save is no new version (a close after an fsync, a touch). */
static int is_same(struct store_txn *txn, const struct store_node *node,
	const struct snapshot *snapshot, bool *ret_same)
{
	void *data;
	struct store_content old;
	*ret_same = false;
	if (node->size != snapshot->content.length)
		return 0;
	int r = store_read_sparse(store_txn_reader(txn), node->version, &data, &old);
	if (r < 0)
		return r;
	*ret_same = are_equal(&old, &snapshot->content);
	free(data);
	return 0;
}

int snapshot_write(struct store_txn *txn, const struct snapshot *snapshot, int64_t id,
	struct store_node *ret_node)
{
	struct store_node node;
	bool same = false;
	int r = store_get_node(store_txn_reader(txn), id, &node);
	if (r == 0)
		r = is_same(txn, &node, snapshot, &same);
	if (r < 0)
		return r;
	struct store_attr attr = snapshot->attr;
	if (same && !(attr.set & STORE_SET_MTIME)) {
		attr.set |= STORE_SET_MTIME;
		attr.mtime = clock_real();
	}
	if (!same)
		r = store_write_sparse(txn, id, &snapshot->content, &node);
	if (r == 0 && attr.set)
		r = store_set_attr(txn, id, &attr, &node);
	if (r == 0)
		*ret_node = node;
	return r;
}

/* A file that appeared or disappeared (by SQL) since the draft was opened is no reason to lose a save. */
static int save(struct tree *tree, struct store_txn *txn, const struct snapshot *snapshot,
	struct store_node *ret_node)
{
	struct store_node node;
	int r = snapshot->created ? -ESTALE
				  : snapshot_write(txn, snapshot, snapshot->node, ret_node);
	if (r != -ESTALE)
		return r;
	r = store_lookup(store_txn_reader(txn), snapshot->parent, snapshot->name, &node);
	if (r == 0)
		return snapshot_write(txn, snapshot, node.id, ret_node);
	if (r != -ENOENT)
		return r;
	return snapshot_create(tree, txn, snapshot, snapshot->parent, snapshot->name, ret_node);
}

void draft_give_up(struct tree *tree, struct draft *draft)
{
	draft->state = DRAFT_GONE;
	draft_unname(tree, draft);
	draft_unbind(tree, draft);
}

void draft_committed(struct tree *tree, struct draft *draft, const struct snapshot *snapshot,
	const struct store_node *node)
{
	aside_remove(tree, node->id);
	draft->committed = snapshot->changes;
	draft->attr.set &= STORE_SET_ATIME | STORE_SET_MTIME;
	if (draft->changes == snapshot->changes)
		draft->attr.set = 0;
	if (draft->state == DRAFT_GONE)
		return;
	if (draft->state != DRAFT_BOUND || draft->node != node->id)
		draft_bind(tree, draft, node->id);
	draft->base = node->version;
	draft_take_node(tree, draft, node);
}

void draft_rest(struct tree *tree, struct draft *draft)
{
	if (draft->files || draft->pins)
		return;
	if (draft->state == DRAFT_NEW)
		draft_give_up(tree, draft);
	else if (draft->state == DRAFT_BOUND)
		draft_unbind(tree, draft);
}

/*
 * Before the commit: what it replaces is there until the new version is published (unseen.c). Where it isn't the node that
 * was opened anybody may have been led to what it replaces.
 */
static int hold_back(struct tree *tree, const struct tree_request *request,
	const struct snapshot *snapshot, const struct store_node *old,
	const struct store_node *node)
{
	bool hidden =
		old->kind == STORE_MODULE && old->id == node->id && old->version != node->version;
	bool exposed = snapshot->exposed || node->id != snapshot->node;
	if (!hidden && !exposed)
		return 0;
	tree_lock(tree);
	int r = unseen_add(tree, node->version, hidden ? request->patience_ms : 0, exposed);
	tree_unlock(tree);
	return exposed ? r : 0; /* else it is seen a little too early */
}

static int commit_snapshot(struct tree *tree, const struct tree_request *request,
	const struct snapshot *snapshot, struct store_node *ret_node, int64_t *ret_change)
{
	struct store_node old = {.id = 0};
	struct store_txn *txn;
	int r = change_begin(tree, request, &txn);
	if (r < 0)
		return r;
	if (!snapshot->created)
		(void)store_get_node(store_txn_reader(txn), snapshot->node, &old);
	r = save(tree, txn, snapshot, ret_node);
	if (r == 0)
		r = hold_back(tree, request, snapshot, &old, ret_node);
	if (r < 0) {
		store_abort(txn);
		return r;
	}
	r = store_commit(txn, ret_change);
	if (r < 0) {
		tree_lock(tree);
		unseen_remove(tree, ret_node->version);
		tree_unlock(tree);
	}
	return r;
}

int tree_commit(struct tree *tree, const struct tree_request *request, struct draft *draft,
	int64_t *ret_change)
{
	struct snapshot snapshot;
	struct store_node node = {.id = 0};
	*ret_change = 0;
	tree_lock(tree);
	bool wanted = draft_is_unsaved(draft) &&
		      (draft->state == DRAFT_BOUND || draft->state == DRAFT_NEW);
	int r = wanted ? snapshot_init(&snapshot, draft) : 0;
	tree_unlock(tree);

	if (wanted && r == 0)
		r = commit_snapshot(tree, request, &snapshot, &node, ret_change);

	tree_lock(tree);
	if (wanted && r == 0)
		draft_committed(tree, draft, &snapshot, &node);
	if (r < 0)
		draft->failed = true;
	draft->pins--;
	draft_rest(tree, draft);
	draft_release(tree, draft);
	tree_unlock(tree);
	if (wanted)
		snapshot_finish(&snapshot);
	return r;
}

void tree_draft_name(
	struct tree *tree, const struct draft *draft, char ret_name[STORE_NAME_MAX + 1])
{
	tree_lock(tree);
	snprintf(ret_name, STORE_NAME_MAX + 1, "%s", draft->place ? draft->place->name : "a file");
	tree_unlock(tree);
}

void tree_unpin(struct tree *tree, struct draft *draft)
{
	tree_lock(tree);
	draft->failed = true;
	draft->pins--;
	draft_rest(tree, draft);
	draft_release(tree, draft);
	tree_unlock(tree);
}
