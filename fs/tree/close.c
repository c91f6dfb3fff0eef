// SPDX-License-Identifier: MIT
/*
 * Closing files: whether a close is a save, and what becomes of a draft whose last file is closed. tree->lock guards drafts; who
 * closes is looked up without it.
 */
#include <stdio.h>

#include "commit.h"

/* What a close has to know of its draft; taken under the lock, used without it. */
struct close_facts {
	bool save; /* there is something to commit */
	bool module;
	bool only; /* no other open file shares the draft */
	char name[STORE_NAME_MAX + 1];
	dev_t device;
	uint64_t inos
		[2]; /* its st_ino, and what that was before it was committed for the first time */
};

static void close_facts_init(
	struct close_facts *facts, const struct tree *tree, const struct draft *draft)
{
	facts->save = draft_is_unsaved(draft) &&
		      (draft->state == DRAFT_BOUND || draft->state == DRAFT_NEW);
	facts->module = draft->kind == STORE_MODULE;
	facts->only = draft->files == 1;
	snprintf(facts->name, sizeof(facts->name), "%s", draft->place ? draft->place->name : "");
	facts->device = tree->device;
	facts->inos[0] = ino_synthetic(draft->ino);
	facts->inos[1] = (uint64_t)draft->node;
}

/* Is this close the end of a save? Looks at the caller, so without the lock. */
static bool close_is_save(const struct close_facts *facts, const struct tree_caller *caller,
	pid_t opener, bool *ret_killed)
{
	*ret_killed = facts->module && facts->only && caller_is_killed(caller->tid);
	if (*ret_killed)
		return false;
	/* A child has inherited it, and who opened it is going to close it too. */
	if (caller_process(caller->tid) != opener &&
		caller_has_duplicate(opener, facts->name, facts->device, facts->inos, 2))
		return false;
	return !facts->only ||
	       !caller_has_duplicate(caller->tid, facts->name, facts->device, facts->inos, 2);
}

void tree_flush(struct tree *tree, const struct tree_caller *caller, struct tree_file *file,
	bool closing, struct draft **ret_draft)
{
	*ret_draft = NULL;
	struct draft *draft = file->draft;
	if (!draft || !file->writes)
		return;
	struct close_facts facts;
	tree_lock(tree);
	if (!closing)
		draft_promote(draft);
	close_facts_init(&facts, tree, draft);
	draft->pins++;
	tree_unlock(tree);

	bool killed = false;
	bool save =
		facts.save && (!closing || close_is_save(&facts, caller, file->opener, &killed));
	if (save) {
		*ret_draft = draft;
		return;
	}
	tree_lock(tree);
	if (facts.save && killed)
		draft_give_up(tree, draft);
	draft->pins--;
	draft_release(tree, draft);
	tree_unlock(tree);
}

static void release_draft(struct tree *tree, struct tree_file *file, struct draft **ret_draft)
{
	struct draft *draft = file->draft;
	bool last = --draft->files == 0;
	if (last && draft->temporary)
		draft->expires = clock_monotonic() + TEMPORARY_SECONDS * NANOSECONDS;
	if (last && (draft->state == DRAFT_BOUND || draft->state == DRAFT_NEW)) {
		if (file->writes && draft_is_dirty(draft)) {
			draft->pins++;
			*ret_draft = draft;
		} else if (draft->state == DRAFT_NEW) {
			draft_give_up(tree, draft);
		} else {
			draft_unbind(tree, draft);
			if (file->writes)
				again_note(tree, draft, file->opener);
		}
	}
	draft_release(tree, draft);
}

void tree_release(struct tree *tree, struct tree_file *file, struct draft **ret_draft)
{
	*ret_draft = NULL;
	tree_lock(tree);
	DL_DELETE(tree->files, file);
	if (file->content)
		content_close(tree, file->content);
	else
		release_draft(tree, file, ret_draft);
	tree_unlock(tree);
	free(file);
}
