/* SPDX-License-Identifier: MIT */
/*
 * What changed between two texts, line by line: Myers' algorithm, in linear space (E. Myers, An O(ND) Difference
 * Algorithm and Its Variations, 1986, section 4b). Lines are made numbers first, equal ones equal, so that comparing costs
 * nothing. Texts that have next to nothing in common would take time quadratic in their size; past a bound the search is cut
 * at the point it got furthest, which makes the changes larger than need be, never wrong.
 *
 * A search marks the lines that are gone and those that are new; changes are the runs of marks. One thread.
 */
#include "text.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <uthash.h>

#define LINE_MAX_BINARY 1000000
#define COST_MAX 2000 /* edits looked at from each end, before a search is cut */

/* ---- lines ---- */

int text_init(struct text *text, const void *data, size_t size)
{
	const char *bytes = data;
	size_t n = 0, room = 64;
	size_t *starts = malloc(room * sizeof(*starts));
	for (size_t at = 0; starts && at < size; n++) {
		const char *newline = memchr(bytes + at, '\n', size - at);
		starts[n] = at;
		at = newline ? (size_t)(newline - bytes) + 1 : size;
		if (n + 2 >= room) {
			room *= 2;
			size_t *more = reallocarray(starts, room, sizeof(*starts));
			if (!more)
				free(starts);
			starts = more;
		}
	}
	if (!starts)
		return -ENOMEM;
	starts[n] = size;
	*text = (struct text){bytes, size, n, starts};
	return 0;
}

void text_finish(struct text *text)
{
	free(text->starts);
}

bool text_is_binary(const struct text *text)
{
	if (text->size && memchr(text->data, '\0', text->size))
		return true;
	for (size_t i = 0; i < text->n; i++)
		if (text->starts[i + 1] - text->starts[i] > LINE_MAX_BINARY)
			return true;
	return false;
}

/* ---- numbers for lines ---- */

struct known {
	UT_hash_handle hh;
	uint32_t number;
};

static int number_lines(const struct text *text, struct known **known, uint32_t *numbers)
{
	for (size_t i = 0; i < text->n; i++) {
		const char *line = text->data + text->starts[i];
		size_t size = text->starts[i + 1] - text->starts[i];
		struct known *found;
		HASH_FIND(hh, *known, line, size, found);
		if (!found) {
			found = malloc(sizeof(*found));
			if (!found)
				return -ENOMEM;
			found->number = HASH_COUNT(*known);
			HASH_ADD_KEYPTR(hh, *known, line, size, found);
		}
		numbers[i] = found->number;
	}
	return 0;
}

/* ---- the search ---- */

struct search {
	const uint32_t *old, *new;
	bool *gone, *added;            /* marks */
	ptrdiff_t *forward, *backward; /* furthest points, by diagonal */
};

/* A part of both texts: lines a to a_end, b to b_end. */
struct box {
	ptrdiff_t a, a_end, b, b_end;
};

struct point {
	ptrdiff_t a, b;
};

/* One step of the search from the top: the furthest points after d edits. True: it met the one from the bottom. */
static bool step_forward(
	const struct search *s, const struct box *box, ptrdiff_t d, struct point *ret)
{
	ptrdiff_t n = box->a_end - box->a, m = box->b_end - box->b, delta = n - m;
	for (ptrdiff_t k = -d; k <= d; k += 2) {
		ptrdiff_t *v = s->forward;
		ptrdiff_t x = k == -d || (k != d && v[k - 1] < v[k + 1]) ? v[k + 1] : v[k - 1] + 1;
		ptrdiff_t y = x - k;
		while (x < n && y < m && y >= 0 && s->old[box->a + x] == s->new[box->b + y])
			x++, y++;
		v[k] = x;
		if (delta & 1 && k - delta >= -(d - 1) && k - delta <= d - 1 &&
			x + s->backward[delta - k] >= n) {
			*ret = (struct point){box->a + x, box->b + y};
			return true;
		}
	}
	return false;
}

static bool step_backward(
	const struct search *s, const struct box *box, ptrdiff_t d, struct point *ret)
{
	ptrdiff_t n = box->a_end - box->a, m = box->b_end - box->b, delta = n - m;
	for (ptrdiff_t k = -d; k <= d; k += 2) {
		ptrdiff_t *v = s->backward;
		ptrdiff_t x = k == -d || (k != d && v[k - 1] < v[k + 1]) ? v[k + 1] : v[k - 1] + 1;
		ptrdiff_t y = x - k;
		while (x < n && y < m && y >= 0 &&
			s->old[box->a_end - 1 - x] == s->new[box->b_end - 1 - y])
			x++, y++;
		v[k] = x;
		if (!(delta & 1) && delta - k >= -d && delta - k <= d &&
			x + s->forward[delta - k] >= n) {
			*ret = (struct point){box->a_end - x, box->b_end - y};
			return true;
		}
	}
	return false;
}

/* Where the search from the top got furthest within the box. */
static struct point furthest(const struct search *s, const struct box *box, ptrdiff_t d)
{
	ptrdiff_t n = box->a_end - box->a, m = box->b_end - box->b;
	struct point best = {box->a, box->b};
	for (ptrdiff_t k = -d; k <= d; k += 2) {
		ptrdiff_t x = s->forward[k], y = x - k;
		if (x < 0 || y < 0 || x > n || y > m)
			continue;
		if (box->a + x + box->b + y > best.a + best.b)
			best = (struct point){box->a + x, box->b + y};
	}
	return best;
}

/* A point on a shortest path through the box, which has edits at both ends; past the bound, one on some path. */
static struct point middle(const struct search *s, const struct box *box)
{
	struct point point;
	s->forward[1] = s->backward[1] = 0;
	for (ptrdiff_t d = 0; d < COST_MAX; d++)
		if (step_forward(s, box, d, &point) || step_backward(s, box, d, &point))
			return point;
	return furthest(s, box, COST_MAX - 1);
}

/* Does it part the box into two that are both smaller? */
static bool is_inside(const struct point *at, const struct box *box)
{
	bool start = at->a == box->a && at->b == box->b;
	bool end = at->a == box->a_end && at->b == box->b_end;
	return !start && !end && at->a >= box->a && at->a <= box->a_end && at->b >= box->b &&
	       at->b <= box->b_end;
}

static void mark(const struct search *s, struct box box)
{
	while (box.a < box.a_end && box.b < box.b_end && s->old[box.a] == s->new[box.b])
		box.a++, box.b++;
	while (box.a < box.a_end && box.b < box.b_end &&
		s->old[box.a_end - 1] == s->new[box.b_end - 1])
		box.a_end--, box.b_end--;
	if (box.a < box.a_end && box.b < box.b_end) {
		struct point at = middle(s, &box);
		if (is_inside(&at, &box)) {
			mark(s, (struct box){box.a, at.a, box.b, at.b});
			mark(s, (struct box){at.a, box.a_end, at.b, box.b_end});
			return;
		}
	}
	for (ptrdiff_t i = box.a; i < box.a_end; i++)
		s->gone[i] = true;
	for (ptrdiff_t i = box.b; i < box.b_end; i++)
		s->added[i] = true;
}

/* ---- changes ---- */

static int collect(const struct text *old, const struct text *new, const struct search *s,
	struct text_change **ret_changes, size_t *ret_n)
{
	struct text_change *changes = NULL;
	size_t n = 0, a = 0, b = 0;
	while (a < old->n || b < new->n) {
		struct text_change change = {.old = a, .new = b};
		while (a < old->n && s->gone[a])
			a++;
		while (b < new->n && s->added[b])
			b++;
		change.old_n = a - change.old;
		change.new_n = b - change.new;
		if (change.old_n || change.new_n) {
			void *more = reallocarray(changes, n + 1, sizeof(*changes));
			if (!more) {
				free(changes);
				return -ENOMEM;
			}
			changes = more;
			changes[n++] = change;
		}
		a += a < old->n;
		b += b < new->n;
	}
	*ret_changes = changes;
	*ret_n = n;
	return 0;
}

static int compare_numbers(const struct text *old, const struct text *new, uint32_t *numbers,
	struct text_change **ret_changes, size_t *ret_n)
{
	size_t total = old->n + new->n;
	bool *marks = calloc(total + 1, sizeof(*marks));
	/* Diagonals -COST_MAX - 1 to COST_MAX + 1 of both searches, and those of either seen by the other. */
	size_t room = 2 * (size_t)COST_MAX + 5;
	ptrdiff_t *points = calloc(2 * room, sizeof(*points));
	int err = -ENOMEM;
	if (marks && points) {
		struct search search = {
			.old = numbers,
			.new = numbers + old->n,
			.gone = marks,
			.added = marks + old->n,
			.forward = points + COST_MAX + 2,
			.backward = points + room + COST_MAX + 2,
		};
		mark(&search, (struct box){0, (ptrdiff_t)old->n, 0, (ptrdiff_t) new->n});
		err = collect(old, new, &search, ret_changes, ret_n);
	}
	free(points);
	free(marks);
	return err;
}

int text_compare(const struct text *old, const struct text *new, struct text_change **ret_changes,
	size_t *ret_n)
{
	uint32_t *numbers = calloc(old->n + new->n + 1, sizeof(*numbers));
	struct known *known = NULL, *each, *next;
	int err = numbers ? number_lines(old, &known, numbers) : -ENOMEM;
	if (!err)
		err = number_lines(new, &known, numbers + old->n);
	if (!err)
		err = compare_numbers(old, new, numbers, ret_changes, ret_n);
	HASH_ITER (hh, known, each, next) {
		HASH_DEL(known, each);
		free(each);
	}
	free(numbers);
	return err;
}

int text_count(const void *old, size_t old_size, const void *new, size_t new_size,
	size_t *ret_added, size_t *ret_removed)
{
	struct text a, b = {.starts = NULL};
	struct text_change *changes = NULL;
	size_t n = 0, added = 0, removed = 0;
	int err = text_init(&a, old, old_size);
	if (err)
		return err;
	err = text_init(&b, new, new_size);
	if (!err)
		err = text_compare(&a, &b, &changes, &n);
	for (size_t i = 0; i < n; i++) {
		added += changes[i].new_n;
		removed += changes[i].old_n;
	}
	free(changes);
	text_finish(&b);
	text_finish(&a);
	if (!err) {
		*ret_added = added;
		*ret_removed = removed;
	}
	return err;
}
