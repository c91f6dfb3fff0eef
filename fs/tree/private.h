/* SPDX-License-Identifier: MIT */
/*
 * private.h - what the files of fs/tree share.
 */
#ifndef PYMODFS_TREE_PRIVATE_H
#define PYMODFS_TREE_PRIVATE_H

#include <pthread.h>
#include <utlist.h>

#include "caller.h"
#include "../store/clock.h"
#include "draft.h"
#include "names.h"
#include "tree.h"

#define TICKET_SECONDS 10 /* a retry comes at once; this only bounds what is left of killed ones */
#define ASIDE_SECONDS 2
#define TEMPORARY_SECONDS 5

#define KNOWN_MAX (1 << 17) /* versions, of 104 bytes each; memory as it is used */

#define TICKET_ANY_SECONDS 1 /* as long as this a ticket is good for any file: see ticket_find() */
#define TICKET_ANY 0         /* no node: the one that was asked for is gone already */

enum ticket_use {
	TICKET_LOOK,     /* what the kernel had is gone; what for it was wanted isn't known */
	TICKET_WRITE,    /* it is to be opened for writing */
	TICKET_TRUNCATE, /* likewise, and emptied first */
	TICKET_BACKUP,   /* it is to get a dropping's name, as a file in memory */
};

/* "This thread was answered ESTALE and is about to look this node up once more." */
struct ticket {
	pid_t tid;
	int64_t node;
	enum ticket_use use;
	int64_t version;       /* that could not be opened to be read; 0: it isn't about one */
	struct draft *draft;   /* what its look-up led to, pinned; NULL: it has not come yet */
	struct place *missed;  /* where a look-up found nothing; NULL: none has */
	int64_t left, expires; /* CLOCK_MONOTONIC, ns */
	struct ticket *next;
};

/* See tree.h. */
struct aside {
	int64_t node, parent;
	pid_t process; /* for whom it is gone */
	int64_t expires;
	bool listed;  /* its directory was, lately */
	bool created; /* a new file is made of its row, which isn't saved yet */
	struct aside *next;
};

/* unseen.c: a version of our own that is being committed, or is and isn't published yet. */
struct unseen {
	int64_t version;
	int64_t until; /* till then nobody but its writer is to see it (CLOCK_MONOTONIC, ns) */
	bool exposed;  /* the kernel may have cached the one before it */
	struct unseen *next;
};

/* unseen.c: a version that is not published, and that somebody has seen. */
struct seen {
	int64_t version;
	UT_hash_handle hh;
};

/* A committed version that is open. */
struct content {
	int64_t version;
	struct store_node node; /* as of the open */
	bool unlinked;          /* its node is gone */
	void *data;             /* NULL until the first read, where it can be read later */
	struct store_content bytes;
	bool loaded;
	unsigned int files;
	UT_hash_handle hh;
};

/* known.c: a version that its name leads to, as the store had it. */
struct known {
	uint64_t epoch;
	struct store_node node; /* its version is 0: nothing is known */
	int64_t next;           /* the version of the file that was listed after it; or 0 */
};

/* list.c: where the last listing has stopped. */
struct listed {
	int64_t dir, position;
	int64_t version; /* of the last file in it; 0: there was none */
};

struct tree_file {
	struct content *content; /* either */
	struct draft *draft;     /* or */
	bool writes;
	struct tree_file *prev, *next; /* in tree->files */
	pid_t opener;                  /* the process; 0 unless it writes */
};

struct tree {
	struct store *store;
	struct tree_options options;
	dev_t device;

	pthread_mutex_t lock; /* guards all below */
	int64_t next_draft;
	int64_t last_position; /* see struct draft */
	uint64_t settled;      /* how many new files have been put into the store */
	size_t memory; /* bytes of all drafts; of those that are found by a name all they take */
	bool fleeting; /* there may be a temporary file among them */
	struct draft *drafts_by_ino, *drafts_by_name, *drafts_by_node, *drafts_saved;
	struct ticket *tickets;
	struct aside *asides;
	unsigned int aparts; /* how many drafts are apart */
	int64_t published;   /* the newest change that is (unseen.c) */
	int64_t published_version;
	uint64_t exposed; /* how often it came out that the store is newer than that */
	struct unseen *unseen;
	struct seen *seen;
	struct content *contents;
	struct known *known; /* KNOWN_MAX */
	struct listed listed;
	struct tree_file
		*files; /* all that are open: at the end the kernel needs not send RELEASE */
};

static inline void tree_lock(struct tree *tree)
{
	pthread_mutex_lock(&tree->lock);
}

static inline void tree_unlock(struct tree *tree)
{
	pthread_mutex_unlock(&tree->lock);
}

/* tree.c: the entry of a node as it is in the store; needs no lock. */
void node_entry(
	const struct tree *tree, const struct store_node *node, struct tree_entry *ret_entry);

/* tree.c; want the lock. */
void draft_entry(struct draft *draft, struct tree_entry *ret_entry);
/* Is a draft that has a name there for this process? A module that is being written for the first time is there for its writer only. */
bool draft_is_for(const struct draft *draft, const struct tree_caller *caller);
/* The draft that writers of node share; made if there is none. name: the node's. */
struct draft *draft_of_node(struct tree *tree, const struct store_node *node, const char *name);

/* commit.c: its last file is closed and nothing is to be done any more: the next writer starts anew. Wants the lock. */
void draft_rest(struct tree *tree, struct draft *draft);

/*
 * namespace.c: BSD's and SysV's way of inheriting: a directory with the set-group-ID bit hands its group on (inode(7)). Needs no
 * lock.
 */
gid_t tree_group_of_new(
	const struct tree *tree, const struct tree_caller *caller, const struct store_node *dir);

/* namespace.c: the node is removed or replaced. Wants the lock. */
void tree_forget_node(struct tree *tree, int64_t node);

/* content.c; want the lock. */
struct content *content_open(struct tree *tree, const struct store_node *node);
struct content *content_find(struct tree *tree, int64_t version);
void content_close(struct tree *tree, struct content *content);
/* The node is gone: who has its content open sees nlink 0. */
void content_unlink_node(struct tree *tree, int64_t node);

/* known.c; all want the lock. */
/* A number that changes whenever what is known may not hold any more. False: it may be changing. */
bool known_epoch(const struct tree *tree, uint64_t *ret_epoch);
bool known_find(struct tree *tree, int64_t version, struct store_node *ret_node);
/* The node of a file is as the store had it after `epoch` was asked for. */
void known_add(struct tree *tree, uint64_t epoch, const struct store_node *node);
/* The file of version `next` was listed after the one of `version` (0: there was none). */
void known_link(struct tree *tree, int64_t version, int64_t next);

/* again.c; all want the lock. */
/* The draft's last file is closed, by that process. */
void again_note(struct tree *tree, struct draft *draft, pid_t process);
/* The draft is freed, or is going to be of no node or of another one. */
void again_drop(struct tree *tree, struct draft *draft);
/* Somebody is led to something else for that node. */
void again_forget(struct tree *tree, int64_t node);
/* The node is gone. */
void again_forget_node(struct tree *tree, int64_t node);
/* The draft to which the caller is led who looks that file up; NULL: he gets what everybody gets. */
struct draft *again_find(struct tree *tree, const struct tree_caller *caller,
	const struct store_node *node, const char *name);
/* Others had the draft, or its file, before whoever was led to it. */
bool again_is_taken(struct tree *tree, const struct draft *draft);
/* Who was led to it wants to read: does he have to go back, so that the next walk leads to the version? Only once. */
bool again_leave(struct draft *draft);
/* It is going to be written: was nobody led past it since its last close? */
bool again_take(struct draft *draft);

/* unseen.c; want the lock. */
/* hidden_ms: how long nobody is to see it at most; exposed: see struct unseen. -ENOMEM */
int unseen_add(struct tree *tree, int64_t version, int64_t hidden_ms, bool exposed);
void unseen_remove(struct tree *tree, int64_t version);
void unseen_finish(struct tree *tree);
/* unseen.c: makes of a node as it is in the store what is there for whoever looks. Takes the lock. */
int unseen_hide(struct tree *tree, struct store_reader *reader, struct store_node *node);
/* Likewise: is this version of the node, not the newest one, what its name leads to? */
int unseen_shows(struct tree *tree, struct store_reader *reader, const struct store_node *node,
	bool *ret_shown);

/* ticket.c; all want the lock. */
int ticket_leave(struct tree *tree, pid_t tid, int64_t node, enum ticket_use use);
/* NULL: the thread has none that is good for this node, which was found under this name. */
struct ticket *ticket_find(
	struct tree *tree, pid_t tid, const struct store_node *node, const char *name);
/* Does its look-up lead to a draft of the caller's own? */
bool ticket_is_own(const struct ticket *ticket);
/* The draft to which a look-up of node leads who has the ticket; made if need be. NULL: no memory. */
struct draft *ticket_draft(
	struct tree *tree, struct ticket *ticket, const struct store_node *node, const char *name);
/*
 * Leaves a ticket that leads the thread's next look-up of that draft's name to it, whoever else it is hidden from. use:
 * TICKET_WRITE or TICKET_TRUNCATE.
 */
int ticket_leave_to(struct tree *tree, pid_t tid, struct draft *draft, enum ticket_use use);
/* Has the thread been sent back to it just now? */
bool ticket_leads_to(struct tree *tree, pid_t tid, const struct draft *draft);
/* Has the thread been sent back just now? */
bool ticket_is_left(struct tree *tree, pid_t tid);
void ticket_drop(struct tree *tree, pid_t tid);
/* The thread's look-up found nothing. */
void ticket_miss(struct tree *tree, pid_t tid, int64_t parent, const char *name);
/*
 * Answers -ESTALE, with a ticket for the next look-up (so that it is the last -ESTALE), or -ENOMEM. Takes the lock. caller
 * NULL: no ticket.
 */
int ticket_send_back(
	struct tree *tree, const struct tree_caller *caller, int64_t node, enum ticket_use use);
/* The same to who wants to open a version that is not what its name leads to any more. */
int ticket_send_back_from(struct tree *tree, const struct tree_caller *caller, int64_t version);
/*
 * Has the caller been sent back from this very version, and come to it again without a look-up? Then he got it by a link in
 * /proc, and not by its name. The ticket is used up. Takes the lock.
 */
bool ticket_take_back(struct tree *tree, const struct tree_caller *caller, int64_t version);

/* load.c; want the lock not to be held. */
int content_load(struct tree *tree, struct store_reader *reader, struct content *content);
/*
 * Reads the current content of the draft's node into it, where it has none or, with refresh, an older one that nobody has
 * changed. The draft is pinned. -ESTALE: the node is gone, and the draft has nothing.
 */
int draft_load(struct tree *tree, struct store_reader *reader, struct draft *draft, bool refresh);

/* aside.c; all want the lock, but for aside_delete_below(). */
int aside_add(struct tree *tree, const struct store_node *node, pid_t process);
struct aside *aside_find(struct tree *tree, int64_t node);
void aside_remove(struct tree *tree, int64_t node);
/* Is it aside, and not there for this caller? */
bool aside_hides(struct tree *tree, int64_t node, pid_t tid);
/* The draft by which it is being created again; NULL: it isn't. */
struct draft *aside_new_file(struct tree *tree, int64_t node);
/* Deletes, as a part of txn, those below the directory that aren't there for this caller. On the writer's thread. */
int aside_delete_below(struct tree *tree, struct store_txn *txn, int64_t dir, pid_t tid);
/* The directory's listing is given to somebody. */
void aside_note_listing(struct tree *tree, int64_t dir);

#endif
