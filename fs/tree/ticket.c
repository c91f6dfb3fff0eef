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
	ticket->expires = clock_monotonic() + TICKET_SECONDS * NANOSECONDS;
	ticket->next = tree->tickets;
	tree->tickets = ticket;
	return 0;
}

bool ticket_has(struct tree *tree, pid_t tid, int64_t node)
{
	for (struct ticket *ticket = tree->tickets; ticket; ticket = ticket->next)
		if (ticket->tid == tid && (ticket->node == node || ticket->node == TICKET_ANY))
			return true;
	return false;
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
