// SPDX-License-Identifier: MIT
/*
 * Making and removing names, and attributes. On the writer's thread; each function is one transaction. What is in
 * memory follows only after the commit.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "commit.h"

gid_t tree_group_of_new(
	const struct tree *tree, const struct tree_caller *caller, const struct store_node *dir)
{
	if (dir->mode < 0 || !(dir->mode & S_ISGID))
		return caller->gid;
	return dir->gid >= 0 ? (gid_t)dir->gid : tree->options.gid;
}

static struct store_attr attr_of_new(const struct tree *tree, const struct tree_request *request,
	const struct store_node *dir, mode_t mode)
{
	struct store_attr attr = {
		.set = STORE_SET_MODE,
		.mode = (int32_t)(mode & 07777),
		.uid = request->caller.uid,
		.gid = tree_group_of_new(tree, &request->caller, dir),
	};
	if (S_ISDIR(mode) && dir->mode >= 0)
		attr.mode |= dir->mode & S_ISGID;
	/* The mount's own owner is not written down: the database may be mounted by another one. */
	if (attr.uid != tree->options.uid)
		attr.set |= STORE_SET_UID;
	if (attr.gid != tree->options.gid)
		attr.set |= STORE_SET_GID;
	return attr;
}

/* An editor's lock link (.#x.py) stays in memory. */
static int make_dropping_link(struct tree *tree, const struct tree_request *request, int64_t parent,
	const char *name, const char *target, struct tree_entry *ret_entry)
{
	tree_lock(tree);
	struct draft *draft = draft_create(tree, DRAFT_LOCAL, STORE_LINK);
	int r = draft ? draft_set_name(tree, draft, parent, name, true) : -ENOMEM;
	if (r == 0)
		r = draft_write(tree, draft, target, strlen(target), 0);
	if (r == 0) {
		draft->mode = 0777;
		draft->uid = request->caller.uid;
		draft->gid = request->caller.gid;
		draft->loaded = true;
		draft_entry(draft, ret_entry);
	} else if (draft) {
		draft_unname(tree, draft);
		draft_release(tree, draft);
	}
	tree_unlock(tree);
	return r;
}

/* What the caller has moved away under this name. */
static int delete_aside(struct tree *tree, struct store_txn *txn,
	const struct tree_request *request, int64_t parent, const char *name)
{
	struct store_node node;
	int r = store_lookup(store_txn_reader(txn), parent, name, &node);
	if (r < 0)
		return r == -ENOENT ? 0 : r;
	tree_lock(tree);
	bool hidden = aside_hides(tree, node.id, request->caller.tid);
	tree_unlock(tree);
	return hidden ? store_unlink(txn, node.id) : 0;
}

static int make_in_store(struct tree *tree, struct store_txn *txn,
	const struct tree_request *request, int64_t parent, const char *name, mode_t mode,
	const char *target, struct store_node *ret_node)
{
	struct store_node dir;
	int r = store_get_node(store_txn_reader(txn), parent, &dir);
	if (r == 0)
		r = delete_aside(tree, txn, request, parent, name);
	else if (r == -ESTALE)
		r = -ENOENT; /* as in any directory that is removed */
	if (r < 0)
		return r;
	struct store_attr attr = attr_of_new(tree, request, &dir, mode);
	enum store_kind kind = S_ISDIR(mode) ? STORE_DIR : S_ISLNK(mode) ? STORE_LINK : STORE_FILE;
	return store_create(txn, parent, name, kind, &attr, target ? target : "",
		target ? strlen(target) : 0, ret_node);
}

int tree_make_node(struct tree *tree, const struct tree_request *request, uint64_t dir,
	const char *name, mode_t mode, const char *target, struct tree_entry *ret_entry)
{
	int64_t parent = ino_get_id(dir), change;
	int r = store_check_name(name);
	if (r < 0)
		return r;
	tree_lock(tree);
	bool taken = draft_find_name(tree, parent, name) != NULL;
	tree_unlock(tree);
	if (taken)
		return -EEXIST;
	if (S_ISLNK(mode) && name_is_dropping(name))
		return make_dropping_link(tree, request, parent, name, target, ret_entry);

	struct store_txn *txn;
	struct store_node node;
	r = change_begin(tree, request, &txn);
	if (r < 0)
		return r;
	r = make_in_store(tree, txn, request, parent, name, mode, target, &node);
	if (r < 0) {
		store_abort(txn);
		return r;
	}
	r = store_commit(txn, &change);
	if (r == 0)
		node_entry(tree, &node, ret_entry);
	return r;
}

/* Those of whom only their callers know. */
static void forget_apart(struct tree *tree, int64_t node)
{
	struct draft *draft, *next;
	HASH_ITER (by_ino, tree->drafts_by_ino, draft, next)
		if (draft->apart && draft->state == DRAFT_BOUND && draft->node == node)
			draft_give_up(tree, draft);
}

void tree_forget_node(struct tree *tree, int64_t node)
{
	struct draft *draft = draft_find_node(tree, node);
	if (draft) {
		draft_give_up(tree, draft);
		draft_release(tree, draft);
	}
	again_forget_node(tree, node);
	if (tree->aparts)
		forget_apart(tree, node);
	content_unlink_node(tree, node);
	aside_remove(tree, node);
}

/* A file that is only in memory; true: there was one. */
static bool unlink_draft(struct tree *tree, int64_t parent, const char *name)
{
	tree_lock(tree);
	struct draft *draft = draft_find_name(tree, parent, name);
	if (draft) {
		draft_give_up(tree, draft);
		draft_release(tree, draft);
	}
	tree_unlock(tree);
	return draft != NULL;
}

static int unlink_in_store(
	struct store_txn *txn, int64_t parent, const char *name, int64_t *ret_node)
{
	struct store_node node;
	int r = store_lookup(store_txn_reader(txn), parent, name, &node);
	if (r < 0)
		return r;
	if (node.kind == STORE_DIR)
		return -EISDIR;
	*ret_node = node.id;
	return store_unlink(txn, node.id);
}

int tree_unlink(
	struct tree *tree, const struct tree_request *request, uint64_t dir, const char *name)
{
	int64_t parent = ino_get_id(dir), node, change;
	if (unlink_draft(tree, parent, name))
		return 0;
	struct store_txn *txn;
	int r = change_begin(tree, request, &txn);
	if (r < 0)
		return r;
	r = unlink_in_store(txn, parent, name, &node);
	if (r < 0) {
		store_abort(txn);
		return r;
	}
	r = store_commit(txn, &change);
	if (r < 0)
		return r;
	tree_lock(tree);
	tree_forget_node(tree, node);
	tree_unlock(tree);
	return 0;
}

static int rmdir_in_store(struct tree *tree, struct store_txn *txn,
	const struct tree_request *request, int64_t parent, const char *name, int64_t *ret_dir)
{
	struct store_node node;
	int r = store_lookup(store_txn_reader(txn), parent, name, &node);
	if (r < 0)
		return r;
	if (node.kind != STORE_DIR)
		return -ENOTDIR;
	if (tree_has_drafts(tree, node.id))
		return -ENOTEMPTY;
	r = aside_delete_below(tree, txn, node.id, request->caller.tid);
	if (r < 0)
		return r;
	*ret_dir = node.id;
	return store_rmdir(txn, node.id);
}

int tree_rmdir(struct tree *tree, const struct tree_request *request, uint64_t dir,
	const char *name, int64_t *ret_dir)
{
	struct store_txn *txn;
	int64_t change;
	int r = change_begin(tree, request, &txn);
	if (r < 0)
		return r;
	r = rmdir_in_store(tree, txn, request, ino_get_id(dir), name, ret_dir);
	if (r < 0) {
		store_abort(txn);
		return r;
	}
	return store_commit(txn, &change);
}

bool tree_has_drafts(struct tree *tree, int64_t dir)
{
	bool found = false;
	tree_lock(tree);
	for (struct draft *draft = tree->drafts_by_name; draft && !found;
		draft = draft->by_name.next)
		found = draft->place->parent == dir;
	tree_unlock(tree);
	return found;
}

/* ---- attributes ---- */

static void attr_merge(struct store_attr *attr, const struct store_attr *more)
{
	attr->set |= more->set;
	if (more->set & STORE_SET_MODE)
		attr->mode = more->mode;
	if (more->set & STORE_SET_UID)
		attr->uid = more->uid;
	if (more->set & STORE_SET_GID)
		attr->gid = more->gid;
	if (more->set & STORE_SET_ATIME)
		attr->atime = more->atime;
	if (more->set & STORE_SET_MTIME)
		attr->mtime = more->mtime;
}

static void draft_set_attr(struct draft *draft, const struct store_attr *attr)
{
	if (attr->set & STORE_SET_ATIME)
		draft->atime = attr->atime;
	if (attr->set & STORE_SET_MTIME)
		draft->mtime = attr->mtime;
	if (attr->set & STORE_SET_MODE)
		draft->mode = (mode_t)attr->mode & 07777;
	if (attr->set & STORE_SET_UID)
		draft->uid = (uid_t)attr->uid;
	if (attr->set & STORE_SET_GID)
		draft->gid = (gid_t)attr->gid;
	if (attr->set)
		draft->ctime = clock_real();
}

/* What of attr stays in the draft, to be set with its next commit; the rest is returned in ret_now. Wants the lock. */
static void set_attr_draft(
	struct draft *draft, const struct store_attr *attr, struct store_attr *ret_now)
{
	unsigned int times = STORE_SET_ATIME | STORE_SET_MTIME, pending = draft->attr.set & ~times;
	struct store_attr kept = *attr;
	if (draft->state == DRAFT_BOUND)
		kept.set &= pending | (draft_is_dirty(draft) ? times : 0);
	*ret_now = *attr;
	ret_now->set &= ~kept.set;
	draft_set_attr(draft, &kept);
	kept.set &= times | pending;
	attr_merge(&draft->attr, &kept);
}

/* A file that is open and not in the store any more: its attributes live as long as it is open. */
static int set_attr_unlinked(struct tree *tree, uint64_t ino, const struct store_attr *attr)
{
	int r = -ESTALE;
	tree_lock(tree);
	struct draft *draft = ino_get_class(ino) == INO_DRAFT ? draft_find(tree, ino) : NULL;
	struct content *content =
		ino_get_class(ino) == INO_VERSION ? content_find(tree, ino_get_id(ino)) : NULL;
	if (draft) {
		draft_set_attr(draft, attr);
		r = 0;
	}
	if (content) {
		if (attr->set & STORE_SET_MODE)
			content->node.mode = attr->mode;
		if (attr->set & STORE_SET_UID)
			content->node.uid = attr->uid;
		if (attr->set & STORE_SET_GID)
			content->node.gid = attr->gid;
		if (attr->set & STORE_SET_ATIME)
			content->node.atime = attr->atime;
		if (attr->set & STORE_SET_MTIME)
			content->node.mtime = attr->mtime;
		r = 0;
	}
	tree_unlock(tree);
	return r;
}

static int set_attr_store(struct tree *tree, const struct tree_request *request, uint64_t ino,
	int64_t id, const struct store_attr *attr, int64_t *ret_change)
{
	struct store_txn *txn;
	struct store_node node;
	bool current;
	int r = change_begin(tree, request, &txn);
	if (r < 0)
		return r;
	if (ino_get_class(ino) == INO_VERSION) {
		r = store_get_version(store_txn_reader(txn), ino_get_id(ino), &node, &current);
		if (r == 0 && !current && !tree_is_open(tree, ino_get_id(ino)))
			r = -ESTALE; /* the name may lead to another file by now */
		id = node.id;
	}
	if (r == 0)
		r = store_set_attr(txn, id, attr, &node);
	if (r < 0) {
		store_abort(txn);
		return r;
	}
	return store_commit(txn, ret_change);
}

int tree_set_attr(struct tree *tree, const struct tree_request *request, uint64_t ino,
	const struct store_attr *attr, int64_t *ret_change)
{
	struct store_attr now = *attr;
	int64_t id = ino_get_id(ino);
	*ret_change = 0;
	if (ino_get_class(ino) == INO_DRAFT) {
		tree_lock(tree);
		struct draft *draft = draft_find(tree, ino);
		if (draft)
			set_attr_draft(draft, attr, &now);
		id = draft ? draft->node : 0;
		tree_unlock(tree);
		if (!draft)
			return -ESTALE;
	}
	if (!now.set)
		return 0;
	int r = set_attr_store(tree, request, ino, id, &now, ret_change);
	if (r == -ESTALE)
		r = set_attr_unlinked(tree, ino, &now);
	return r == -ESTALE ? ticket_send_back(tree, &request->caller, TICKET_ANY, TICKET_LOOK) : r;
}
