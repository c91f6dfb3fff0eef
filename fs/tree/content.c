// SPDX-License-Identifier: MIT
/*
 * Committed versions that are open: one struct content each, shared by all who have it open. What can be read from the
 * store at any time (a module's history) is read when somebody asks for bytes; what the store
 * may drop with the next version (plain files) is read at open. tree->lock guards all.
 */
#include <errno.h>
#include <stdlib.h>

#include "private.h"

struct content *content_find(struct tree *tree, int64_t version)
{
	struct content *content;
	HASH_FIND(hh, tree->contents, &version, sizeof(version), content);
	return content;
}

struct content *content_open(struct tree *tree, const struct store_node *node)
{
	struct content *content = content_find(tree, node->version);
	if (!content) {
		content = calloc(1, sizeof(*content));
		if (!content)
			return NULL;
		content->version = node->version;
		content->node = *node;
		HASH_ADD(hh, tree->contents, version, sizeof(content->version), content);
		if (!is_in_table(hh, content)) {
			free(content);
			return NULL;
		}
	}
	if (!content->node.id) /* it was opened while the store could not be asked */
		content->node = *node;
	content->files++;
	return content;
}

void content_close(struct tree *tree, struct content *content)
{
	if (--content->files)
		return;
	HASH_DELETE(hh, tree->contents, content);
	free(content->data);
	free(content);
}

void content_unlink_node(struct tree *tree, int64_t node)
{
	for (struct content *content = tree->contents; content; content = content->hh.next)
		if (content->node.id == node)
			content->unlinked = true;
}
