// SPDX-License-Identifier: MIT
/*
 * What is there for whoever only looks: of a module the version that is published, not one that is newer in the store. So nobody
 * sees the new version while the kernel may still be told the one before it by a listing with attributes (READDIRPLUS) that was
 * answered before the commit: the publisher's invalidation waits for such a listing to end (it takes the directory's
 * lock), and only then is the new one shown. Without this a reader could see the new one and then the old one.
 *
 * Whoever shows a module goes by this: look-up, attributes, open, and the private drafts of ticket.c. The batches of the
 * publisher become visible as a whole. It is no matter who has committed, but for one thing: who has the answer of his own
 * call sees what that did. So own changes are there at once, published or not, except a save for as long as its answer
 * waits for the publisher: those are listed here.
 *
 * That holds for new versions. Names come and go with the store: a directory's times do so too, and who compares them to
 * know whether his list of names is out of date (the import system) must not be shown new times with old names. So a new
 * name leads to the newest version; what somebody has seen of it that isn't published yet stays shown, and is listed here
 * as well. Other files than modules are shown as they are in the store: their old bytes are gone, so nobody can read them
 * after the new ones anyway.
 *
 * tree->lock guards both lists and what is published.
 */
#include <errno.h>
#include <stdlib.h>

#include "private.h"

/* Where the answer waits for ever: a publisher that can't read the store publishes nothing. */
#define UNSEEN_MS 10000

#define HIDE_TURNS 10

/* Takes off those from one version to another, and those whose time is over. */
static void unseen_sweep(struct tree *tree, int64_t first, int64_t last)
{
	int64_t now = clock_monotonic();
	for (struct unseen **p = &tree->unseen; *p;) {
		struct unseen *unseen = *p;
		bool gone = unseen->version >= first && unseen->version <= last;
		if (!gone && (unseen->exposed || unseen->until > now)) {
			p = &unseen->next;
			continue;
		}
		*p = unseen->next;
		free(unseen);
	}
}

int unseen_add(struct tree *tree, int64_t version, int64_t hidden_ms, bool exposed)
{
	int64_t wait = hidden_ms < 0 ? UNSEEN_MS : hidden_ms;
	struct unseen *unseen = malloc(sizeof(*unseen));
	if (!unseen)
		return -ENOMEM;
	unseen->version = version;
	unseen->until = clock_monotonic() + wait * MILLISECOND;
	unseen->exposed = exposed;
	unseen_sweep(tree, version, version);
	unseen->next = tree->unseen;
	tree->unseen = unseen;
	return 0;
}

void unseen_remove(struct tree *tree, int64_t version)
{
	unseen_sweep(tree, version, version);
}

static const struct unseen *unseen_find(const struct tree *tree, int64_t version)
{
	const struct unseen *unseen = tree->unseen;
	while (unseen && unseen->version != version)
		unseen = unseen->next;
	return unseen;
}

static bool unseen_has(struct tree *tree, int64_t version)
{
	const struct unseen *unseen = unseen_find(tree, version);
	return unseen && unseen->until > clock_monotonic();
}

bool tree_is_exposed(struct tree *tree, int64_t version)
{
	tree_lock(tree);
	const struct unseen *unseen = unseen_find(tree, version);
	bool exposed = unseen && unseen->exposed;
	tree_unlock(tree);
	return exposed;
}

static struct seen *seen_find(struct tree *tree, int64_t version)
{
	struct seen *seen;
	HASH_FIND(hh, tree->seen, &version, sizeof(version), seen);
	return seen;
}

static void seen_add(struct tree *tree, int64_t version)
{
	struct seen *seen = seen_find(tree, version) ? NULL : malloc(sizeof(*seen));
	if (!seen) /* it may be hidden once more */
		return;
	seen->version = version;
	HASH_ADD(hh, tree->seen, version, sizeof(version), seen);
	if (!is_in_table(hh, seen))
		free(seen);
}

static void seen_sweep(struct tree *tree, int64_t published)
{
	struct seen *seen, *next;
	HASH_ITER (hh, tree->seen, seen, next)
		if (seen->version <= published) {
			HASH_DEL(tree->seen, seen);
			free(seen);
		}
}

void unseen_finish(struct tree *tree)
{
	unseen_sweep(tree, 0, INT64_MAX);
	seen_sweep(tree, INT64_MAX);
}

/* Which version of a node is there: found by going through the changes that aren't published. */
struct showing {
	struct tree *tree;
	bool found;
	int64_t version;
};

static int take_change(void *arg, const struct store_change *change)
{
	struct showing *showing = arg;
	struct tree *tree = showing->tree;
	bool own = store_is_own(tree->store, change->id);
	tree_lock(tree);
	bool known =
		seen_find(tree, change->version) || (own && !unseen_has(tree, change->version));
	tree_unlock(tree);
	if (known)
		showing->version = change->version;
	else if (!showing->found) /* what was there before it; a name that is new is there */
		showing->version = change->op == STORE_UPDATE ? change->old_version : INT64_MAX;
	showing->found = true;
	return 0;
}

/* Whether the node's version is newer than what is published; *ret_published: the newest change that is. */
static bool is_newer(struct tree *tree, const struct store_node *node, int64_t *ret_published)
{
	tree_lock(tree);
	bool newer = node->version > tree->published_version;
	*ret_published = tree->published;
	tree_unlock(tree);
	return newer;
}

/* A version is going to be shown, as of that newest published change; false: something was published meanwhile. */
static bool note_shown(struct tree *tree, int64_t version, int64_t published)
{
	tree_lock(tree);
	bool same = tree->published == published;
	if (same && version > tree->published_version)
		seen_add(tree, version);
	tree_unlock(tree);
	return same;
}

/* One try; -EAGAIN: something was published meanwhile. */
static int hide(struct tree *tree, struct store_reader *reader, struct store_node *node)
{
	struct showing showing = {.tree = tree};
	struct store_node shown = *node;
	int64_t published;
	bool current;
	if (!is_newer(tree, node, &published))
		return 0;
	int r = store_changes_of(reader, node->id, published, take_change, &showing);
	if (r == 0 && showing.found && showing.version < node->version)
		r = store_get_version(reader, showing.version, &shown, &current);
	if (r == -ESTALE) /* it is gone altogether */
		r = 0;
	if (r < 0)
		return r;
	if (!note_shown(tree, shown.version, published))
		return -EAGAIN;
	*node = shown;
	return 0;
}

int unseen_hide(struct tree *tree, struct store_reader *reader, struct store_node *node)
{
	int r = node->kind == STORE_MODULE ? -EAGAIN : 0;
	for (int i = 0; r == -EAGAIN && i < HIDE_TURNS; i++)
		r = hide(tree, reader, node);
	return r == -EAGAIN ? 0 : r;
}

int unseen_shows(struct tree *tree, struct store_reader *reader, const struct store_node *node,
	bool *ret_shown)
{
	struct store_node newest;
	int r = store_get_node(reader, node->id, &newest);
	if (r == 0)
		r = unseen_hide(tree, reader, &newest);
	if (r == 0)
		*ret_shown = newest.version == node->version;
	return r;
}

void tree_published(struct tree *tree, int64_t change, int64_t version)
{
	tree_lock(tree);
	tree->published = change;
	tree->published_version = version;
	unseen_sweep(tree, 0, version);
	seen_sweep(tree, version);
	tree_unlock(tree);
}
