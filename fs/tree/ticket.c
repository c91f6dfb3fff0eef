// SPDX-License-Identifier: MIT
/*
 * Tickets (tree.h): a short list under tree->lock, each entry with an end.
 */
#include <errno.h>
#include <stdlib.h>

#include "private.h"

static void ticket_let_go(struct tree *tree, struct ticket *ticket)
{
	struct draft *draft = ticket->draft;
	if (!draft)
		return;
	ticket->draft = NULL;
	draft->pins--;
	draft_rest(tree, draft);
	draft_release(tree, draft);
}

static void ticket_remove(struct tree *tree, struct ticket **p)
{
	struct ticket *ticket = *p;
	*p = ticket->next;
	ticket_let_go(tree, ticket);
	free(ticket->missed);
	free(ticket);
}

static void ticket_sweep(struct tree *tree)
{
	int64_t now = clock_monotonic();
	for (struct ticket **p = &tree->tickets; *p;)
		if ((*p)->expires > now)
			p = &(*p)->next;
		else
			ticket_remove(tree, p);
}

int ticket_leave(struct tree *tree, pid_t tid, int64_t node, enum ticket_use use)
{
	ticket_drop(tree, tid);
	ticket_sweep(tree);
	struct ticket *ticket = calloc(1, sizeof(*ticket));
	if (!ticket)
		return -ENOMEM;
	ticket->tid = tid;
	ticket->node = node;
	ticket->use = use;
	ticket->left = clock_monotonic();
	ticket->expires = ticket->left + TICKET_SECONDS * NANOSECONDS;
	ticket->next = tree->tickets;
	tree->tickets = ticket;
	return 0;
}

int ticket_send_back(
	struct tree *tree, const struct tree_caller *caller, int64_t node, enum ticket_use use)
{
	tree_lock(tree);
	int r = caller ? ticket_leave(tree, caller->tid, node, use) : 0;
	tree->exposed += use == TICKET_LOOK;
	tree_unlock(tree);
	return r < 0 ? r : -ESTALE;
}

int ticket_send_back_from(struct tree *tree, const struct tree_caller *caller, int64_t version)
{
	tree_lock(tree);
	int r = ticket_leave(tree, caller->tid, TICKET_ANY, TICKET_LOOK);
	tree->exposed++;
	if (r == 0)
		tree->tickets->version = version;
	tree_unlock(tree);
	return r < 0 ? r : -ESTALE;
}

static struct ticket *ticket_of(struct tree *tree, pid_t tid)
{
	struct ticket *ticket = tree->tickets;
	while (ticket && ticket->tid != tid)
		ticket = ticket->next;
	return ticket;
}

int ticket_leave_to(struct tree *tree, pid_t tid, struct draft *draft, enum ticket_use use)
{
	struct place *place = place_create(draft->place->parent, draft->place->name);
	int r = place ? ticket_leave(tree, tid, TICKET_ANY, use) : -ENOMEM;
	if (r < 0) {
		free(place);
		return r;
	}
	tree->tickets->missed = place; /* good for no other name */
	tree->tickets->draft = draft;
	draft->pins++;
	return 0;
}

bool ticket_take_back(struct tree *tree, const struct tree_caller *caller, int64_t version)
{
	tree_lock(tree);
	const struct ticket *ticket = ticket_of(tree, caller->tid);
	bool back = ticket && ticket->version == version && !ticket->draft && !ticket->missed;
	if (back)
		ticket_drop(tree, caller->tid);
	tree_unlock(tree);
	return back;
}

bool ticket_is_left(struct tree *tree, pid_t tid)
{
	const struct ticket *ticket = ticket_of(tree, tid);
	return ticket && clock_monotonic() - ticket->left < TICKET_ANY_SECONDS * NANOSECONDS;
}

bool ticket_leads_to(struct tree *tree, pid_t tid, const struct draft *draft)
{
	return ticket_is_left(tree, tid) && ticket_of(tree, tid)->draft == draft;
}

/*
 * The kernel comes back within the same system call, and the first file that its walk comes to is the one. It may be
 * another node than the one that was asked for: somebody has replaced the file between the two walks.
 */
struct ticket *ticket_find(
	struct tree *tree, pid_t tid, const struct store_node *node, const char *name)
{
	struct ticket *ticket = ticket_of(tree, tid);
	if (!ticket || (ticket->missed && !place_is(ticket->missed, node->parent, name)))
		return NULL;
	int64_t now = clock_monotonic();
	bool fresh = now - ticket->left < TICKET_ANY_SECONDS * NANOSECONDS;
	bool same = ticket->node == node->id && !ticket->missed && now < ticket->expires;
	return same || fresh ? ticket : NULL;
}

/*
 * A draft of the caller's own: the kernel walks a path no third time, so what this look-up leads to has to do for whatever is
 * wanted, also when the node is gone by then. Shared with writers it would show a reader what is not saved.
 */
static struct draft *draft_apart(
	struct tree *tree, struct draft *last, const struct store_node *node, const char *name)
{
	if (last && last->apart && last->node == node->id && last->base == node->version)
		return last;
	struct draft *draft = draft_create(tree, DRAFT_BOUND, node->kind);
	if (!draft)
		return NULL;
	if (draft_set_name(tree, draft, node->parent, name, false) < 0) {
		draft_release(tree, draft);
		return NULL;
	}
	draft->apart = true;
	tree->aparts++;
	draft->node = node->id;
	draft_take_node(tree, draft, node);
	return draft;
}

bool ticket_is_own(const struct ticket *ticket)
{
	return ticket->use == TICKET_LOOK || ticket->use == TICKET_BACKUP;
}

/* Who has the file open for writing goes along with it to the backup's name, as on a local disk. */
static struct draft *draft_to_back_up(struct tree *tree, const struct store_node *node)
{
	struct draft *draft = draft_find_node(tree, node->id);
	return draft && draft->files && draft->loaded ? draft : NULL;
}

struct draft *ticket_draft(
	struct tree *tree, struct ticket *ticket, const struct store_node *node, const char *name)
{
	struct draft *draft = ticket->use == TICKET_BACKUP ? draft_to_back_up(tree, node) : NULL;
	if (!draft)
		draft = ticket_is_own(ticket) ? draft_apart(tree, ticket->draft, node, name)
					      : draft_of_node(tree, node, name);
	if (!draft || draft == ticket->draft)
		return draft;
	ticket_let_go(tree, ticket);
	draft->pins++;
	ticket->draft = draft;
	return draft;
}

void ticket_drop(struct tree *tree, pid_t tid)
{
	for (struct ticket **p = &tree->tickets; *p; p = &(*p)->next)
		if ((*p)->tid == tid) {
			ticket_remove(tree, p);
			return;
		}
}

/*
 * In one walk the kernel asks for the last name again and again, as long as what it has of it isn't right any more, or
 * others have looked it up meanwhile (fs/namei.c, lookup_open); the file may be back by then. If it isn't, the call ends,
 * and the ticket must not lead elsewhere: from now on it is good for this name only, and not for long.
 */
void ticket_miss(struct tree *tree, pid_t tid, int64_t parent, const char *name)
{
	struct ticket *ticket = ticket_of(tree, tid);
	if (!ticket || (ticket->missed && place_is(ticket->missed, parent, name)))
		return;
	if (ticket->draft && !place_is(ticket->draft->place, parent, name))
		return; /* the call is about two names, one of which has led to the draft */
	if (!ticket->missed)
		ticket->missed = place_create(parent, name);
	else
		ticket_drop(tree, tid);
}
