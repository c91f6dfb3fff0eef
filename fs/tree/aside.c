// SPDX-License-Identifier: MIT
/*
 * Modules that are aside (tree.h): a short list under tree->lock, each entry with an end.
 *
 * For the process that moved one, and for everybody once that process is gone, it isn't there: not by its name and not in a
 * listing. The kernel caches a listing for everybody, so none of a directory with such a module may stay cached: `listed`
 * says that one was given, and the publisher makes the kernel forget it.
 */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "commit.h"

int aside_add(struct tree *tree, const struct store_node *node, pid_t process)
{
	struct aside *aside = aside_find(tree, node->id);
	if (!aside) {
		aside = calloc(1, sizeof(*aside));
		if (!aside)
			return -ENOMEM;
		aside->node = node->id;
		aside->next = tree->asides;
		tree->asides = aside;
	}
	aside->parent = node->parent;
	aside->process = process;
	aside->created = false;
	aside->expires = clock_monotonic() + ASIDE_SECONDS * NANOSECONDS;
	return 0;
}

struct aside *aside_find(struct tree *tree, int64_t node)
{
	struct aside *aside = tree->asides;
	while (aside && aside->node != node)
		aside = aside->next;
	return aside;
}

void aside_remove(struct tree *tree, int64_t node)
{
	for (struct aside **p = &tree->asides; *p; p = &(*p)->next) {
		struct aside *aside = *p;
		if (aside->node != node)
			continue;
		*p = aside->next;
		free(aside);
		return;
	}
}

static bool is_running(pid_t process)
{
	return process <= 0 || kill(process, 0) == 0 || errno != ESRCH;
}

bool aside_hides(struct tree *tree, int64_t node, pid_t tid)
{
	const struct aside *aside = aside_find(tree, node);
	return aside && (aside->process == tid || aside->process == caller_process(tid) ||
				!is_running(aside->process));
}

struct draft *aside_new_file(struct tree *tree, int64_t node)
{
	const struct aside *aside = aside_find(tree, node);
	struct draft *draft = aside && aside->created ? draft_find_node(tree, node) : NULL;
	return draft && draft->files ? draft : NULL;
}

/* One that isn't there for the caller, with the least id above `last`; 0: none. */
static int64_t next_hidden(struct tree *tree, int64_t last, pid_t tid)
{
	int64_t found = 0;
	tree_lock(tree);
	for (const struct aside *aside = tree->asides; aside; aside = aside->next)
		if (aside->node > last && (!found || aside->node < found) &&
			aside_hides(tree, aside->node, tid))
			found = aside->node;
	tree_unlock(tree);
	return found;
}

/* Where it is below the directory. */
static int delete_below(struct store_txn *txn, const char *dir, int64_t node)
{
	size_t n = strlen(dir);
	char *path;
	int r = store_path(store_txn_reader(txn), node, &path);
	if (r < 0)
		return r == -ESTALE ? 0 : r;
	if (!strncmp(path, dir, n) && path[n] == '/')
		r = store_unlink(txn, node);
	free(path);
	return r;
}

int aside_delete_below(struct tree *tree, struct store_txn *txn, int64_t dir, pid_t tid)
{
	int64_t node = next_hidden(tree, 0, tid);
	char *path;
	int r = node ? store_path(store_txn_reader(txn), dir, &path) : 0;
	if (r < 0 || !node)
		return r;
	for (; r == 0 && node; node = next_hidden(tree, node, tid))
		r = delete_below(txn, path, node);
	free(path);
	return r;
}

void aside_note_listing(struct tree *tree, int64_t dir)
{
	for (struct aside *aside = tree->asides; aside; aside = aside->next)
		if (aside->parent == dir)
			aside->listed = true;
}

bool tree_take_listed(struct tree *tree, uint64_t *ret_dir)
{
	int64_t dir = 0;
	tree_lock(tree);
	for (struct aside *aside = tree->asides; aside; aside = aside->next) {
		if (!dir && aside->listed)
			dir = aside->parent;
		if (aside->parent == dir)
			aside->listed = false;
	}
	tree_unlock(tree);
	if (dir)
		*ret_dir = ino_make(INO_DIR, dir);
	return dir;
}
