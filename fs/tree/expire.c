// SPDX-License-Identifier: MIT
/*
 * What is so for a while only: modules that are aside become deleted ones, temporary files that stay are put into the
 * store. On the writer's thread, but for tree_next_expiry().
 */
#include <errno.h>
#include <stdlib.h>

#include "commit.h"

static int64_t earlier(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

int64_t tree_next_expiry(struct tree *tree)
{
	int64_t next = INT64_MAX;
	tree_lock(tree);
	for (struct aside *aside = tree->asides; aside; aside = aside->next)
		next = earlier(next, aside->expires);
	/* Asked for at each publication, while there may be backups by the thousand. */
	struct draft *draft = tree->fleeting ? tree->drafts_by_name : NULL;
	for (tree->fleeting = false; draft; draft = draft->by_name.next) {
		tree->fleeting |= draft->temporary;
		if (draft->temporary && !draft->files)
			next = earlier(next, draft->expires);
	}
	tree_unlock(tree);
	return next;
}

/* An aside whose time has come and that nobody is writing; 0: none. Those being written get more time. */
static int64_t expired_node(struct tree *tree, int64_t now)
{
	int64_t node = 0;
	tree_lock(tree);
	for (struct aside *aside = tree->asides; aside && !node; aside = aside->next) {
		if (aside->expires > now)
			continue;
		struct draft *draft = draft_find_node(tree, aside->node);
		if (draft && draft->files)
			aside->expires = clock_monotonic() + ASIDE_SECONDS * NANOSECONDS;
		else
			node = aside->node;
	}
	tree_unlock(tree);
	return node;
}

static int delete_node(struct tree *tree, const struct tree_request *request, int64_t node)
{
	struct store_txn *txn;
	int64_t change;
	int r = change_begin(tree, request, &txn);
	if (r < 0)
		return r;
	r = store_unlink(txn, node);
	if (r < 0) {
		store_abort(txn);
		return r == -ESTALE ? 0 : r;
	}
	return store_commit(txn, &change);
}

static int expire_aside(struct tree *tree, const struct tree_request *request, int64_t node)
{
	int r = delete_node(tree, request, node);
	tree_lock(tree);
	if (r == 0)
		tree_forget_node(tree, node);
	else
		aside_remove(tree, node); /* it is there again: better than to try for ever */
	tree_unlock(tree);
	return r;
}

/* A temporary file whose time has come, promoted and pinned; NULL: none. */
static struct draft *expired_draft(struct tree *tree, int64_t now)
{
	struct draft *found = NULL;
	tree_lock(tree);
	for (struct draft *draft = tree->drafts_by_name; draft && !found;
		draft = draft->by_name.next)
		if (draft->temporary && !draft->files && draft->expires <= now)
			found = draft;
	if (found) {
		draft_promote(found);
		found->pins++;
	}
	tree_unlock(tree);
	return found;
}

int tree_expire(struct tree *tree, const struct tree_request *request, bool all)
{
	int64_t now = all ? INT64_MAX - 1 : clock_monotonic(), change, node;
	int r = 0;
	while ((node = expired_node(tree, now))) {
		int error = expire_aside(tree, request, node);
		r = r < 0 ? r : error;
	}
	for (struct draft *draft; (draft = expired_draft(tree, now));) {
		int error = tree_commit(tree, request, draft, &change);
		r = r < 0 ? r : error;
	}
	return r;
}
