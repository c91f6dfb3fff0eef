// SPDX-License-Identifier: MIT
/*
 * Drafts: what they hold and how they are found.
 *
 * A draft is held by the kernel's look-ups, by open files, by work under way (pins) and by its
 * name; draft_release() frees it when the last of them is gone. It is in drafts_by_name while it is `named`, in
 * drafts_by_node while it is BOUND and a file of it is open or about to be. tree->lock guards everything.
 */
#include "draft.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "private.h"

#define WINDOW ((size_t)1 << 20)
#define SIZE_LIMIT ((size_t)16 << 40) /* as ext4's */

struct draft *draft_create(struct tree *tree, enum draft_state state, enum store_kind kind)
{
	struct draft *draft = calloc(1, sizeof(*draft));
	if (!draft)
		return NULL;
	draft->ino = ino_make(INO_DRAFT, tree->next_draft++);
	draft->state = state;
	draft->kind = kind;
	draft->uid = tree->options.uid;
	draft->gid = tree->options.gid;
	draft->atime = draft->mtime = draft->ctime = clock_real();
	HASH_ADD(by_ino, tree->drafts_by_ino, ino, sizeof(draft->ino), draft);
	if (is_in_table(by_ino, draft))
		return draft;
	free(draft);
	return NULL;
}

/*
 * The kernel may go on knowing a file for hours after its last close, until it is short of memory itself or somebody looks for
 * the name. What is saved is in the store: it is read again should somebody open this very inode.
 */
static void draft_unload(struct tree *tree, struct draft *draft)
{
	if (draft->state != DRAFT_BOUND || draft->apart || draft->in_by_node ||
		draft_is_dirty(draft))
		return;
	tree->memory -= draft->capacity;
	free(draft->data);
	draft->data = NULL;
	draft->start = draft->filled = draft->capacity = 0;
	draft->loaded = false;
}

void draft_release(struct tree *tree, struct draft *draft)
{
	if (draft->files || draft->pins || draft->named)
		return;
	if (draft->lookups) {
		draft_unload(tree, draft);
		return;
	}
	draft_unbind(tree, draft);
	again_drop(tree, draft);
	HASH_DELETE(by_ino, tree->drafts_by_ino, draft);
	tree->aparts -= draft->apart;
	tree->memory -= draft->capacity;
	free(draft->data);
	free(draft->place);
	free(draft);
}

struct draft *draft_find(struct tree *tree, uint64_t ino)
{
	struct draft *draft;
	HASH_FIND(by_ino, tree->drafts_by_ino, &ino, sizeof(ino), draft);
	return draft;
}

static size_t place_size(const char *name)
{
	return offsetof(struct place, name) + strlen(name);
}

struct place *place_create(int64_t parent, const char *name)
{
	struct place *place = malloc(place_size(name) + 1);
	if (!place)
		return NULL;
	place->parent = parent;
	strcpy(place->name, name);
	return place;
}

bool place_is(const struct place *place, int64_t parent, const char *name)
{
	return place->parent == parent && strcmp(place->name, name) == 0;
}

struct draft *draft_find_name(struct tree *tree, int64_t parent, const char *name)
{
	/* Needs no memory: who is told that there is none may keep that for ever. */
	union {
		struct place place;
		char room[sizeof(struct place) + STORE_NAME_MAX + 1];
	} key;
	struct draft *draft = NULL;
	if (!tree->drafts_by_name || strlen(name) > STORE_NAME_MAX)
		return NULL;
	key.place.parent = parent;
	strcpy(key.place.name, name);
	HASH_FIND(by_name, tree->drafts_by_name, &key, place_size(name), draft);
	return draft;
}

/* What a file that stays in memory takes there, be it empty. */
static size_t draft_weight(const char *name)
{
	return sizeof(struct draft) + place_size(name) + 1;
}

bool draft_fits(const struct tree *tree, const char *name)
{
	return tree->memory + draft_weight(name) <= tree->options.memory_max;
}

static void draft_name(struct tree *tree, struct draft *draft)
{
	struct place *place = draft->place;
	HASH_ADD_KEYPTR(by_name, tree->drafts_by_name, place, place_size(place->name), draft);
	draft->named = is_in_table(by_name, draft);
	tree->memory += draft->named ? draft_weight(place->name) : 0;
	draft->position = ++tree->last_position;
}

int draft_set_name(
	struct tree *tree, struct draft *draft, int64_t parent, const char *name, bool named)
{
	struct place *place = place_create(parent, name);
	if (!place)
		return -ENOMEM;
	draft_unname(tree, draft);
	free(draft->place);
	draft->place = place;
	if (named)
		draft_name(tree, draft);
	return draft->named == named ? 0 : -ENOMEM;
}

void draft_trade_places(struct tree *tree, struct draft *a, struct draft *b)
{
	struct place *place = a->place;
	draft_unname(tree, a);
	draft_unname(tree, b);
	a->place = b->place;
	b->place = place;
	draft_name(tree, a);
	draft_name(tree, b);
}

void draft_unname(struct tree *tree, struct draft *draft)
{
	if (!draft->named)
		return;
	HASH_DELETE(by_name, tree->drafts_by_name, draft);
	draft->named = false;
	tree->memory -= draft_weight(draft->place->name);
}

struct draft *draft_find_node(struct tree *tree, int64_t node)
{
	struct draft *draft;
	HASH_FIND(by_node, tree->drafts_by_node, &node, sizeof(node), draft);
	return draft;
}

void draft_bind(struct tree *tree, struct draft *draft, int64_t node)
{
	tree->settled += draft->state == DRAFT_NEW;
	draft_unbind(tree, draft);
	draft_unname(tree, draft);
	draft->state = DRAFT_BOUND;
	draft->temporary = false;
	if (draft->node != node)
		again_drop(tree, draft);
	draft->node = node;
	if (draft_find_node(tree, node))
		return; /* another one is the shared draft of that node; this one only ends its life */
	HASH_ADD(by_node, tree->drafts_by_node, node, sizeof(draft->node), draft);
	draft->in_by_node = is_in_table(by_node, draft); /* else its writer shares it with nobody */
}

void draft_unbind(struct tree *tree, struct draft *draft)
{
	if (draft->in_by_node)
		HASH_DELETE(by_node, tree->drafts_by_node, draft);
	draft->in_by_node = false;
}

void draft_take_node(struct tree *tree, struct draft *draft, const struct store_node *node)
{
	struct stat attr;
	tree_stat_node(tree, node, &attr);
	if (!(draft->attr.set & STORE_SET_MODE))
		draft->mode = attr.st_mode & 07777;
	if (!(draft->attr.set & STORE_SET_UID))
		draft->uid = attr.st_uid;
	if (!(draft->attr.set & STORE_SET_GID))
		draft->gid = attr.st_gid;
	if (draft_is_dirty(draft))
		return;
	if (!(draft->attr.set & STORE_SET_ATIME))
		draft->atime = node->atime;
	if (!(draft->attr.set & STORE_SET_MTIME))
		draft->mtime = node->mtime;
	draft->ctime = node->ctime;
	if (!draft->loaded)
		draft->size = (size_t)node->size;
}

static int draft_reserve(struct tree *tree, struct draft *draft, size_t capacity)
{
	if (capacity <= draft->capacity)
		return 0;
	if (capacity > tree->options.file_max)
		return -EFBIG;
	size_t grown = draft->capacity + draft->capacity / 2;
	if (grown > tree->options.file_max)
		grown = tree->options.file_max;
	if (grown > capacity)
		capacity = grown;
	if (tree->memory - draft->capacity + capacity > tree->options.memory_max)
		return -ENOSPC;
	unsigned char *data = realloc(draft->data, capacity);
	if (!data)
		return -ENOSPC;
	tree->memory += capacity - draft->capacity;
	draft->data = data;
	draft->capacity = capacity;
	return 0;
}

static void draft_changed(struct draft *draft)
{
	draft->changes++;
	draft->failed = false;
	draft->attr.set &= ~STORE_SET_MTIME; /* a time that was set before is older than this */
	draft->mtime = draft->ctime = clock_real();
}

/* Data gets zeros where it doesn't reach from `from` to `to` yet. */
static int draft_fill(struct tree *tree, struct draft *draft, size_t from, size_t to)
{
	size_t start = draft->filled ? draft->start : from, end = start + draft->filled;
	size_t new_start = from < start ? from : start, new_end = to > end ? to : end;
	int r = draft_reserve(tree, draft, new_end - new_start);
	if (r < 0)
		return r;
	if (new_start < start && draft->filled)
		memmove(draft->data + (start - new_start), draft->data, draft->filled);
	if (new_start < start)
		memset(draft->data, 0, start - new_start);
	if (new_end > end)
		memset(draft->data + (end - new_start), 0, new_end - end);
	draft->start = new_start;
	draft->filled = new_end - new_start;
	return 0;
}

/* Where data begins that has to hold what is at offset: at the file's own begin, but far behind it. */
static size_t window_start(const struct draft *draft, size_t offset)
{
	return draft->kind == STORE_MODULE ? 0 : offset - offset % WINDOW;
}

int draft_resize(struct tree *tree, struct draft *draft, size_t size)
{
	int r = 0;
	if (size > SIZE_LIMIT)
		return -EFBIG;
	if (draft->kind == STORE_MODULE)
		r = draft_fill(tree, draft, 0, size);
	if (r < 0)
		return r;
	if (draft->start >= size)
		draft->start = draft->filled = 0;
	else if (draft->filled > size - draft->start)
		draft->filled = size - draft->start;
	draft->size = size;
	draft_changed(draft);
	return 0;
}

int draft_write(struct tree *tree, struct draft *draft, const void *data, size_t size, off_t offset)
{
	if (offset < 0 || (uint64_t)offset > SIZE_LIMIT || size > tree->options.file_max)
		return -EFBIG;
	size_t at = (size_t)offset, end = at + size;
	int r = size ? draft_fill(tree, draft, window_start(draft, at), end) : 0;
	if (r < 0)
		return r;
	if (size)
		memcpy(draft->data + (at - draft->start), data, size);
	if (end > draft->size)
		draft->size = end;
	draft_changed(draft);
	return 0;
}

void draft_set_data(
	struct tree *tree, struct draft *draft, void *data, const struct store_content *content)
{
	tree->memory += content->size - draft->capacity;
	free(draft->data);
	draft->data = data;
	draft->start = (size_t)content->start;
	draft->filled = draft->capacity = content->size;
	draft->size = (size_t)content->length;
	draft->loaded = true;
}

void draft_become_dropping(struct tree *tree, struct draft *draft)
{
	draft_unbind(tree, draft);
	again_drop(tree, draft);
	draft->led = false;
	draft->state = DRAFT_LOCAL;
	draft->node = 0;
	if (draft->kind == STORE_MODULE)
		draft->kind = STORE_FILE;
	tree->aparts -= draft->apart;
	draft->apart = false;
}

void draft_go_by_name(struct tree *tree, struct draft *draft, const char *name)
{
	draft->temporary = name_is_temporary(name);
	tree->fleeting |= draft->temporary;
	draft->expires =
		draft->files ? INT64_MAX : clock_monotonic() + TEMPORARY_SECONDS * NANOSECONDS;
}

void draft_promote(struct draft *draft)
{
	if (draft->state != DRAFT_LOCAL || !draft->temporary)
		return;
	draft->state = DRAFT_NEW;
	draft->temporary = false;
}

void draft_stat(const struct draft *draft, struct stat *ret_attr)
{
	struct stat attr = {
		.st_ino = draft->state == DRAFT_BOUND ? (ino_t)draft->node
						      : ino_synthetic(draft->ino),
		.st_mode = (draft->kind == STORE_LINK ? S_IFLNK : S_IFREG) | draft->mode,
		.st_nlink = draft->state == DRAFT_GONE ? 0 : 1,
		.st_uid = draft->uid,
		.st_gid = draft->gid,
		.st_size = (off_t)draft->size,
		.st_blksize = 4096,
		.st_blocks = (blkcnt_t)((draft->size + 511) / 512),
		.st_atim = clock_split(draft->atime),
		.st_mtim = clock_split(draft->mtime),
		.st_ctim = clock_split(draft->ctime),
	};
	*ret_attr = attr;
}
