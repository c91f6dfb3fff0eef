/* SPDX-License-Identifier: MIT */
/*
 * Sources: read, compared, compiled.
 *
 * A module's running version is defined by the bytes it was compiled from, which its record keeps.
 * No .pyc is read or written: CPython judges those by whole seconds and size, so that two quick
 * saves of one length run old bytecode. A stamp only spares reading; where it can't be trusted
 * (a file as young as the clock's tick can change again without a new time) the bytes decide.
 */
#include "engine.h"
#include "../watch/watch.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <time.h>
#include <unistd.h>

#define NANOSECONDS INT64_C(1000000000)
/* Longer than any kernel's tick of file times (10 ms at 100 Hz), with a margin for a late clock. */
#define RACY_NS INT64_C(50000000)
/* Of a batch with as many files the rest is asked for in one piece: that takes as long as two files. */
#define SINGLES_MAX 4

static int64_t time_ns(const struct timespec *t)
{
	return (int64_t)t->tv_sec * NANOSECONDS + t->tv_nsec;
}

static void stamp_fill(struct stamp *stamp, const struct stat *st)
{
	struct timespec now;
	int64_t age;

	clock_gettime(CLOCK_REALTIME, &now);
	stamp->dev = st->st_dev;
	stamp->ino = st->st_ino;
	stamp->size = (uint64_t)st->st_size;
	stamp->mtime_ns = time_ns(&st->st_mtim);
	stamp->ctime_ns = time_ns(&st->st_ctim);
	age = time_ns(&now) - stamp->ctime_ns;
	stamp->racy = age < RACY_NS;
}

int stamp_read(const char *path, struct stamp *ret_stamp)
{
	struct stat st;

	if (stat(path, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode))
		return -EISDIR;
	stamp_fill(ret_stamp, &st);
	return 0;
}

bool stamp_same(const struct stamp *a, const struct stamp *b)
{
	return a->dev == b->dev && a->ino == b->ino && a->size == b->size &&
	       a->mtime_ns == b->mtime_ns && a->ctime_ns == b->ctime_ns;
}

static int descriptor_read_all(int fd, PyObject **ret_bytes)
{
	Py_ssize_t size = 16384, used = 0, got = 1;
	PyObject *bytes = PyBytes_FromStringAndSize(NULL, size);

	while (bytes && got > 0) {
		if (used == size)
			_PyBytes_Resize(&bytes, size *= 2);
		if (!bytes)
			return -1;
		Py_BEGIN_ALLOW_THREADS got =
			read(fd, PyBytes_AS_STRING(bytes) + used, (size_t)(size - used));
		Py_END_ALLOW_THREADS if (got > 0) used += got;
	}
	if (got < 0) {
		Py_CLEAR(bytes);
		PyErr_SetFromErrno(PyExc_OSError);
	}
	if (bytes)
		_PyBytes_Resize(&bytes, used);
	*ret_bytes = bytes;
	return bytes ? 0 : -1;
}

/* The stamp is taken before the bytes, so that a write in between shows as a change later on. */
int source_read(const char *path, struct source *ret_source)
{
	struct source source = {0};
	struct stat st;
	int fd, result = -1;

	Py_BEGIN_ALLOW_THREADS fd = open(path, O_RDONLY | O_CLOEXEC);
	Py_END_ALLOW_THREADS if (fd < 0 || fstat(fd, &st) < 0)
		PyErr_SetFromErrnoWithFilename(PyExc_OSError, path);
	else
	{
		stamp_fill(&source.stamp, &st);
		result = descriptor_read_all(fd, &source.bytes);
	}
	if (fd >= 0)
		close(fd);
	if (result == 0)
		*ret_source = source;
	return result;
}

/*
 * What was read below at/GENERATION, which never changes: detection and batch read the same files,
 * and each reading is a handful of requests to the mount.
 */
struct reading {
	char *path; /* key */
	struct source source;
	UT_hash_handle hh;
};

static struct reading *readings;
static unsigned int singles; /* files that were opened one by one since the last look */

void source_forget_batch(void)
{
	struct reading *reading, *next;

	singles = 0;

	HASH_ITER (hh, readings, reading, next) {
		HASH_DEL(readings, reading);
		Py_DECREF(reading->source.bytes);
		free(reading->path);
		free(reading);
	}
}

static void reading_keep(const char *path, const struct source *source)
{
	struct reading *reading = calloc(1, sizeof(*reading));

	if (!reading || !(reading->path = strdup(path))) {
		free(reading); /* it is read once more */
		return;
	}
	reading->source = *source;
	Py_INCREF(source->bytes);
	HASH_ADD_KEYPTR(hh, readings, reading->path, strlen(reading->path), reading);
}

static struct reading *reading_find(const char *path)
{
	struct reading *reading;

	HASH_FIND_STR(readings, path, reading);
	return reading;
}

/* There is no stamp that could be compared: the bytes decide. */
static void reading_keep_part(const char *path, const char *text, size_t size)
{
	struct source source = {.stamp.racy = true};

	if (reading_find(path))
		return;
	source.bytes = PyBytes_FromStringAndSize(text, (Py_ssize_t)size);
	if (source.bytes)
		reading_keep(path, &source);
	else
		PyErr_Clear(); /* it is read once more */
	Py_XDECREF(source.bytes);
}

/* Each is a line `SIZE PATH` and so many bytes. top: what the paths are below of. */
static void readings_keep_all(const char *top, const char *text, size_t left)
{
	char path[PATH_MAX], *name;
	const char *line;
	size_t size;

	while ((line = memchr(text, '\n', left))) {
		size = strtoull(text, &name, 10);
		left -= (size_t)(line + 1 - text);
		if (*name != ' ' || size > left)
			return;
		if (snprintf(path, sizeof(path), "%s/%.*s", top, (int)(line - name - 1), name + 1) <
			(int)sizeof(path))
			reading_keep_part(path, line + 1, size);
		text = line + 1 + size;
		left -= size;
	}
}

/* What a mount may tell in one piece; where it doesn't, each file is read by itself. */
static void source_read_changed(const char *path)
{
	char where[PATH_MAX];
	struct source source = {0};

	if (!watch_changed_path(engine->watch, path, where, sizeof(where)))
		return;
	if (source_read(where, &source) < 0) {
		PyErr_Clear();
		return;
	}
	assert(source.bytes);
	where[strlen(where) - strlen(WATCH_CHANGED)] = '\0';
	readings_keep_all(
		where, PyBytes_AS_STRING(source.bytes), (size_t)PyBytes_GET_SIZE(source.bytes));
	Py_DECREF(source.bytes);
}

/* path is what `where` is of. */
static int source_read_at(const char *where, const char *path, struct source *ret_source)
{
	struct reading *reading = reading_find(where);

	if (!reading && ++singles == SINGLES_MAX) {
		source_read_changed(path);
		reading = reading_find(where);
	}
	if (reading) {
		*ret_source = reading->source;
		Py_INCREF(ret_source->bytes);
		return 0;
	}
	if (source_read(where, ret_source) < 0)
		return -1;
	reading_keep(where, ret_source);
	return 0;
}

/* All files of a batch as they were at one moment, where there is such a thing. */
int source_read_batch(const char *path, struct source *ret_source)
{
	char buffer[PATH_MAX];
	const char *where = watch_read_path(engine->watch, path, buffer, sizeof(buffer));

	if (where != path && source_read_at(where, path, ret_source) == 0)
		return 0;
	PyErr_Clear(); /* history doesn't reach back that far, or knows no such file */
	return source_read(path, ret_source);
}

PyObject *source_compile(PyObject *bytes, const char *path)
{
	PyCompilerFlags flags = _PyCompilerFlags_INIT;
	PyObject *filename, *code;

	if (strlen(PyBytes_AS_STRING(bytes)) != (size_t)PyBytes_GET_SIZE(bytes)) {
		PyErr_Format(PyExc_SyntaxError, "%s: source code cannot contain null bytes", path);
		return NULL;
	}
	filename = PyUnicode_DecodeFSDefault(path);
	if (!filename)
		return NULL;
	code = Py_CompileStringObject(
		PyBytes_AS_STRING(bytes), filename, Py_file_input, &flags, -1);
	Py_DECREF(filename);
	return code;
}
