// SPDX-License-Identifier: MIT
/*
 * Which changes this store object made itself. The ids that a transaction gave are one range, because the database has one writer
 * at a time. The range is noted before the commit: whoever watches may see the changes before the commit has returned.
 *
 * own_lock guards the list, whose ranges ascend; it is held for no call of the database.
 */
#include "store-private.h"

#include <stdlib.h>

struct own_range {
	int64_t first, last;
	struct own_range *next;
};

void own_add(struct store *store, int64_t first, int64_t last)
{
	struct own_range *range = first <= last ? malloc(sizeof(*range)) : NULL;
	if (!range)
		return; /* at worst somebody takes the change for another's */
	*range = (struct own_range){.first = first, .last = last};
	pthread_mutex_lock(&store->own_lock);
	struct own_range **end = &store->own;
	while (*end)
		end = &(*end)->next;
	*end = range;
	pthread_mutex_unlock(&store->own_lock);
}

void own_remove(struct store *store, int64_t first)
{
	pthread_mutex_lock(&store->own_lock);
	struct own_range **p = &store->own;
	while (*p && (*p)->first != first)
		p = &(*p)->next;
	struct own_range *range = *p;
	if (range)
		*p = range->next;
	pthread_mutex_unlock(&store->own_lock);
	free(range);
}

bool store_is_own(struct store *store, int64_t change)
{
	pthread_mutex_lock(&store->own_lock);
	const struct own_range *range = store->own;
	while (range && range->last < change)
		range = range->next;
	bool own = range && range->first <= change;
	pthread_mutex_unlock(&store->own_lock);
	return own;
}

void store_forget_own(struct store *store, int64_t change)
{
	pthread_mutex_lock(&store->own_lock);
	while (store->own && store->own->last <= change) {
		struct own_range *past = store->own;
		store->own = past->next;
		free(past);
	}
	pthread_mutex_unlock(&store->own_lock);
}

void own_finish(struct store *store)
{
	while (store->own) {
		struct own_range *range = store->own;
		store->own = range->next;
		free(range);
	}
}
