/* SPDX-License-Identifier: MIT */
/* The record of an export: reading, writing, asking. One thread. */
#include "record.h"
#include "../store/clock.h"
#include "cli.h"
#include "place.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define HEAD "pymodfs-export 1 "

static int compare(const void *a, const void *b)
{
	return strcmp(
		((const struct record_entry *)a)->path, ((const struct record_entry *)b)->path);
}

bool record_is_own_name(const char *name)
{
	return !strcmp(name, RECORD_NAME) || !strcmp(name, PLACE_TEMPORARY);
}

static void sort(struct record *record)
{
	if (record->n)
		qsort(record->entries, record->n, sizeof(*record->entries), compare);
}

const struct record_entry *record_find(const struct record *record, const char *path)
{
	const struct record_entry key = {.path = (char *)(uintptr_t)path};
	return record->there && record->n
		       ? bsearch(&key, record->entries, record->n, sizeof(key), compare)
		       : NULL;
}

int record_add(
	struct record *record, const char *path, int64_t version, int64_t size, int64_t mtime)
{
	if (record->n == record->room) {
		size_t room = record->room ? 2 * record->room : 256;
		void *entries = reallocarray(record->entries, room, sizeof(*record->entries));
		if (!entries)
			return cli_fail("out of memory");
		record->entries = entries;
		record->room = room;
	}
	struct record_entry *entry = &record->entries[record->n];
	*entry = (struct record_entry){strdup(path), version, size, mtime};
	if (!entry->path)
		return cli_fail("out of memory");
	record->n++;
	return 0;
}

int record_add_missing(struct record *record, const struct record *other)
{
	size_t n = record->n;
	int status = 0;
	sort(record);
	for (size_t i = 0; i < other->n && !status; i++) {
		const struct record_entry *entry = &other->entries[i];
		if (!n || !bsearch(entry, record->entries, n, sizeof(*entry), compare))
			status = record_add(
				record, entry->path, entry->version, entry->size, entry->mtime);
	}
	return status;
}

void record_finish(struct record *record)
{
	for (size_t i = 0; i < record->n; i++)
		free(record->entries[i].path);
	free(record->entries);
}

/* ---- reading ---- */

static void unescape(char *text)
{
	static const char codes[] = "tnr\\", meanings[] = "\t\n\r\\";
	char *to = text;
	for (; *text; text++) {
		const char *code = *text == '\\' && text[1] ? strchr(codes, text[1]) : NULL;
		*to++ = code ? meanings[code - codes] : *text;
		text += code != NULL;
	}
	*to = '\0';
}

static int take_line(struct record *record, char *line, const char *file)
{
	long long version, size, mtime;
	int at = 0;
	line[strcspn(line, "\n")] = '\0';
	if (sscanf(line, "%lld\t%lld\t%lld\t%n", &version, &size, &mtime, &at) != 3 || !at)
		return cli_fail("%s is damaged; remove it, or export with --overwrite", file);
	unescape(line + at);
	return record_add(record, line + at, version, size, mtime);
}

static int read_lines(struct record *record, FILE *in, const char *file, const char *uuid)
{
	char *line = NULL;
	size_t room = 0;
	int status = 0;
	if (getline(&line, &room, in) < 0 || strncmp(line, HEAD, strlen(HEAD)) != 0) {
		status = cli_fail("%s is no record of this program's; remove it", file);
	} else {
		line[strcspn(line, "\n")] = '\0';
		record->there = !strcmp(line + strlen(HEAD), uuid);
		while (!status && record->there && getline(&line, &room, in) >= 0)
			status = take_line(record, line, file);
	}
	free(line);
	sort(record);
	return status;
}

int record_load(struct record *record, const char *dir, const char *uuid)
{
	char *file;
	*record = (struct record){.there = false};
	if (asprintf(&file, "%s/%s", dir, RECORD_NAME) < 0)
		return cli_fail("out of memory");
	FILE *in = fopen(file, "re");
	int status = 0;
	if (in)
		status = read_lines(record, in, file, uuid);
	else if (errno != ENOENT && errno != ENOTDIR)
		status = cli_fail("%s: %s", file, strerror(errno));
	if (in)
		fclose(in);
	free(file);
	return status;
}

/* ---- writing ---- */

static void write_path(FILE *out, const char *path)
{
	for (; *path; path++)
		switch (*path) {
		case '\t':
			fputs("\\t", out);
			break;
		case '\n':
			fputs("\\n", out);
			break;
		case '\r':
			fputs("\\r", out);
			break;
		case '\\':
			fputs("\\\\", out);
			break;
		default:
			putc(*path, out);
		}
}

static void write_lines(const struct record *record, FILE *out, const char *uuid)
{
	fprintf(out, HEAD "%s\n", uuid);
	for (size_t i = 0; i < record->n; i++) {
		const struct record_entry *entry = &record->entries[i];
		fprintf(out, "%lld\t%lld\t%lld\t", (long long)entry->version,
			(long long)entry->size, (long long)entry->mtime);
		write_path(out, entry->path);
		putc('\n', out);
	}
}

static int make_text(
	const struct record *record, const char *uuid, char **ret_text, size_t *ret_size)
{
	FILE *out = open_memstream(ret_text, ret_size);
	if (!out)
		return -ENOMEM;
	write_lines(record, out, uuid);
	return fclose(out) ? -ENOMEM : 0;
}

/* As export writes its files: a link that stands there is replaced, not followed. */
static int put_text(const char *dir, mode_t umask, const char *text, size_t size)
{
	const struct store_node node = {.kind = STORE_FILE, .mode = -1, .mtime = clock_real()};
	int64_t mtime;
	int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	int err = place_write(fd, RECORD_NAME, &node, umask, text, size, &mtime);
	close(fd);
	return err;
}

int record_save(
	struct record *record, const char *dir, mode_t umask, const char *uuid, const char *words)
{
	char *text = NULL;
	size_t size;
	sort(record);
	int err = make_text(record, uuid, &text, &size);
	if (!err)
		err = put_text(dir, umask, text, size);
	free(text);
	if (err && words)
		cli_fail("%s/%s: %s; %s", dir, RECORD_NAME, strerror(-err), words);
	return err ? CLI_FAILURE : 0;
}

/* ---- asking ---- */

bool record_is_changed(const struct record_entry *entry, struct store_reader *reader, int64_t mtime,
	const void *data, size_t size)
{
	void *old;
	size_t old_size;
	if (entry->size == (int64_t)size && entry->mtime == mtime)
		return false;
	if (store_read(reader, entry->version, &old, &old_size))
		return true;
	bool same = old_size == size && !memcmp(old, data, size);
	free(old);
	return !same;
}
