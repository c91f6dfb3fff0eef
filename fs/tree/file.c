// SPDX-License-Identifier: MIT
/*
 * Open files: readers have a committed version, writers share a draft.
 *
 * A draft of a node is in drafts_by_node from the first look-up that leads to it until its last file is closed; the next
 * writer gets a new one, or that one (again.c). Its content is loaded from the store when the first file of it is opened
 * (unless O_TRUNC).
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "commit.h"

#define CREATE_TURNS 100

static bool wants_write(int flags)
{
	return (flags & O_ACCMODE) != O_RDONLY || (flags & O_TRUNC);
}

/* writer: who has opened it for writing, if that is so */
static struct tree_file *file_create(struct tree *tree, struct content *content,
	struct draft *draft, const struct tree_caller *writer)
{
	struct tree_file *file = calloc(1, sizeof(*file));
	if (!file)
		return NULL;
	file->content = content;
	file->draft = draft;
	file->writes = writer;
	file->opener = writer ? caller_process(writer->tid) : 0;
	tree_lock(tree);
	DL_APPEND(tree->files, file);
	tree_unlock(tree);
	return file;
}

/*
 * What has to be known of a version to open it. Where the store can't be asked it is opened all the same for who only
 * reads: what the kernel has cached of it holds for ever.
 */
static int find_version(struct tree *tree, struct store_reader *reader, uint64_t ino, int flags,
	struct store_node *ret_node, bool *ret_there)
{
	uint64_t epoch;
	tree_lock(tree);
	bool settled = known_epoch(tree, &epoch);
	bool known = known_find(tree, ino_get_id(ino), ret_node);
	tree_unlock(tree);
	*ret_there = true;
	if (known)
		return 0;
	int r = store_get_version(reader, ino_get_id(ino), ret_node, ret_there);
	if (r == 0 && settled && *ret_there) {
		tree_lock(tree);
		known_add(tree, epoch, ret_node);
		tree_unlock(tree);
	}
	if (r == -EIO && !wants_write(flags)) {
		*ret_node = (struct store_node){.id = 0, .kind = STORE_MODULE};
		*ret_there = true;
		r = 0;
	}
	if (r == 0)
		ret_node->version = ino_get_id(ino);
	return r;
}

static int open_version(struct tree *tree, struct store_reader *reader,
	const struct tree_caller *caller, uint64_t ino, int flags, struct tree_file **ret_file)
{
	struct store_node node;
	bool there;
	int r = find_version(tree, reader, ino, flags, &node, &there);
	if (wants_write(flags) && (r == 0 || r == -ESTALE))
		return ticket_send_back(tree, caller, r == 0 ? node.id : TICKET_ANY,
			flags & O_TRUNC ? TICKET_TRUNCATE : TICKET_WRITE);
	if (r == 0 && !there)
		r = unseen_shows(tree, reader, &node, &there);
	if (r == -ESTALE)
		return ticket_send_back(tree, caller, TICKET_ANY, TICKET_LOOK);
	if (r < 0)
		return r;
	if (!there && !ticket_take_back(tree, caller, node.version))
		return ticket_send_back_from(tree, caller, node.version);
	tree_lock(tree);
	struct content *content = content_open(tree, &node);
	bool load = content && node.kind != STORE_MODULE && !content->loaded;
	tree_unlock(tree);
	if (!content)
		return -ENOMEM;

	r = load ? content_load(tree, reader, content) : 0;
	struct tree_file *file = r < 0 ? NULL : file_create(tree, content, NULL, NULL);
	if (!file) {
		tree_lock(tree);
		content_close(tree, content);
		tree_unlock(tree);
		if (r == -ESTALE) /* replaced since, and not kept */
			return ticket_send_back(tree, caller, TICKET_ANY, TICKET_LOOK);
		return r < 0 ? r : -ENOMEM;
	}
	*ret_file = file;
	return 0;
}

/* Can it be opened? Wants the lock. */
static bool draft_may_open(const struct draft *draft, int flags)
{
	if (!draft)
		return false;
	if (draft->state == DRAFT_GONE)
		return draft->loaded || (flags & O_TRUNC);
	/* Who only reads must not share it with a writer to come. */
	return draft->state != DRAFT_BOUND || draft->files || !draft->in_by_node ||
	       wants_write(flags);
}

/*
 * The writers with whom it was shared have all closed it since the look-up that led here: it begins anew, from what they
 * have committed. If the node has another draft by now, this one is not shared.
 */
static void draft_restart(struct tree *tree, struct draft *draft, bool share)
{
	if (draft->state != DRAFT_BOUND || draft->files || draft->in_by_node ||
		draft_is_dirty(draft)) /* then a save is under way */
		return;
	draft->exposed = !again_take(draft);
	if (share)
		draft_bind(tree, draft, draft->node);
	if (draft->changes != draft->committed)
		draft->loaded = false;
	draft->committed = draft->changes;
	draft->failed = false;
	draft->attr.set = 0;
}

static void draft_clear(struct tree *tree, struct draft *draft)
{
	draft->loaded = true;
	draft_resize(tree, draft, 0);
}

/* Opens it as one of its files; pinned by that. *ret_refresh: what it holds may be older than the open. */
static int draft_open(struct tree *tree, struct draft *draft, int flags, bool *ret_refresh)
{
	if (!draft_may_open(draft, flags))
		return -ESTALE;
	*ret_refresh = !draft->files && !(flags & O_TRUNC);
	draft_restart(tree, draft, wants_write(flags));
	if (flags & O_TRUNC)
		draft_clear(tree, draft);
	draft->files++;
	return 0;
}

static int send_back(struct tree *tree, const struct tree_caller *caller, int flags)
{
	enum ticket_use use = !wants_write(flags) ? TICKET_LOOK
			      : flags & O_TRUNC   ? TICKET_TRUNCATE
						  : TICKET_WRITE;
	return ticket_send_back(tree, caller, TICKET_ANY, use);
}

/*
 * A draft that is of no file any more, and has nothing in memory (draft.c, draft_unload()): the name may lead to another one.
 * Who has been sent back already is not sent back again.
 */
static int leave_gone(struct tree *tree, const struct tree_caller *caller, bool again, int flags)
{
	return again ? -ENOENT : send_back(tree, caller, flags);
}

static bool is_refreshed(struct tree *tree, const struct draft *draft, int64_t base)
{
	tree_lock(tree);
	bool refreshed = draft->base != base;
	tree_unlock(tree);
	return refreshed;
}

/* It could be opened and nothing has come of it. */
static void draft_close(struct tree *tree, struct draft *draft)
{
	tree_lock(tree);
	draft->files--;
	if (draft->state == DRAFT_BOUND)
		draft_rest(tree, draft);
	draft_release(tree, draft);
	tree_unlock(tree);
}

static int open_draft(struct tree *tree, struct store_reader *reader,
	const struct tree_caller *caller, uint64_t ino, int flags, struct tree_file **ret_file)
{
	bool refresh;
	tree_lock(tree);
	struct draft *draft = draft_find(tree, ino);
	bool again = ticket_is_left(tree, caller->tid);
	bool led = draft && draft->led && !again;
	bool leaves = led && !wants_write(flags) && again_leave(draft);
	int64_t base = draft ? draft->base : 0;
	int r = leaves || (led && again_is_taken(tree, draft))
			? -ESTALE
			: draft_open(tree, draft, flags, &refresh);
	ticket_drop(tree, caller->tid); /* it has led here, or it was an old one */
	tree_unlock(tree);
	if (leaves)
		return r; /* without a ticket the second walk leads to the version */
	/*
	 * The second walk leads who only reads to a shared draft if it is one of a file that was made after the first: in
	 * between there was none.
	 */
	if (r < 0 && again && !wants_write(flags))
		return -ENOENT;
	if (r < 0)
		return send_back(tree, caller, flags);

	r = draft_load(tree, reader, draft, refresh);
	/* The kernel keeps the size that it was told when it was led here. */
	if (r == 0 && led && is_refreshed(tree, draft, base))
		r = -ESTALE;
	struct tree_file *file =
		r < 0 ? NULL : file_create(tree, NULL, draft, wants_write(flags) ? caller : NULL);
	if (!file) {
		draft_close(tree, draft);
		if (r == -ESTALE)
			return leave_gone(tree, caller, again, flags);
		return r < 0 ? r : -ENOMEM;
	}
	*ret_file = file;
	return 0;
}

int tree_open(struct tree *tree, struct store_reader *reader, const struct tree_caller *caller,
	uint64_t ino, int flags, struct tree_file **ret_file, bool *ret_lasting)
{
	*ret_lasting = ino_get_class(ino) == INO_VERSION;
	if (ino_get_class(ino) == INO_VERSION)
		return open_version(tree, reader, caller, ino, flags, ret_file);
	return open_draft(tree, reader, caller, ino, flags, ret_file);
}

/* What the store has under the name of a new file. */
struct create_site {
	int64_t parent;
	const char *name;
	bool taken; /* by node */
	struct store_node node;
	bool module; /* it will be one */
	gid_t gid;
	uint64_t settled; /* the tree's, before the look */
};

static int create_look(struct tree *tree, struct store_reader *reader,
	const struct tree_caller *caller, struct create_site *site)
{
	struct store_node dir;
	tree_lock(tree);
	site->settled = tree->settled;
	tree_unlock(tree);
	int r = store_lookup(reader, site->parent, site->name, &site->node);
	if (r < 0 && r != -ENOENT)
		return r;
	site->taken = r == 0;
	r = store_get_node(reader, site->parent, &dir);
	if (r < 0)
		return r == -ESTALE ? -ENOENT : r;
	site->gid = tree_group_of_new(tree, caller, &dir);
	if (site->taken && site->node.kind == STORE_DIR)
		return -EISDIR;
	if (site->taken && site->node.kind == STORE_LINK)
		return -EEXIST;
	return store_is_module(reader, site->parent, site->name, &site->module);
}

static struct draft *draft_for_create(struct tree *tree, const struct tree_caller *caller,
	const struct create_site *site, mode_t mode)
{
	bool temporary = name_is_temporary(site->name) && !site->module;
	bool local = temporary || name_is_dropping(site->name);
	struct draft *draft = draft_create(
		tree, local ? DRAFT_LOCAL : DRAFT_NEW, site->module ? STORE_MODULE : STORE_FILE);
	if (!draft)
		return NULL;
	if (draft_set_name(tree, draft, site->parent, site->name, true) < 0) {
		draft_release(tree, draft);
		return NULL;
	}
	draft->mode = mode & 07777;
	draft->uid = caller->uid;
	draft->gid = site->gid;
	draft->maker = caller->tid;
	draft->temporary = temporary;
	tree->fleeting |= temporary;
	draft->expires = INT64_MAX;
	draft->loaded = true;
	return draft;
}

/* A module that is aside lends its row to a new file, which has an owner and a mode of its own from its first save on. */
static void draft_begin_anew(struct tree *tree, struct draft *draft,
	const struct tree_caller *caller, gid_t gid, mode_t mode)
{
	draft_clear(tree, draft);
	draft->attr.set |= STORE_SET_MODE;
	if (draft->uid != caller->uid)
		draft->attr.set |= STORE_SET_UID;
	if (draft->gid != gid)
		draft->attr.set |= STORE_SET_GID;
	draft->attr.mode = (int32_t)(mode & 07777);
	draft->attr.uid = draft->uid = caller->uid;
	draft->attr.gid = draft->gid = gid;
	draft->mode = mode & 07777;
}

/* Of a module that is aside and for this caller gone, but not created again either. */
static struct aside *find_free(
	struct tree *tree, const struct tree_caller *caller, const struct draft *draft)
{
	bool free = draft->state == DRAFT_BOUND && aside_hides(tree, draft->node, caller->tid) &&
		    !aside_new_file(tree, draft->node);
	return free ? aside_find(tree, draft->node) : NULL;
}

static int create_locked(struct tree *tree, const struct tree_caller *caller,
	const struct create_site *site, mode_t mode, int flags, struct draft **ret_draft)
{
	struct draft *draft = draft_find_name(tree, site->parent, site->name);
	if (!draft && !site->taken) {
		if (tree->settled != site->settled)
			return -ESTALE; /* this one may have been, since it was looked for */
		if (!draft_fits(tree, site->name))
			return -ENOSPC;
		*ret_draft = draft_for_create(tree, caller, site, mode);
		return *ret_draft ? 0 : -ENOMEM;
	}
	if (!draft)
		draft = draft_of_node(tree, &site->node, site->name);
	if (!draft)
		return -ENOMEM;
	struct aside *aside = find_free(tree, caller, draft);
	if ((flags & O_EXCL) && !aside) {
		draft_release(tree, draft);
		return -EEXIST;
	}
	if (aside) {
		draft_begin_anew(tree, draft, caller, site->gid, mode);
		aside->created = true;
	} else if (flags & O_TRUNC) {
		draft_clear(tree, draft);
	}
	*ret_draft = draft;
	return 0;
}

static int create_file(struct tree *tree, struct store_reader *reader,
	const struct tree_caller *caller, uint64_t dir, const char *name, mode_t mode, int flags,
	struct tree_entry *ret_entry, struct tree_file **ret_file)
{
	struct create_site site = {.parent = ino_get_id(dir), .name = name};
	int r = create_look(tree, reader, caller, &site);
	if (r < 0)
		return r;
	struct draft *draft;
	tree_lock(tree);
	r = create_locked(tree, caller, &site, mode, flags, &draft);
	if (r == 0)
		draft->files++;
	tree_unlock(tree);
	if (r < 0)
		return r;

	r = draft_load(tree, reader, draft, false);
	struct tree_file *file = r < 0 ? NULL : file_create(tree, NULL, draft, caller);
	tree_lock(tree);
	if (file) {
		draft_entry(draft, ret_entry);
	} else {
		draft->files--;
		draft_unname(tree, draft);
		draft_release(tree, draft);
	}
	tree_unlock(tree);
	if (!file)
		return r < 0 ? r : -ENOMEM;
	*ret_file = file;
	return 0;
}

static bool is_in_group(const struct tree_caller *caller, gid_t gid)
{
	return caller->gid == gid || caller_has_group(caller->tid, gid);
}

/* As the kernel would say. */
static bool may_join(const struct draft *draft, const struct tree_caller *caller, int flags)
{
	mode_t wanted = (flags & O_ACCMODE) == O_RDONLY   ? 4
			: (flags & O_ACCMODE) == O_WRONLY ? 2
							  : 6;
	mode_t granted = caller->uid == draft->uid         ? draft->mode >> 6
			 : is_in_group(caller, draft->gid) ? draft->mode >> 3
							   : draft->mode;
	if (flags & O_TRUNC)
		wanted |= 2;
	return caller->uid == 0 || (granted & wanted) == wanted;
}

/*
 * Another process is making a file of that name, which is hidden from this caller, so the kernel has not asked whether he may
 * open it. Sent back he finds it, and is asked. The kernel comes back only once: who finds the next such file then is not sent
 * back again.
 */
static int create_send_back(struct tree *tree, const struct tree_caller *caller, int64_t parent,
	const char *name, int flags)
{
	int r = 0;
	tree_lock(tree);
	struct draft *draft = flags & O_EXCL ? NULL : draft_find_name(tree, parent, name);
	bool hidden = draft && !draft_is_for(draft, caller);
	if (hidden && ticket_is_left(tree, caller->tid)) {
		r = may_join(draft, caller, flags) ? 0 : -EACCES;
	} else if (hidden) {
		r = ticket_leave_to(
			tree, caller->tid, draft, flags & O_TRUNC ? TICKET_TRUNCATE : TICKET_WRITE);
		r = r < 0 ? r : -ESTALE;
	}
	tree_unlock(tree);
	return r;
}

int tree_create_file(struct tree *tree, struct store_reader *reader,
	const struct tree_caller *caller, uint64_t dir, const char *name, mode_t mode, int flags,
	struct tree_entry *ret_entry, struct tree_file **ret_file)
{
	int r = store_check_name(name);
	if (r == 0)
		r = create_send_back(tree, caller, ino_get_id(dir), name, flags);
	/* Each turn takes another replacement of the file in between two statements. */
	for (int i = 0; r == 0 && i < CREATE_TURNS; i++) {
		r = create_file(tree, reader, caller, dir, name, mode, flags, ret_entry, ret_file);
		if (r != -ESTALE)
			break;
		r = i + 1 < CREATE_TURNS ? 0 : r;
	}
	return r;
}

static int emit_part(const struct store_content *content, off_t offset, size_t size,
	void (*emit)(void *arg, const void *data, size_t size), void *arg)
{
	if (offset < 0 || offset >= content->length)
		size = 0;
	else if ((int64_t)size > content->length - offset)
		size = (size_t)(content->length - offset);
	int64_t skip = offset - content->start;
	if (!size || (skip >= 0 && skip + (int64_t)size <= (int64_t)content->size)) {
		emit(arg, size ? (const char *)content->data + skip : NULL, size);
		return 0;
	}
	void *copy = malloc(size);
	if (!copy)
		return -ENOMEM;
	store_content_copy(content, offset, copy, size);
	emit(arg, copy, size);
	free(copy);
	return 0;
}

int tree_read(struct tree *tree, struct store_reader *reader, struct tree_file *file, off_t offset,
	size_t size, void (*emit)(void *arg, const void *data, size_t size), void *arg)
{
	int r = 0;
	if (file->draft) {
		tree_lock(tree);
		const struct store_content content = draft_content(file->draft);
		r = emit_part(&content, offset, size, emit, arg);
		tree_unlock(tree);
		return r;
	}
	if (!file->content->loaded)
		r = content_load(tree, reader, file->content);
	/* Loaded content never changes and lives as long as the file: no lock. */
	return r < 0 ? r : emit_part(&file->content->bytes, offset, size, emit, arg);
}

int tree_write(
	struct tree *tree, struct tree_file *file, const void *data, size_t size, off_t offset)
{
	if (!file->draft)
		return -EBADF;
	tree_lock(tree);
	int r = draft_write(tree, file->draft, data, size, offset);
	tree_unlock(tree);
	return r;
}

int tree_truncate(struct tree *tree, struct store_reader *reader, const struct tree_caller *caller,
	uint64_t ino, struct tree_file *file, off_t size, struct draft **ret_draft)
{
	*ret_draft = NULL;
	if (size < 0)
		return -EINVAL;
	if (ino_get_class(ino) == INO_VERSION) {
		struct tree_file *none;
		return open_version(
			tree, reader, caller, ino, O_WRONLY | (size ? 0 : O_TRUNC), &none);
	}
	tree_lock(tree);
	struct draft *draft = draft_find(tree, ino);
	bool again = ticket_is_left(tree, caller->tid);
	bool led = draft && draft->led && !file && !again;
	if (draft && !led)
		draft->pins++;
	if (draft && !file)
		ticket_drop(tree, caller->tid);
	if (draft && !draft->in_by_node)
		draft->exposed = true;
	tree_unlock(tree);
	if (led) /* for others it may be a file that they write, or read */
		return send_back(tree, caller, O_WRONLY | (size ? 0 : O_TRUNC));
	if (!draft)
		return -ESTALE;

	int r = draft_load(tree, reader, draft, !file && !draft->files);
	tree_lock(tree);
	if (r == 0)
		r = draft_resize(tree, draft, (size_t)size);
	if (r == 0 && !file && !draft->files && draft->state == DRAFT_BOUND)
		*ret_draft = draft; /* keeps the pin */
	else
		draft->pins--;
	draft_release(tree, draft);
	tree_unlock(tree);
	return r == -ESTALE && !file ? leave_gone(tree, caller, again, O_WRONLY) : r;
}
