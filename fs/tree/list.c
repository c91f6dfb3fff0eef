// SPDX-License-Identifier: MIT
/*
 * Listings: the store's entries by id, then what is only in memory in the order in which it was given its names. A position
 * is the id of the last entry seen (a draft's own above POSITION_DRAFTS), so a listing that goes on later misses nothing that
 * stayed.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "private.h"

#define POSITION_DRAFTS (INT64_C(1) << 60)

struct listing {
	struct tree *tree;
	pid_t tid;      /* who lists */
	uint64_t epoch; /* of what is listed (known.c) */
	bool settled;
	struct listed at;
	tree_dirent_fn *fn;
	void *arg;
};

/*
 * Changing: a look-up must decide what is there, and the answer may not be cached (tree_lookup). Also where the listing may
 * be newer than what is published (unseen.c): what it says must be as old as what a look-up says, for as long as it may be
 * under way.
 */
static void look_at_file(struct listing *listing, const struct store_entry *entry, bool *ret_hidden,
	bool *ret_changing)
{
	const struct store_node *node = &entry->node;
	struct tree *tree = listing->tree;
	*ret_hidden = *ret_changing = false;
	if (node->kind == STORE_DIR)
		return;
	tree_lock(tree);
	*ret_hidden = aside_hides(tree, node->id, listing->tid);
	*ret_changing = draft_find_node(tree, node->id) || aside_find(tree, node->id) ||
			entry->change > tree->published;
	if (listing->settled && !*ret_changing)
		known_add(tree, listing->epoch, node);
	again_forget(tree, node->id);
	known_link(tree, listing->at.version, node->version);
	tree_unlock(tree);
}

static int list_entry(void *arg, const struct store_entry *entry)
{
	struct listing *listing = arg;
	struct tree_dirent dirent = {
		.name = entry->name,
		.position = entry->node.id,
	};
	bool hidden, changing;
	/* The kernel refuses a whole listing with such a name; only somebody who writes into the side tables makes one. */
	if (store_check_name(entry->name))
		return 0;
	look_at_file(listing, entry, &hidden, &changing);
	if (hidden)
		return 0;
	node_entry(listing->tree, &entry->node, &dirent.entry);
	if (changing)
		dirent.entry.ino = 0;
	int r = listing->fn(listing->arg, &dirent);
	if (r == 0) {
		listing->at.position = entry->node.id;
		if (entry->node.kind != STORE_DIR)
			listing->at.version = entry->node.version;
	}
	return r;
}

static bool is_listed(const struct draft *draft, int64_t dir, int64_t after)
{
	return draft->place->parent == dir && POSITION_DRAFTS + draft->position > after &&
	       (draft->state == DRAFT_LOCAL || draft->kind != STORE_MODULE);
}

static int list_drafts(struct tree *tree, int64_t dir, int64_t after, struct listing *listing)
{
	int r = 0;
	tree_lock(tree);
	aside_note_listing(tree, dir);
	for (struct draft *draft = tree->drafts_by_name; draft && r == 0;
		draft = draft->by_name.next) {
		if (!is_listed(draft, dir, after))
			continue;
		struct tree_dirent dirent = {
			.name = draft->place->name,
			.position = POSITION_DRAFTS + draft->position,
		};
		draft_stat(draft, &dirent.entry.attr);
		r = listing->fn(listing->arg, &dirent);
	}
	tree_unlock(tree);
	return r;
}

/* A directory that somebody else has removed can't be read, as everywhere. */
static int check_there(struct store_reader *reader, int64_t dir)
{
	struct store_node node;
	int r = store_get_node(reader, dir, &node);
	return r == -ESTALE ? -ENOENT : r;
}

int tree_list(struct tree *tree, struct store_reader *reader, const struct tree_caller *caller,
	uint64_t dir, int64_t after, tree_dirent_fn *fn, void *arg)
{
	struct listing listing = {.tree = tree, .tid = caller->tid, .fn = fn, .arg = arg};
	int64_t id = ino_get_id(dir);
	tree_lock(tree);
	listing.settled = known_epoch(tree, &listing.epoch);
	listing.at = after && tree->listed.dir == id && tree->listed.position == after
			     ? tree->listed
			     : (struct listed){.dir = id};
	tree_unlock(tree);
	if (after < POSITION_DRAFTS) {
		int r = after ? 0 : check_there(reader, id);
		if (r == 0)
			r = store_list(reader, id, after, list_entry, &listing);
		tree_lock(tree);
		tree->listed = listing.at;
		tree_unlock(tree);
		if (r)
			return r;
		after = POSITION_DRAFTS;
	}
	return list_drafts(tree, id, after, &listing);
}
