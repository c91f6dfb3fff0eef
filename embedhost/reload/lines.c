/* SPDX-License-Identifier: MIT */
/*
 * The lines that tracebacks and inspect show: linecache's entries.
 *
 * linecache goes by size and time, and it would show the lines of a file that is newer than the code
 * that runs. An entry without a time is never checked against the disk, so the running version's
 * lines are put there whenever they may differ from the file.
 *
 * An entry is a sequence of size, time, lines and file name. Ours makes the list of lines when it is
 * asked for it: each reload puts an entry there, and few are ever looked at.
 */
#include "engine.h"

static PyObject *linecache;
static PyObject *decode; /* importlib.util.decode_source; entries outlive the engine */

struct entry {
	PyObject_HEAD PyObject *bytes, *filename;
	PyObject *lines; /* NULL: nobody has asked yet */
};

/* As linecache has them: each with its end, the last one too. Only \n ends one, as for the compiler:
 * str.splitlines() would see an end in a form feed, too. */
static PyObject *lines_of(PyObject *text)
{
	Py_ssize_t size = PyUnicode_GET_LENGTH(text), start = 0, end;
	PyObject *lines = PyList_New(0), *line;

	for (; lines && start < size; start = end + 1) {
		end = PyUnicode_FindChar(text, '\n', start, size, 1);
		if (end < 0) {
			line = PyUnicode_Substring(text, start, size);
			Py_XSETREF(line, line ? PyUnicode_FromFormat("%U\n", line) : NULL);
			end = size;
		} else {
			line = PyUnicode_Substring(text, start, end + 1);
		}
		if (!line || PyList_Append(lines, line) < 0)
			Py_CLEAR(lines);
		Py_XDECREF(line);
	}
	return lines;
}

static PyObject *lines_of_bytes(PyObject *bytes)
{
	PyObject *lines, *text = PyObject_CallOneArg(decode, bytes);

	if (!text) { /* what can't be decoded has no lines to show */
		PyErr_Clear();
		return PyList_New(0);
	}
	lines = lines_of(text);
	Py_DECREF(text);
	return lines;
}

/* To decode runs Python code, so that another thread may have made them meanwhile. */
static PyObject *entry_lines(struct entry *entry)
{
	PyObject *lines;

	if (!entry->lines) {
		lines = lines_of_bytes(entry->bytes);
		if (!lines)
			return NULL;
		if (entry->lines)
			Py_DECREF(lines);
		else
			entry->lines = lines;
	}
	return Py_NewRef(entry->lines);
}

static Py_ssize_t entry_length(PyObject *self)
{
	return 4;
}

static PyObject *entry_item(PyObject *self, Py_ssize_t index)
{
	struct entry *entry = (struct entry *)self;

	switch (index) {
	case 0:
		return PyLong_FromSsize_t(PyBytes_GET_SIZE(entry->bytes));
	case 1:
		Py_RETURN_NONE;
	case 2:
		return entry_lines(entry);
	case 3:
		return Py_NewRef(entry->filename);
	default:
		PyErr_SetString(PyExc_IndexError, "an entry of linecache has four items");
		return NULL;
	}
}

static void entry_dealloc(PyObject *self)
{
	struct entry *entry = (struct entry *)self;

	Py_XDECREF(entry->bytes);
	Py_XDECREF(entry->filename);
	Py_XDECREF(entry->lines);
	Py_TYPE(self)->tp_free(self);
}

static PySequenceMethods entry_sequence = {
	.sq_length = entry_length,
	.sq_item = entry_item,
};

static PyTypeObject Entry_Type = {
	PyVarObject_HEAD_INIT(NULL, 0).tp_name = "pymodhost.Lines",
	.tp_doc = "An entry of linecache: size, time, lines, file name.",
	.tp_basicsize = sizeof(struct entry),
	.tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION,
	.tp_dealloc = entry_dealloc,
	.tp_as_sequence = &entry_sequence,
};

int lines_start(void)
{
	PyObject *util = PyImport_ImportModule("importlib.util");

	if (util)
		record_set(&decode, PyObject_GetAttrString(util, "decode_source"));
	Py_XDECREF(util);
	record_set(&linecache, PyImport_ImportModule("linecache"));
	return util && decode && linecache ? PyType_Ready(&Entry_Type) : -1;
}

void lines_stop(void)
{
	Py_CLEAR(linecache);
}

static PyObject *entry_create(PyObject *filename, PyObject *bytes)
{
	struct entry *entry = PyObject_New(struct entry, &Entry_Type);

	if (!entry)
		return NULL;
	entry->bytes = Py_NewRef(bytes);
	entry->filename = Py_NewRef(filename);
	entry->lines = NULL;
	return (PyObject *)entry;
}

static int cache_replace(PyObject *cache, PyObject *filename, PyObject *bytes)
{
	PyObject *entry;
	int result;

	if (!bytes) {
		if (PyDict_Contains(cache, filename) <= 0)
			return 0;
		return PyDict_DelItem(cache, filename);
	}
	entry = entry_create(filename, bytes);
	if (!entry)
		return -1;
	result = PyDict_SetItem(cache, filename, entry);
	Py_DECREF(entry);
	return result;
}

int lines_show(const char *path, PyObject *bytes)
{
	PyObject *cache = PyObject_GetAttrString(linecache, "cache");
	PyObject *filename = PyUnicode_DecodeFSDefault(path);
	int result = -1;

	if (cache && PyDict_Check(cache) && filename)
		result = cache_replace(cache, filename, bytes);
	Py_XDECREF(filename);
	Py_XDECREF(cache);
	return result;
}
