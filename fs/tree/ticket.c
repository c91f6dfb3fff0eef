// SPDX-License-Identifier: MIT
/*
 * Tickets and asides (tree.h): two short lists under tree->lock, each entry with an end.
 */
#include <errno.h>
#include <stdlib.h>

#include "private.h"

static void ticket_sweep(struct tree *tree)
{
	int64_t now = clock_monotonic();
	for (struct ticket **p = &tree->tickets; *p;) {
		struct ticket *ticket = *p;
		if (ticket->expires > now) {
			p = &ticket->next;
			continue;
		}
		*p = ticket->next;
		free(ticket);
	}
}

int ticket_leave(struct tree *tree, pid_t tid, int64_t node)
{
	ticket_drop(tree, tid);
	ticket_sweep(tree);
	struct ticket *ticket = malloc(sizeof(*ticket));
	if (!ticket)
		return -ENOMEM;
	ticket->tid = tid;
	ticket->node = node;
	ticket->left = clock_monotonic();
	ticket->expires = ticket->left + TICKET_SECONDS * NANOSECONDS;
	ticket->next = tree->tickets;
	tree->tickets = ticket;
	return 0;
}

/*
 * The kernel comes back within the same system call, and the first file that its walk comes to is the one. It may be
 * another node than the one that was opened: somebody has replaced the file between the two walks.
 */
bool ticket_has(struct tree *tree, pid_t tid, int64_t node)
{
	struct ticket *ticket = tree->tickets;
	while (ticket && ticket->tid != tid)
		ticket = ticket->next;
	if (!ticket)
		return false;
	int64_t now = clock_monotonic();
	bool fresh = now - ticket->left < TICKET_ANY_SECONDS * NANOSECONDS;
	return now < ticket->expires && (ticket->node == node || fresh);
}

void ticket_drop(struct tree *tree, pid_t tid)
{
	for (struct ticket **p = &tree->tickets; *p; p = &(*p)->next) {
		struct ticket *ticket = *p;
		if (ticket->tid != tid)
			continue;
		*p = ticket->next;
		free(ticket);
		return;
	}
}

int aside_add(struct tree *tree, int64_t node, pid_t process)
{
	struct aside *aside = aside_find(tree, node);
	if (!aside) {
		aside = malloc(sizeof(*aside));
		if (!aside)
			return -ENOMEM;
		aside->node = node;
		aside->next = tree->asides;
		tree->asides = aside;
	}
	aside->process = process;
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
