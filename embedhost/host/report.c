/* SPDX-License-Identifier: MIT */
/* Reports as C values that outlive the interpreter. */
#include "host.h"

#include <errno.h>

void pymodhost_report_destroy(struct pymodhost_report *report)
{
	if (!report)
		return;
	for (int list = 0; list <= PYMODHOST_LIST_ERRORS; list++) {
		for (size_t i = 0; i < report->counts[list]; i++)
			free(report->items[list][i]);
		free(report->items[list]);
	}
	free(report);
}

size_t pymodhost_report_count(const struct pymodhost_report *report, enum pymodhost_list list)
{
	if (!report || list < 0 || list > PYMODHOST_LIST_ERRORS)
		return 0;
	return report->counts[list];
}

const char *pymodhost_report_item(
	const struct pymodhost_report *report, enum pymodhost_list list, size_t index)
{
	if (index >= pymodhost_report_count(report, list))
		return NULL;
	return report->items[list][index];
}

double pymodhost_report_seconds(const struct pymodhost_report *report)
{
	return report ? report->seconds : 0;
}

/* attribute NULL: the items themselves are the strings. */
static int list_convert(struct pymodhost_report *report, enum pymodhost_list list, PyObject *from,
	const char *attribute)
{
	Py_ssize_t size = PyList_GET_SIZE(from);

	report->items[list] = calloc((size_t)size + 1, sizeof(char *));
	if (!report->items[list])
		return -1;
	for (Py_ssize_t i = 0; i < size; i++) {
		PyObject *item = PyList_GET_ITEM(from, i), *text;
		const char *utf8;

		text = attribute ? PyObject_GetAttrString(item, attribute) : Py_NewRef(item);
		utf8 = text ? PyUnicode_AsUTF8(text) : NULL;
		report->items[list][i] = strdup(utf8 ? utf8 : "?");
		PyErr_Clear();
		Py_XDECREF(text);
		if (!report->items[list][i])
			return -1;
		report->counts[list]++;
	}
	return 0;
}

static struct pymodhost_report *convert(struct report *from)
{
	struct pymodhost_report *report = calloc(1, sizeof(*report));

	if (!report)
		return NULL;
	report->seconds = from->seconds;
	if (list_convert(report, PYMODHOST_LIST_CHANGED, from->changed, NULL) == 0 &&
		list_convert(report, PYMODHOST_LIST_RELOADED, from->reloaded, NULL) == 0 &&
		list_convert(report, PYMODHOST_LIST_UNLOADED, from->unloaded, NULL) == 0 &&
		list_convert(report, PYMODHOST_LIST_FAILED, from->errors, "module") == 0 &&
		list_convert(report, PYMODHOST_LIST_ERRORS, from->errors, "traceback") == 0)
		return report;
	pymodhost_report_destroy(report);
	return NULL;
}

int report_convert(PyObject *object, struct pymodhost_report **ret_report)
{
	struct pymodhost_report *report;
	int code = 0;

	if (!object)
		return error_take_exception();
	report = convert((struct report *)object);
	Py_DECREF(object);
	if (!report)
		return error_set(-ENOMEM, "out of memory");
	if (report->counts[PYMODHOST_LIST_ERRORS])
		code = error_set_text(-ENOEXEC, report->items[PYMODHOST_LIST_ERRORS][0]);
	if (ret_report)
		*ret_report = report;
	else
		pymodhost_report_destroy(report);
	return code;
}
