// SPDX-License-Identifier: MIT
/*
 * Contents with zeros at their ends, and how they are stored. Pure functions.
 *
 * A content that is stored as it is has the file's size. One of any other size is without its zeros: eight bytes say, the
 * highest first, where the rest stands in the file; the rest follows. That is done where it saves ZEROS_LEAST bytes, so the
 * two can't be confused. What has another size and isn't like that was written by somebody else and is damage: it is not
 * guessed at.
 */
#include "store-private.h"

#include "error.h"

#include <endian.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define ZEROS_LEAST 4096 /* fewer zeros are not worth to be left out */
#define HEAD sizeof(uint64_t)

/* The bytes of the content within n bytes from `at` on: where in those, and how many. */
static size_t overlap(const struct store_content *content, int64_t at, size_t n, size_t *ret_from,
	const char **ret_data)
{
	int64_t first = at > content->start ? at : content->start;
	int64_t content_end = content->start + (int64_t)content->size;
	int64_t last = at + (int64_t)n < content_end ? at + (int64_t)n : content_end;
	if (first >= last) {
		*ret_from = 0;
		*ret_data = NULL;
		return 0;
	}
	*ret_from = (size_t)(first - at);
	*ret_data = (const char *)content->data + (first - content->start);
	return (size_t)(last - first);
}

static bool is_zero(const char *data, size_t n)
{
	return !n || (!data[0] && !memcmp(data, data + 1, n - 1));
}

bool store_content_has(const struct store_content *content, int64_t at, const void *data, size_t n)
{
	const char *bytes = data, *own;
	if (!n)
		return true;
	size_t from, common = overlap(content, at, n, &from, &own);
	return is_zero(bytes, from) && (!common || !memcmp(bytes + from, own, common)) &&
	       is_zero(bytes + from + common, n - from - common);
}

void store_content_copy(const struct store_content *content, int64_t at, void *buffer, size_t n)
{
	const char *own;
	size_t from, common = overlap(content, at, n, &from, &own);
	memset(buffer, 0, n);
	if (common)
		memcpy((char *)buffer + from, own, common);
}

int content_fill(const struct store_content *content, void **ret_data)
{
	if (content->length > STORE_WHOLE_MAX)
		return store_fail(-EFBIG,
			"%lld bytes are more than the %d that are read at once; copy it from a "
			"mount",
			(long long)content->length, STORE_WHOLE_MAX);
	char *data = calloc(1, (size_t)content->length + 1);
	if (!data)
		return store_fail(-ENOMEM, "out of memory");
	if (content->size)
		memcpy(data + content->start, content->data, content->size);
	*ret_data = data;
	return 0;
}

static struct store_content trim(const struct store_content *content)
{
	struct store_content trimmed = *content;
	const char *data = content->data;
	while (trimmed.size && !data[trimmed.size - 1])
		trimmed.size--;
	size_t zeros = 0;
	while (zeros < trimmed.size && !data[zeros])
		zeros++;
	trimmed.data = data ? data + zeros : NULL;
	trimmed.start += (int64_t)zeros;
	trimmed.size -= zeros;
	return trimmed;
}

static int stored_sparse(struct stored *stored, const struct store_content *content)
{
	char *data = malloc(HEAD + content->size);
	if (!data)
		return store_fail(-ENOMEM, "out of memory");
	uint64_t start = htobe64((uint64_t)content->start);
	memcpy(data, &start, HEAD);
	if (content->size)
		memcpy(data + HEAD, content->data, content->size);
	*stored = (struct stored){
		.data = data, .size = HEAD + content->size, .sparse = true, .made = data};
	return 0;
}

int stored_init(struct stored *stored, const struct store_content *content)
{
	const struct store_content trimmed = trim(content);
	int err = 0;
	void *whole = NULL;
	if (content->length - (int64_t)trimmed.size >= ZEROS_LEAST)
		return stored_sparse(stored, &trimmed);
	if ((int64_t)content->size < content->length)
		err = content_fill(content, &whole);
	if (err)
		return err;
	*stored = (struct stored){
		.data = whole ? whole : content->data,
		.size = (size_t)content->length,
		.made = whole,
	};
	return 0;
}

void stored_finish(struct stored *stored)
{
	free(stored->made);
}

/* Could stored_sparse() have made it? */
static bool is_sparse(const char *data, size_t size, int64_t length)
{
	uint64_t start, rest = size - HEAD;
	if (size < HEAD || length < ZEROS_LEAST || rest > (uint64_t)(length - ZEROS_LEAST))
		return false;
	memcpy(&start, data, HEAD);
	return be64toh(start) <= (uint64_t)length - rest &&
	       (!rest || (data[HEAD] && data[size - 1]));
}

int content_init(struct store_content *content, void *data, size_t size, int64_t length)
{
	if (!length || (int64_t)size == length) { /* 0: it is whole, whatever its size */
		*content = (struct store_content){data, size, 0, (int64_t)size};
		return 0;
	}
	if (!is_sparse(data, size, length))
		return store_fail(-EUCLEAN, "the database is damaged: %zu bytes of a file of %lld",
			size, (long long)length);
	uint64_t head;
	memcpy(&head, data, HEAD);
	size -= HEAD;
	memmove(data, (char *)data + HEAD, size);
	*content = (struct store_content){data, size, (int64_t)be64toh(head), length};
	return 0;
}
