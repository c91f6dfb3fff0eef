// SPDX-License-Identifier: MIT
/*
 * Versions that were opened or listed lately and to which their names lead, so that who opens one needs no statement. That
 * holds until a commit of this mount begins, or others' changes are published: what they have committed and the publisher
 * hasn't published is not shown to anybody (unseen.c), but that names have come and gone; once that has come out it ends,
 * too. While a commit is under way nothing is known, because nobody can tell whether it is there yet. A version takes the
 * place of one with the same remainder. tree->lock guards the table.
 */
#include "private.h"

static struct known *known_place(struct tree *tree, int64_t version)
{
	return &tree->known[(uint64_t)version % KNOWN_MAX];
}

bool known_epoch(const struct tree *tree, uint64_t *ret_epoch)
{
	uint64_t commits = store_commits(tree->store);
	*ret_epoch = (uint64_t)tree->published + tree->exposed + commits;
	return commits % 2 == 0;
}

bool known_find(struct tree *tree, int64_t version, struct store_node *ret_node)
{
	const struct known *known = known_place(tree, version);
	uint64_t epoch;
	if (!known_epoch(tree, &epoch) || known->epoch != epoch || known->node.version != version)
		return false;
	*ret_node = known->node;
	return true;
}

void known_add(struct tree *tree, uint64_t epoch, const struct store_node *node)
{
	struct known *known = known_place(tree, node->version);
	int64_t next = known->node.version == node->version ? known->next : 0;
	*known = (struct known){.epoch = epoch, .node = *node, .next = next};
}

void known_link(struct tree *tree, int64_t version, int64_t next)
{
	struct known *known = known_place(tree, version);
	if (version && known->node.version == version)
		known->next = next;
}

int64_t tree_listed_after(struct tree *tree, int64_t version, int64_t *ret_size)
{
	int64_t next = 0;
	tree_lock(tree);
	const struct known *known = known_place(tree, version);
	if (known->node.version == version && known->next) {
		const struct known *after = known_place(tree, known->next);
		if (after->node.version == known->next) {
			next = known->next;
			*ret_size = after->node.size;
		}
	}
	tree_unlock(tree);
	return next;
}
