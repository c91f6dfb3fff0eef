/* SPDX-License-Identifier: MIT */
/*
 * The library's own view of a host. pymodhost.h has the meaning of every function; here is what
 * its files share: entering and leaving Python, and a thread's last error.
 */
#ifndef HOST_HOST_H
#define HOST_HOST_H

#include "../reload/engine.h"
#include "../pymodhost.h"

struct pymodhost_config {
	char **paths;
	size_t path_count;
	char **argv;
	int argc;
	bool isolated, signals;
	char *bytecode_dir, *program;
};

struct pymodhost {
	pymodhost_event_fn *event_fn;
	void *event_data;
};

struct pymodhost_report {
	char **items[PYMODHOST_LIST_ERRORS + 1];
	size_t counts[PYMODHOST_LIST_ERRORS + 1];
	double seconds;
};

/* Between these two the GIL is held and no exception is set; what was set before is back after. */
struct visit_python {
	PyGILState_STATE gil;
	PyObject *type, *value, *traceback;
};
void host_enter(struct visit_python *visit);
void host_leave(struct visit_python *visit);

/* error.c: the calling thread's last error. Each returns the code, for `return`. */
int error_set(int code, const char *format, ...) __attribute__((format(printf, 2, 3)));
void error_clear(void);
/* The exception that is set becomes the error, and is no longer set. */
int error_take_exception(void);
int error_set_text(int code, const char *text);

/* report.c: report is a Report and is consumed. The result is 0 or -ENOEXEC. */
int report_convert(PyObject *report, struct pymodhost_report **ret_report);

/* fd.c */
void async_stop(void);

#endif
