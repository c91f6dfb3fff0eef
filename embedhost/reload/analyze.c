/* SPDX-License-Identifier: MIT */
/*
 * What the bytecode of a module's body says: which names its import statements bind, and which of
 * those names are read when the body runs.
 *
 * Read by the body is what the module's own code, its class bodies and comprehensions load, and
 * what a function or method of the module loads whose name (or class) the body loads, for it may be
 * called. That errs on the side of running a body once too often. Opcodes are those of CPython
 * 3.11 (Include/opcode.h, and dis in its documentation).
 */
#include "engine.h"

#include <opcode.h>

struct scan {
	struct analysis *analysis;
	PyObject *heads;   /* set of str: first names of the chains */
	PyObject *waiting; /* list of (code, owner's name or None) that nobody may call, so far */
};

struct cursor {
	PyCodeObject *code;
	PyObject *bytes;
	Py_ssize_t at; /* index of the next instruction's first byte */
	int op;
	unsigned int arg;
};

static bool cursor_next(struct cursor *cursor)
{
	const unsigned char *bytes = (const unsigned char *)PyBytes_AS_STRING(cursor->bytes);
	Py_ssize_t size = PyBytes_GET_SIZE(cursor->bytes);

	cursor->arg = 0;
	while (cursor->at + 1 < size) {
		cursor->op = bytes[cursor->at];
		cursor->arg = cursor->arg << 8 | bytes[cursor->at + 1];
		cursor->at += 2;
		if (cursor->op == CACHE)
			cursor->arg = 0;
		else if (cursor->op != EXTENDED_ARG)
			return true;
	}
	return false;
}

static PyObject *cursor_name(const struct cursor *cursor)
{
	unsigned int index = cursor->op == LOAD_GLOBAL ? cursor->arg >> 1 : cursor->arg;

	return PyTuple_GET_ITEM(cursor->code->co_names, index);
}

static PyObject *cursor_const(const struct cursor *cursor)
{
	return PyTuple_GET_ITEM(cursor->code->co_consts, cursor->arg);
}

static bool op_is_store(int op)
{
	return op == STORE_NAME || op == STORE_GLOBAL;
}

/* `import a.b` binds a; with `as` there are IMPORT_FROMs (or nothing for a name without dots)
 * between import and store. The pair is (bound name, module), module None meaning the import's. */
static PyObject *plain_binding(struct cursor *cursor, PyObject *name)
{
	bool as = false;
	PyObject *bound, *top;
	Py_ssize_t dot;

	while (cursor_next(cursor) && !op_is_store(cursor->op))
		if (cursor->op == IMPORT_FROM)
			as = true;
		else if (cursor->op != SWAP && cursor->op != POP_TOP)
			return PyTuple_New(0);
	if (!op_is_store(cursor->op))
		return PyTuple_New(0);
	bound = cursor_name(cursor);
	dot = PyUnicode_FindChar(name, '.', 0, PyUnicode_GET_LENGTH(name), 1);
	if (as || dot < 0)
		return PyTuple_Pack(2, bound, Py_None);
	top = PyUnicode_Substring(name, 0, dot);
	return top ? Py_BuildValue("(ON)", bound, top) : NULL;
}

static PyObject *from_bindings(struct cursor *cursor)
{
	PyObject *pairs = PyList_New(0), *item = NULL, *pair, *result;
	struct cursor before = *cursor;

	while (pairs && cursor_next(cursor)) {
		if (cursor->op == IMPORT_FROM) {
			item = cursor_name(cursor);
		} else if (op_is_store(cursor->op) && item) {
			pair = PyTuple_Pack(2, item, cursor_name(cursor));
			if (!pair || PyList_Append(pairs, pair) < 0)
				Py_CLEAR(pairs);
			Py_XDECREF(pair);
		} else {
			*cursor = before;
			break;
		}
		before = *cursor;
	}
	result = pairs ? PyList_AsTuple(pairs) : NULL;
	Py_XDECREF(pairs);
	return result;
}

static int add_bound_names(struct scan *scan, PyObject *bound, bool plain)
{
	int result = 0;

	if (plain)
		return PyTuple_GET_SIZE(bound)
			       ? PySet_Add(scan->analysis->imported, PyTuple_GET_ITEM(bound, 0))
			       : 0;
	for (Py_ssize_t i = 0; result == 0 && i < PyTuple_GET_SIZE(bound); i++)
		result = PySet_Add(
			scan->analysis->imported, PyTuple_GET_ITEM(PyTuple_GET_ITEM(bound, i), 1));
	return result;
}

static int scan_import(
	struct scan *scan, struct cursor *cursor, PyObject *level, PyObject *fromlist)
{
	PyObject *name = cursor_name(cursor), *bound, *import;
	bool plain = fromlist == Py_None;
	int result = -1;

	bound = plain ? plain_binding(cursor, name) : from_bindings(cursor);
	if (!bound)
		return -1;
	import = PyTuple_Pack(4, level, name, fromlist, bound);
	if (import && PyList_Append(scan->analysis->imports, import) == 0)
		result = add_bound_names(scan, bound, plain);
	Py_XDECREF(import);
	Py_DECREF(bound);
	return result;
}

/* A name and the attributes read from it in a row. */
static int scan_chain(struct scan *scan, struct cursor *cursor)
{
	PyObject *chain = PyList_New(0), *tuple = NULL;
	struct cursor before;
	int result = -1;

	if (!chain || PySet_Add(scan->heads, cursor_name(cursor)) < 0)
		goto out;
	do {
		if (PyList_Append(chain, cursor_name(cursor)) < 0)
			goto out;
		before = *cursor;
	} while (cursor_next(cursor) && (cursor->op == LOAD_ATTR || cursor->op == LOAD_METHOD));
	*cursor = before;
	tuple = PyList_AsTuple(chain);
	if (tuple)
		result = PySet_Add(scan->analysis->chains, tuple);
out:
	Py_XDECREF(tuple);
	Py_XDECREF(chain);
	return result;
}

static int scan_code(struct scan *scan, PyObject *code, PyObject *owner);

/* Runs with its parent: class bodies, comprehensions; lambdas are taken for it. */
static bool runs_at_once(PyCodeObject *code)
{
	return !(code->co_flags & CO_OPTIMIZED) || PyUnicode_READ_CHAR(code->co_name, 0) == '<';
}

static int scan_nested(struct scan *scan, PyCodeObject *parent, PyObject *owner)
{
	int result = 0;

	for (Py_ssize_t i = 0; result == 0 && i < PyTuple_GET_SIZE(parent->co_consts); i++) {
		PyObject *item = PyTuple_GET_ITEM(parent->co_consts, i), *pair;
		PyCodeObject *code = (PyCodeObject *)item;

		if (!PyCode_Check(item))
			continue;
		if (runs_at_once(code)) {
			result = scan_code(
				scan, item, code->co_flags & CO_OPTIMIZED ? owner : code->co_name);
			continue;
		}
		pair = PyTuple_Pack(2, item, owner ? owner : Py_None);
		result = pair ? PyList_Append(scan->waiting, pair) : -1;
		Py_XDECREF(pair);
	}
	return result;
}

static int scan_instructions(struct scan *scan, struct cursor *cursor)
{
	PyObject *before_last = NULL, *last = NULL;
	int result = 0;

	while (result == 0 && cursor_next(cursor)) {
		if (cursor->op == IMPORT_NAME && before_last && last)
			result = scan_import(scan, cursor, before_last, last);
		else if (cursor->op == LOAD_NAME || cursor->op == LOAD_GLOBAL)
			result = scan_chain(scan, cursor);
		if (cursor->op == LOAD_CONST) {
			before_last = last;
			last = cursor_const(cursor);
		}
	}
	return result;
}

static int scan_code(struct scan *scan, PyObject *code, PyObject *owner)
{
	struct cursor cursor = {.code = (PyCodeObject *)code};
	int result;

	cursor.bytes = PyCode_GetCode(cursor.code);
	if (!cursor.bytes)
		return -1;
	result = scan_instructions(scan, &cursor);
	Py_DECREF(cursor.bytes);
	return result < 0 ? -1 : scan_nested(scan, cursor.code, owner);
}

/* Takes one code object that the body may call off the waiting list. */
static int scan_one_callable(struct scan *scan, bool *ret_found)
{
	for (Py_ssize_t i = 0; i < PyList_GET_SIZE(scan->waiting); i++) {
		PyObject *pair = PyList_GET_ITEM(scan->waiting, i);
		PyObject *code = PyTuple_GET_ITEM(pair, 0), *owner = PyTuple_GET_ITEM(pair, 1);
		int result;

		if (PySet_Contains(scan->heads, ((PyCodeObject *)code)->co_name) <= 0 &&
			PySet_Contains(scan->heads, owner) <= 0)
			continue;
		Py_INCREF(pair);
		result = PyList_SetSlice(scan->waiting, i, i + 1, NULL);
		if (result == 0)
			result = scan_code(scan, code, owner == Py_None ? NULL : owner);
		Py_DECREF(pair);
		*ret_found = true;
		return result;
	}
	*ret_found = false;
	return 0;
}

int analyze_code(PyObject *code, struct analysis *ret_analysis)
{
	struct analysis analysis = {PyList_New(0), PySet_New(NULL), PySet_New(NULL)};
	struct scan scan = {&analysis, PySet_New(NULL), PyList_New(0)};
	bool found = true;
	int result = -1;

	if (analysis.imports && analysis.chains && analysis.imported && scan.heads && scan.waiting)
		result = scan_code(&scan, code, NULL);
	while (result == 0 && found)
		result = scan_one_callable(&scan, &found);
	Py_XDECREF(scan.heads);
	Py_XDECREF(scan.waiting);
	if (result == 0)
		*ret_analysis = analysis;
	else
		analysis_finish(&analysis);
	return result;
}

void analysis_finish(struct analysis *analysis)
{
	Py_CLEAR(analysis->imports);
	Py_CLEAR(analysis->chains);
	Py_CLEAR(analysis->imported);
}
