// SPDX-License-Identifier: MIT
/*
 * Names and attributes. Drafts come first (they are in memory), then the store.
 *
 * A look-up may read the store just before a commit and answer just after it. That is right all
 * the same: the kernel holds the directory's lock during a look-up, and the invalidation that follows the commit waits for
 * that lock (fs/fuse/dir.c, fuse_reverse_inval_entry), so it comes after the answer.
 */
#include "tree.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "private.h"

#define LOOKUP_TURNS 100

int tree_create(struct store *store, const struct tree_options *options, struct tree **ret_tree)
{
	struct tree *tree = calloc(1, sizeof(*tree));
	if (!tree)
		return -ENOMEM;
	tree->store = store;
	tree->options = *options;
	tree->next_draft = 1;
	tree->published = tree->published_version = INT64_MAX;
	tree->known = calloc(KNOWN_MAX, sizeof(*tree->known));
	int r = tree->known ? pthread_mutex_init(&tree->lock, NULL) : ENOMEM;
	if (r) {
		free(tree->known);
		free(tree);
		return -r;
	}
	*ret_tree = tree;
	return 0;
}

/* At unmount: the kernel sends no FORGET then. */
static void drop_drafts(struct tree *tree)
{
	struct draft *draft, *next;
	HASH_ITER (by_ino, tree->drafts_by_ino, draft, next) {
		draft_unname(tree, draft);
		draft->lookups = draft->files = draft->pins = 0;
		draft_release(tree, draft);
	}
}

void tree_destroy(struct tree *tree)
{
	if (!tree)
		return;
	struct tree_file *file, *next;
	DL_FOREACH_SAFE (tree->files, file, next)
		free(file);
	while (tree->tickets)
		ticket_drop(tree, tree->tickets->tid);
	drop_drafts(tree);
	while (tree->asides)
		aside_remove(tree, tree->asides->node);
	unseen_finish(tree);
	while (tree->contents) {
		tree->contents->files = 1;
		content_close(tree, tree->contents);
	}
	pthread_mutex_destroy(&tree->lock);
	free(tree->known);
	free(tree);
}

void tree_set_device(struct tree *tree, dev_t device)
{
	tree->device = device;
}

static mode_t type_of(enum store_kind kind)
{
	return kind == STORE_DIR ? S_IFDIR : kind == STORE_LINK ? S_IFLNK : S_IFREG;
}

static mode_t default_mode(const struct tree *tree, enum store_kind kind)
{
	if (kind == STORE_LINK)
		return 0777;
	return (kind == STORE_DIR ? 0777 : 0666) & ~tree->options.umask;
}

/* 1 means of a directory that nobody has counted, as on other file systems. */
static nlink_t links_of(const struct store_node *node)
{
	bool counted = node->kind == STORE_DIR && node->subdirs <= STORE_SUBDIRS_MAX;
	return counted ? 2 + (nlink_t)node->subdirs : 1;
}

void tree_stat_node(const struct tree *tree, const struct store_node *node, struct stat *ret_attr)
{
	mode_t mode = node->mode >= 0 ? (mode_t)node->mode : default_mode(tree, node->kind);
	struct stat attr = {
		.st_ino = (ino_t)node->id,
		.st_mode = type_of(node->kind) | mode,
		.st_nlink = links_of(node),
		.st_uid = node->uid >= 0 ? (uid_t)node->uid : tree->options.uid,
		.st_gid = node->gid >= 0 ? (gid_t)node->gid : tree->options.gid,
		.st_size = (off_t)node->size,
		.st_blksize = 4096,
		.st_blocks = (blkcnt_t)((node->size + 511) / 512),
		.st_atim = clock_split(node->atime),
		.st_mtim = clock_split(node->mtime),
		.st_ctim = clock_split(node->ctime),
	};
	*ret_attr = attr;
}

void node_entry(
	const struct tree *tree, const struct store_node *node, struct tree_entry *ret_entry)
{
	ret_entry->ino = node->kind == STORE_DIR ? ino_make(INO_DIR, node->id)
						 : ino_make(INO_VERSION, node->version);
	ret_entry->lasting = true;
	ret_entry->brief = false;
	tree_stat_node(tree, node, &ret_entry->attr);
}

void draft_entry(struct draft *draft, struct tree_entry *ret_entry)
{
	draft->lookups++;
	ret_entry->ino = draft->ino;
	ret_entry->lasting = ret_entry->brief = false;
	draft_stat(draft, &ret_entry->attr);
}

static void no_entry(bool lasting, struct tree_entry *ret_entry)
{
	memset(ret_entry, 0, sizeof(*ret_entry));
	ret_entry->lasting = lasting;
}

static bool same_process(pid_t a, pid_t b)
{
	return a == b || caller_process(a) == caller_process(b);
}

bool draft_is_for(const struct draft *draft, const struct tree_caller *caller)
{
	return draft->state == DRAFT_LOCAL || draft->kind != STORE_MODULE ||
	       same_process(draft->maker, caller->tid);
}

/*
 * Looks among the drafts that have a name; true: ret_entry is the answer. *ret_hidden: there is one, which isn't for this
 * caller; what the store has (others may have made it meanwhile) may not be cached.
 */
static bool lookup_named(struct tree *tree, const struct tree_caller *caller, int64_t parent,
	const char *name, struct tree_entry *ret_entry, bool *ret_hidden)
{
	tree_lock(tree);
	struct draft *draft = draft_find_name(tree, parent, name);
	bool visible =
		draft && (draft_is_for(draft, caller) || ticket_leads_to(tree, caller->tid, draft));
	if (visible)
		draft_entry(draft, ret_entry);
	tree_unlock(tree);
	*ret_hidden = draft && !visible;
	return visible;
}

/* The draft that writers of node share; made if there is none. */
struct draft *draft_of_node(struct tree *tree, const struct store_node *node, const char *name)
{
	struct draft *draft = draft_find_node(tree, node->id);
	if (draft)
		return draft;
	draft = draft_create(tree, DRAFT_BOUND, node->kind);
	if (!draft)
		return NULL;
	if (draft_set_name(tree, draft, node->parent, name, false) < 0) {
		draft_release(tree, draft);
		return NULL;
	}
	draft_bind(tree, draft, node->id);
	draft_take_node(tree, draft, node);
	return draft;
}

/* The ticket by which the caller gets a draft for the node; NULL: none, he gets what everybody gets. */
static struct ticket *ticket_for_node(struct tree *tree, const struct tree_caller *caller,
	const struct store_node *node, const char *name)
{
	struct ticket *ticket = ticket_find(tree, caller->tid, node, name);
	return ticket && (node->kind != STORE_LINK || ticket_is_own(ticket)) ? ticket : NULL;
}

/*
 * The store has a file of that name: is it there for this caller, and as what? shown: what is there for who only looks.
 * *ret_draft: as this draft, pinned, whose entry is to be made once it is loaded (unless it is to be emptied).
 */
static int lookup_node(struct tree *tree, const struct tree_caller *caller,
	const struct store_node *node, const struct store_node *shown, const char *name,
	struct tree_entry *ret_entry, struct draft **ret_draft, bool *ret_load)
{
	bool aside = aside_find(tree, node->id), gone = aside_hides(tree, node->id, caller->tid);
	struct ticket *ticket = ticket_for_node(tree, caller, node, name);
	struct draft *again = aside || ticket ? NULL : again_find(tree, caller, node, name);
	ret_entry->early = node->version > tree->published_version;
	tree->exposed += ret_entry->early;
	if (!again)
		again_forget(tree, node->id);
	if (ticket && !(gone && ticket_is_own(ticket))) {
		struct draft *draft =
			ticket_draft(tree, ticket, ticket_is_own(ticket) ? shown : node, name);
		if (!draft)
			return -ENOMEM;
		draft->pins++;
		*ret_draft = draft;
		*ret_load = ticket->use != TICKET_TRUNCATE;
	} else if (gone && aside_new_file(tree, node->id)) {
		draft_entry(aside_new_file(tree, node->id), ret_entry);
	} else if (gone) {
		no_entry(false, ret_entry);
	} else if (again) {
		draft_take_node(tree, again, node);
		draft_entry(again, ret_entry);
		ret_entry->brief = true;
	} else {
		node_entry(tree, shown, ret_entry);
		/* While it is written it may not be cached: so the save has nothing to invalidate. */
		ret_entry->lasting = !aside && shown->version == node->version &&
				     !draft_find_node(tree, node->id);
	}
	return 0;
}

/*
 * Who comes to a draft is not sent back again, so it has to hold its content already: the file may be gone when it is
 * opened. -ESTALE: it is gone now. Who is going to empty it needs of its attributes who may do so, and nothing that changes.
 */
static int lookup_draft(struct tree *tree, struct store_reader *reader, struct draft *draft,
	bool load, struct tree_entry *ret_entry)
{
	int r = load ? draft_load(tree, reader, draft, false) : 0;
	tree_lock(tree);
	if (r != -ESTALE) /* whatever else there is is said when it is opened */
		draft_entry(draft, ret_entry);
	ret_entry->brief = !load;
	draft->pins--;
	draft_release(tree, draft);
	tree_unlock(tree);
	return r == -ESTALE ? r : 0;
}

static int lookup_store(struct tree *tree, struct store_reader *reader,
	const struct tree_caller *caller, int64_t parent, const char *name,
	struct tree_entry *ret_entry)
{
	struct store_node node;
	struct draft *draft = NULL;
	bool load = false;
	int r = store_lookup(reader, parent, name, &node);
	if (r == -ENOENT) {
		tree_lock(tree);
		ticket_miss(tree, caller->tid, parent, name);
		tree_unlock(tree);
		no_entry(true, ret_entry);
		return 0;
	}
	if (r < 0)
		return r;
	if (node.kind == STORE_DIR) {
		node_entry(tree, &node, ret_entry);
		return 0;
	}
	struct store_node shown = node;
	r = unseen_hide(tree, reader, &shown);
	if (r < 0)
		return r;
	tree_lock(tree);
	r = lookup_node(tree, caller, &node, &shown, name, ret_entry, &draft, &load);
	tree_unlock(tree);
	return draft ? lookup_draft(tree, reader, draft, load, ret_entry) : r;
}

int tree_lookup(struct tree *tree, struct store_reader *reader, const struct tree_caller *caller,
	uint64_t dir, const char *name, struct tree_entry *ret_entry)
{
	int r = store_check_name(name);
	if (r == -ENAMETOOLONG)
		return r;
	if (r < 0)
		return -ENOENT;
	int64_t parent = ino_get_id(dir);
	bool hidden;
	ret_entry->early = false;
	if (lookup_named(tree, caller, parent, name, ret_entry, &hidden))
		return 0;
	/* Each turn takes another replacement of the file in between two statements. */
	for (int i = 0; i < LOOKUP_TURNS; i++) {
		r = lookup_store(tree, reader, caller, parent, name, ret_entry);
		if (r != -ESTALE)
			break;
	}
	if (r == 0 && hidden)
		ret_entry->lasting = false;
	return r;
}

/* The node of an open file that isn't in the store any more. */
static int getattr_unlinked(struct tree *tree, int64_t version, struct stat *ret_attr)
{
	int r = -ESTALE;
	tree_lock(tree);
	struct content *content = content_find(tree, version);
	if (content) {
		tree_stat_node(tree, &content->node, ret_attr);
		ret_attr->st_nlink = 0;
		r = 0;
	}
	tree_unlock(tree);
	return r;
}

/* Somebody may have it open, or as working directory, as of any directory that is removed. */
static int getattr_removed_dir(struct tree *tree, uint64_t ino, struct stat *ret_attr)
{
	struct store_node node = {
		.id = ino_get_id(ino), .kind = STORE_DIR, .mode = -1, .uid = -1, .gid = -1};
	tree_stat_node(tree, &node, ret_attr);
	ret_attr->st_nlink = 0;
	return 0;
}

bool tree_is_open(struct tree *tree, int64_t version)
{
	tree_lock(tree);
	bool open = content_find(tree, version) != NULL;
	tree_unlock(tree);
	return open;
}

static int getattr_version(struct tree *tree, struct store_reader *reader,
	const struct tree_caller *caller, int64_t version, struct stat *ret_attr)
{
	struct store_node node;
	bool there;
	int r = store_get_version(reader, version, &node, &there);
	if (r == 0 && !there && !tree_is_open(tree, version)) {
		r = unseen_shows(tree, reader, &node, &there);
		if (r == 0 && !there)
			r = -ESTALE; /* the name may lead to another file by now */
	}
	if (r == 0)
		tree_stat_node(tree, &node, ret_attr);
	if (r == -ESTALE)
		r = getattr_unlinked(tree, version, ret_attr);
	return r == -ESTALE ? ticket_send_back(tree, caller, TICKET_ANY, TICKET_LOOK) : r;
}

static int getattr_draft(struct tree *tree, struct store_reader *reader,
	const struct tree_caller *caller, uint64_t ino, struct stat *ret_attr)
{
	tree_lock(tree);
	struct draft *draft = draft_find(tree, ino);
	if (draft && draft->apart && caller)
		ticket_drop(tree, caller->tid); /* it has led here */
	int64_t node_id = draft && draft->state == DRAFT_BOUND ? draft->node : 0;
	bool apart = draft && draft->apart;
	tree_unlock(tree);
	if (!draft)
		return -ESTALE;

	struct store_node node;
	int r = node_id ? store_get_node(reader, node_id, &node) : -ESTALE;
	if (r == 0 && apart)
		r = unseen_hide(tree, reader, &node);
	if (r < 0 && r != -ESTALE)
		return r;
	tree_lock(tree);
	draft = draft_find(tree, ino);
	if (draft && r == 0)
		draft_take_node(tree, draft, &node);
	if (draft)
		draft_stat(draft, ret_attr);
	tree_unlock(tree);
	return draft ? 0 : -ESTALE;
}

int tree_getattr(struct tree *tree, struct store_reader *reader, const struct tree_caller *caller,
	uint64_t ino, struct stat *ret_attr, bool *ret_lasting)
{
	struct store_node node;
	int r;
	*ret_lasting = true;
	switch (ino_get_class(ino)) {
	case INO_DIR:
		r = store_get_node(reader, ino_get_id(ino), &node);
		*ret_lasting = r == 0;
		if (r == 0)
			tree_stat_node(tree, &node, ret_attr);
		return r == -ESTALE ? getattr_removed_dir(tree, ino, ret_attr) : r;
	case INO_VERSION:
		return getattr_version(tree, reader, caller, ino_get_id(ino), ret_attr);
	case INO_DRAFT:
		*ret_lasting = false;
		return getattr_draft(tree, reader, caller, ino, ret_attr);
	default:
		return -ESTALE;
	}
}

void tree_forget(struct tree *tree, uint64_t ino, uint64_t n)
{
	if (ino_get_class(ino) != INO_DRAFT)
		return;
	tree_lock(tree);
	struct draft *draft = draft_find(tree, ino);
	if (draft) {
		draft->lookups -= n < draft->lookups ? n : draft->lookups;
		draft_release(tree, draft);
	}
	tree_unlock(tree);
}

int tree_readlink(struct tree *tree, struct store_reader *reader, const struct tree_caller *caller,
	uint64_t ino, char **ret_target)
{
	void *data = NULL;
	size_t size = 0;
	int r = 0;
	if (ino_get_class(ino) == INO_DRAFT) {
		tree_lock(tree);
		struct draft *draft = draft_find(tree, ino);
		data = draft ? strndup((char *)draft->data, draft->filled) : NULL;
		r = !draft ? -ESTALE : !data ? -ENOMEM : 0;
		tree_unlock(tree);
		if (r == 0)
			*ret_target = data;
		return r;
	}
	r = store_read(reader, ino_get_id(ino), &data, &size);
	if (r == -ESTALE)
		return ticket_send_back(tree, caller, TICKET_ANY, TICKET_LOOK);
	if (r < 0)
		return r;
	char *target = strndup(data, size);
	free(data);
	if (!target)
		return -ENOMEM;
	*ret_target = target;
	return 0;
}
