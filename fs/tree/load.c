// SPDX-License-Identifier: MIT
/*
 * Reading contents from the store into memory, for readers and for writers. The store is read without the lock; afterwards, under
 * the lock, whoever was first has loaded it.
 */
#include <errno.h>
#include <stdlib.h>

#include "commit.h"

int content_load(struct tree *tree, struct store_reader *reader, struct content *content)
{
	void *data;
	struct store_content bytes;
	int r = store_read_sparse(reader, content->version, &data, &bytes);
	if (r < 0)
		return r;
	tree_lock(tree);
	if (content->loaded) {
		free(data);
	} else {
		content->data = data;
		content->bytes = bytes;
		content->loaded = true;
	}
	tree_unlock(tree);
	return 0;
}

/* What a load goes by, taken under the lock. */
struct load {
	int64_t node, base;
	uint64_t changes;
	bool loaded;
	bool shown; /* for one who only looks: what is there for him, maybe an older version (unseen.c) */
	void *data; /* read; NULL: what is loaded is the current version */
	struct store_content bytes;
};

/* False: there is nothing to load. */
static bool load_init(struct load *load, const struct draft *draft, bool refresh)
{
	*load = (struct load){
		.node = draft->node,
		.base = draft->base,
		.changes = draft->changes,
		.loaded = draft->loaded,
		.shown = draft->apart,
	};
	bool changed = draft->changes != draft->committed;
	return draft->state == DRAFT_BOUND && (!draft->loaded || (refresh && !changed));
}

static int load_read(struct tree *tree, struct store_reader *reader, struct load *load)
{
	struct store_node node;
	int r = store_reader_begin(reader);
	if (r < 0)
		return r;
	r = store_get_node(reader, load->node, &node);
	if (r == 0 && load->shown)
		r = unseen_hide(tree, reader, &node);
	if (r == 0 && !(load->loaded && load->base == node.version))
		r = store_read_sparse(reader, node.version, &load->data, &load->bytes);
	store_reader_end(reader);
	if (r == 0)
		load->base = node.version;
	return r;
}

/* What is opened to be written counts as what is; who only looks is not refused for it. */
static bool fits(const struct tree *tree, const struct draft *draft, const struct load *load)
{
	return load->shown ||
	       tree->memory - draft->capacity + load->bytes.size <= tree->options.memory_max;
}

int draft_load(struct tree *tree, struct store_reader *reader, struct draft *draft, bool refresh)
{
	struct load load;
	tree_lock(tree);
	bool wanted = load_init(&load, draft, refresh);
	tree_unlock(tree);
	if (!wanted)
		return 0;

	int r = load_read(tree, reader, &load);
	tree_lock(tree);
	if (r == -ESTALE && draft->loaded) {
		/* Its file was removed on the way: it is what one has that was open before. */
		draft_give_up(tree, draft);
		r = 0;
	} else if (r == 0 && load.data && !fits(tree, draft, &load)) {
		r = -ENOSPC;
	} else if (r == 0 && load.data && (!draft->loaded || draft->changes == load.changes)) {
		draft_set_data(tree, draft, load.data, &load.bytes);
		draft->base = load.base;
		load.data = NULL;
	}
	tree_unlock(tree);
	free(load.data);
	return r;
}
