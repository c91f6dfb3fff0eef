// SPDX-License-Identifier: MIT
/*
 * Modules whose newest version is committed and not yet published: for whoever looks, the one before it is there still. So
 * nobody sees the new version while the kernel may still be told the old one by a listing with attributes (READDIRPLUS) that was
 * answered before: the publisher's invalidation waits for such a listing to end (it takes the directory's lock), and
 * only then is the new one shown. Without this a reader could see the new one and then the old one.
 *
 * Only what a close, fsync or truncate commits, for as long as their answer waits for the publisher: who has the answer sees what he
 * saved. Whatever shows a module to somebody who only looks goes by this: look-up, attributes, and the private drafts of
 * ticket.c. tree->lock guards the list.
 */
#include <stdlib.h>

#include "private.h"

/* Where the answer waits for ever: a publisher that can't read the store publishes nothing. */
#define UNSEEN_MS 10000

static const struct unseen *unseen_find(const struct tree *tree, int64_t node, int64_t version)
{
	int64_t now = tree->unseen ? clock_monotonic() : 0;
	for (const struct unseen *unseen = tree->unseen; unseen; unseen = unseen->next)
		if (unseen->old.id == node && unseen->version == version && unseen->until > now)
			return unseen;
	return NULL;
}

bool unseen_hide(const struct tree *tree, struct store_node *node)
{
	const struct unseen *unseen = unseen_find(tree, node->id, node->version);
	if (unseen)
		*node = unseen->old;
	return unseen != NULL;
}

bool unseen_shows(const struct tree *tree, int64_t node, int64_t version)
{
	int64_t now = tree->unseen ? clock_monotonic() : 0;
	for (const struct unseen *unseen = tree->unseen; unseen; unseen = unseen->next)
		if (unseen->old.id == node && unseen->old.version == version && unseen->until > now)
			return true;
	return false;
}

/* Takes off those of a node, and those whose time is over. */
static void unseen_sweep(struct tree *tree, int64_t node)
{
	int64_t now = clock_monotonic();
	for (struct unseen **p = &tree->unseen; *p;) {
		struct unseen *unseen = *p;
		if (unseen->old.id != node && unseen->until > now) {
			p = &unseen->next;
			continue;
		}
		*p = unseen->next;
		free(unseen);
	}
}

void unseen_add(struct tree *tree, const struct store_node *old, int64_t version, int patience_ms)
{
	int64_t wait = patience_ms < 0 ? UNSEEN_MS : patience_ms;
	const struct unseen *before = unseen_find(tree, old->id, old->version);
	struct unseen *unseen = malloc(sizeof(*unseen));
	if (!unseen) /* it is seen a little too early */
		return;
	unseen->old = before ? before->old : *old;
	unseen->version = version;
	unseen->until = clock_monotonic() + wait * MILLISECOND;
	unseen_sweep(tree, old->id);
	unseen->next = tree->unseen;
	tree->unseen = unseen;
}

void unseen_remove(struct tree *tree, int64_t node)
{
	unseen_sweep(tree, node);
}

void tree_published(struct tree *tree, int64_t node, int64_t version)
{
	tree_lock(tree);
	if (unseen_find(tree, node, version))
		unseen_remove(tree, node);
	tree_unlock(tree);
}
