// SPDX-License-Identifier: MIT
/*
 * Who has saved a module and saves it again is led straight to the draft that he had, if nobody was led past it meanwhile: its
 * inode and what the kernel has cached of it are as the file is now, and nobody else has it. That spares the open that is
 * answered ESTALE and the second walk.
 *
 * A save isn't told to the kernel, because while a file is written its entry is not cached (tree_lookup). For a draft that
 * is opened once more that holds only if nobody was led past it since its last close: the look-up of the one who saves came
 * before his open, and in between somebody else's may have left the version behind in the cache, for ever. Such a draft is
 * `exposed`, and its save is told to the kernel as others' commits are.
 *
 * A draft to which somebody was led without a ticket has two more duties. Whoever was led there with him and comes after him
 * must not share it: he is sent back (again_is_taken()). And he may have set a watch on its inode, so the publisher asks for
 * it when the file has changed otherwise.
 *
 * Who is led to it and opens it to read is sent back, to the version, as everybody who reads: that is in the kernel's cache, and
 * outlasts the file and the database's server. Only who comes without a look-up (/proc/PID/fd of an O_PATH descriptor) reads the draft.
 *
 * drafts_saved has of each node the last draft that was closed, as long as the kernel knows it. tree->lock guards
 * everything.
 */
#include "commit.h"

/* So often the one who saved it is led to it without opening it to write: he only looks. */
#define LOOKS_MAX 3

static struct draft *find_saved(struct tree *tree, int64_t node)
{
	struct draft *draft;
	HASH_FIND(by_saved, tree->drafts_saved, &node, sizeof(node), draft);
	return draft;
}

void again_drop(struct tree *tree, struct draft *draft)
{
	if (draft->in_by_saved)
		HASH_DELETE(by_saved, tree->drafts_saved, draft);
	draft->in_by_saved = draft->alone = false;
}

void again_note(struct tree *tree, struct draft *draft, pid_t process)
{
	struct draft *before = find_saved(tree, draft->node);
	if (!process || draft->state != DRAFT_BOUND || draft->kind != STORE_MODULE ||
		draft->apart || draft_is_unsaved(draft) ||
		(before && before != draft && before->led))
		return;
	if (before)
		again_drop(tree, before);
	HASH_ADD(by_saved, tree->drafts_saved, node, sizeof(draft->node), draft);
	draft->in_by_saved = is_in_table(by_saved, draft);
	draft->alone = draft->in_by_saved;
	draft->saver = process;
	draft->looks = 0;
}

void again_forget(struct tree *tree, int64_t node)
{
	struct draft *draft = find_saved(tree, node);
	if (draft)
		draft->alone = false;
}

/* Is it as it was left by the last close? */
static bool is_idle(struct tree *tree, const struct draft *draft)
{
	return draft->state == DRAFT_BOUND && !draft->files && !draft->pins &&
	       !draft_is_unsaved(draft) && !draft_find_node(tree, draft->node);
}

struct draft *again_find(struct tree *tree, const struct tree_caller *caller,
	const struct store_node *node, const char *name)
{
	struct draft *draft = find_saved(tree, node->id);
	if (!draft || !draft->alone || draft->looks == LOOKS_MAX || draft->base != node->version ||
		!is_idle(tree, draft) || !place_is(draft->place, node->parent, name) ||
		caller_process(caller->tid) != draft->saver)
		return NULL;
	draft->looks++;
	draft->led = true;
	return draft;
}

bool again_is_taken(struct tree *tree, const struct draft *draft)
{
	return draft->led &&
	       (draft->files || draft->in_by_node || draft_find_node(tree, draft->node));
}

bool again_take(struct draft *draft)
{
	bool alone = draft->alone;
	draft->alone = false;
	return alone;
}

bool again_leave(struct draft *draft)
{
	return !draft->files && again_take(draft);
}

void again_forget_node(struct tree *tree, int64_t node)
{
	struct draft *draft = find_saved(tree, node);
	if (draft && draft->state == DRAFT_BOUND)
		draft_give_up(tree, draft);
}

/* Has anything else than its own save, or who was led to it, changed its file? Then the name leads elsewhere. */
static bool is_replaced(const struct draft *draft, const struct store_change *change, bool own)
{
	int64_t version = change->op == STORE_DELETE ? change->old_version : change->version;
	return draft->led && !draft->in_by_node &&
	       (!own || !draft->alone || draft->base != version);
}

uint64_t tree_find_replaced(struct tree *tree, const struct store_change *change, bool own)
{
	uint64_t ino = 0;
	tree_lock(tree);
	struct draft *draft = find_saved(tree, change->node);
	if (draft && is_replaced(draft, change, own)) {
		ino = draft->ino;
		again_drop(tree, draft);
	}
	tree_unlock(tree);
	return ino;
}

bool tree_look(struct tree *tree, uint64_t ino)
{
	tree_lock(tree);
	struct draft *draft = draft_find(tree, ino);
	if (draft)
		draft->lookups++;
	tree_unlock(tree);
	return draft;
}
