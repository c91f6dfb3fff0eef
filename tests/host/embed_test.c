/* SPDX-License-Identifier: MIT */
/*
 * Named cases for the host library, each run in a process of its own by test_library.py:
 *
 *     embed_test CASE DIRECTORY
 *
 * A case that fails prints one line with its place and ends with status 1. The library prints
 * nothing, so whatever else appears on standard output or error is a failure too.
 */
#include <Python.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "pymodhost.h"

#define CHECK(condition)                                                                           \
	do {                                                                                       \
		if (!(condition)) {                                                                \
			fprintf(stderr, "%s:%d: %s: not so; last error: %s\n", __FILE__, __LINE__, \
				#condition, pymodhost_error());                                    \
			exit(1);                                                                   \
		}                                                                                  \
	} while (0)

#define EQUAL(found, expected)                                                                     \
	do {                                                                                       \
		long long found_ = (found), expected_ = (expected);                                \
		if (found_ != expected_) {                                                         \
			fprintf(stderr, "%s:%d: %s is %lld, not %lld; last error: %s\n", __FILE__, \
				__LINE__, #found, found_, expected_, pymodhost_error());           \
			exit(1);                                                                   \
		}                                                                                  \
	} while (0)

static const char *dir;

static void write_module(const char *name, const char *text)
{
	char path[4096];
	FILE *file;

	snprintf(path, sizeof(path), "%s/%s.py", dir, name);
	file = fopen(path, "w");
	CHECK(file);
	fputs(text, file);
	CHECK(fclose(file) == 0);
}

static struct pymodhost *create(void)
{
	struct pymodhost_config *config = pymodhost_config_create();
	struct pymodhost *host = NULL;

	CHECK(config);
	EQUAL(pymodhost_config_add_path(config, dir), 0);
	EQUAL(pymodhost_create(config, &host), 0);
	CHECK(host);
	pymodhost_config_destroy(config);
	return host;
}

static int value_of(struct pymodhost *host, const char *module, const char *function)
{
	int value = -1;

	EQUAL(pymodhost_call(host, module, function, ">i", &value), 0);
	return value;
}

static bool has_text(const char *text, const char *part)
{
	return text && strstr(text, part);
}

static void test_life(void)
{
	struct pymodhost *host = create(), *second = NULL;

	EQUAL(pymodhost_create(NULL, &second), -EALREADY);
	CHECK(!second);
	pymodhost_destroy(host);
	EQUAL(pymodhost_create(NULL, &second), -ENOTSUP);
	CHECK(!second && *pymodhost_error());
}

static void test_null(void)
{
	pymodhost_config_destroy(NULL);
	pymodhost_destroy(NULL);
	pymodhost_report_destroy(NULL);
	pymodhost_free(NULL);
	EQUAL(pymodhost_report_count(NULL, PYMODHOST_LIST_CHANGED), 0);
	CHECK(!strcmp(pymodhost_error(), ""));
	CHECK(pymodhost_version()[0]);
}

static void test_missing_directory(void)
{
	struct pymodhost_config *config = pymodhost_config_create();
	struct pymodhost *host = NULL;
	int err = pymodhost_config_add_path(config, "/no/such/directory");

	if (!err)
		err = pymodhost_create(config, &host);
	EQUAL(err, -ENOENT);
	CHECK(!host && has_text(pymodhost_error(), "/no/such/directory"));
	pymodhost_config_destroy(config);
}

static void test_call(void)
{
	struct pymodhost *host;
	double number = 0;
	int small = 0;
	int64_t large = 0;
	bool truth = false;
	char *text = NULL;

	write_module("rules",
		"def damage(who, n): return len(who) * n / 2\n"
		"def many(b, i, l, d, s): return (not b, i + 1, l + 1, d + 1, s + '\\u00e4')\n"
		"def nothing(): return None\n"
		"class Game:\n"
		"    @staticmethod\n"
		"    def start(): return 7\n");
	host = create();
	EQUAL(pymodhost_call(host, "rules", "damage", "si>d", "orc", 3, &number), 0);
	CHECK(number == 4.5);
	EQUAL(pymodhost_call(host, "rules", "many", "bilds>bilds", true, -2, INT64_MAX - 1, 0.5,
		      "x", &truth, &small, &large, &number, &text),
		0);
	CHECK(!truth && small == -1 && large == INT64_MAX && number == 1.5);
	CHECK(!strcmp(text, "x\xc3\xa4"));
	pymodhost_free(text);
	EQUAL(pymodhost_call(host, "rules", "nothing", ">s", &text), 0);
	CHECK(!text);
	EQUAL(pymodhost_call(host, "rules", "nothing", ""), 0);
	EQUAL(pymodhost_call(host, "rules", "Game.start", ">i", &small), 0);
	EQUAL(small, 7);
	CHECK(pymodhost_has_function(host, "rules", "damage"));
	CHECK(!pymodhost_has_function(host, "rules", "no_such"));
	CHECK(!pymodhost_has_function(host, "no_such", "damage"));
	pymodhost_destroy(host);
}

static void test_call_errors(void)
{
	struct pymodhost *host;
	int value = 42, status = 0;
	char *text = (char *)"untouched";

	write_module("rules", "import sys\n"
			      "def fails(): return {}['no such rule']  # here\n"
			      "def leaves(): sys.exit(3)\n"
			      "def large(): return 1 << 40\n"
			      "def word(): return 'word'\n"
			      "number = 5\n");
	write_module("broken", "def f(: pass\n");
	host = create();
	EQUAL(pymodhost_call(host, "rules", "fails", ">i", &value), -ENOEXEC);
	CHECK(has_text(pymodhost_error(), "KeyError: 'no such rule'"));
	CHECK(has_text(pymodhost_error(), "# here"));
	EQUAL(pymodhost_call(host, "rules", "leaves", ""), -ENOEXEC);
	CHECK(pymodhost_error_is_exit(&status));
	EQUAL(status, 3);
	EQUAL(pymodhost_call(host, "rules", "large", ">i", &value), -ERANGE);
	CHECK(!pymodhost_error_is_exit(&status));
	EQUAL(pymodhost_call(host, "rules", "word", ">i", &value), -EBADMSG);
	EQUAL(pymodhost_call(host, "rules", "large", ">s", &text), -EBADMSG);
	EQUAL(pymodhost_call(host, "rules", "word", ">ii", &value, &value), -EBADMSG);
	EQUAL(pymodhost_call(host, "rules", "absent", ""), -ENOENT);
	CHECK(has_text(pymodhost_error(), "absent"));
	EQUAL(pymodhost_call(host, "absent", "f", ""), -ENOENT);
	EQUAL(pymodhost_call(host, "broken", "f", ""), -ENOEXEC);
	CHECK(has_text(pymodhost_error(), "broken.py"));
	EQUAL(pymodhost_call(host, "rules", "fails", "x"), -EINVAL);
	EQUAL(value, 42);
	CHECK(!strcmp(text, "untouched"));
	pymodhost_destroy(host);
}

static void test_modules(void)
{
	struct pymodhost_report *report = NULL;
	struct pymodhost *host;
	char *text = NULL;

	write_module("m", "X = 1\r\ndef f(): return X\r\n");
	host = create();
	EQUAL(pymodhost_load(host, "m", &report), 0);
	pymodhost_report_destroy(report);
	EQUAL(pymodhost_load(host, "absent", NULL), -ENOENT);
	CHECK(has_text(pymodhost_error(), "absent"));
	EQUAL(pymodhost_source(host, "m", &text), 0);
	CHECK(!strcmp(text, "X = 1\ndef f(): return X\n"));
	pymodhost_free(text);
	EQUAL(pymodhost_source(host, "absent", &text), -ENOENT);
	EQUAL(pymodhost_reload(host, "m", &report), 0);
	EQUAL(pymodhost_report_count(report, PYMODHOST_LIST_RELOADED), 1);
	CHECK(!strcmp(pymodhost_report_item(report, PYMODHOST_LIST_RELOADED, 0), "m"));
	CHECK(!pymodhost_report_item(report, PYMODHOST_LIST_RELOADED, 1));
	CHECK(pymodhost_report_seconds(report) > 0);
	pymodhost_report_destroy(report);
	EQUAL(pymodhost_reload(host, "absent", NULL), -ENOENT);
	EQUAL(pymodhost_reload_all(host, &report), 0);
	EQUAL(pymodhost_report_count(report, PYMODHOST_LIST_RELOADED), 1);
	pymodhost_report_destroy(report);
	EQUAL(pymodhost_unload(host, "m", &report), 0);
	CHECK(!strcmp(pymodhost_report_item(report, PYMODHOST_LIST_UNLOADED, 0), "m"));
	pymodhost_report_destroy(report);
	EQUAL(pymodhost_unload(host, "m", NULL), -ENOENT);
	pymodhost_destroy(host);
}

static void test_poll(void)
{
	struct pymodhost_report *report = NULL;
	struct pymodhost *host;

	write_module("m", "def f(): return 1\n");
	host = create();
	EQUAL(value_of(host, "m", "f"), 1);
	EQUAL(pymodhost_poll(host, &report), 0);
	EQUAL(pymodhost_report_count(report, PYMODHOST_LIST_CHANGED), 0);
	pymodhost_report_destroy(report);
	write_module("m", "def f(): return 2\n");
	EQUAL(value_of(host, "m", "f"), 1);
	EQUAL(pymodhost_poll(host, NULL), 0);
	EQUAL(value_of(host, "m", "f"), 2);
	report = NULL;
	write_module("m", "def f(): return 3\n1 / 0  # broken\n");
	EQUAL(pymodhost_poll(host, &report), -ENOEXEC);
	EQUAL(pymodhost_report_count(report, PYMODHOST_LIST_ERRORS), 1);
	EQUAL(pymodhost_report_count(report, PYMODHOST_LIST_FAILED), 1);
	CHECK(!strcmp(pymodhost_report_item(report, PYMODHOST_LIST_FAILED, 0), "m"));
	CHECK(has_text(pymodhost_report_item(report, PYMODHOST_LIST_ERRORS, 0), "# broken"));
	CHECK(has_text(pymodhost_error(), "ZeroDivisionError"));
	pymodhost_report_destroy(report);
	EQUAL(value_of(host, "m", "f"), 2);
	write_module("m", "def f(): return 4\n");
	EQUAL(pymodhost_poll(host, NULL), 0);
	EQUAL(value_of(host, "m", "f"), 4);
	pymodhost_destroy(host);
}

static bool readable(int fd, int milliseconds)
{
	struct pollfd pollfd = {.fd = fd, .events = POLLIN};

	return poll(&pollfd, 1, milliseconds) == 1;
}

static void test_fd(void)
{
	struct pymodhost *host;
	int fd;

	write_module("m", "def f(): return 1\n");
	host = create();
	EQUAL(value_of(host, "m", "f"), 1);
	fd = pymodhost_fd(host);
	CHECK(fd >= 0);
	EQUAL(pymodhost_poll(host, NULL), 0);
	for (int i = 2; i < 6; i++) {
		char text[64];

		CHECK(!readable(fd, 50));
		snprintf(text, sizeof(text), "def f(): return %d\n", i);
		write_module("m", text);
		CHECK(readable(fd, 5000));
		EQUAL(pymodhost_poll(host, NULL), 0);
		EQUAL(value_of(host, "m", "f"), i);
	}
	EQUAL(pymodhost_fd(host), fd);
	pymodhost_destroy(host);
}

static void test_run_string(void)
{
	struct pymodhost *host;

	write_module("m", "X = 1\ndef f(): return X\n");
	host = create();
	EQUAL(pymodhost_run_string(host, NULL, "import m\nm.X = 5\nleaked = 1\n"), 0);
	EQUAL(value_of(host, "m", "f"), 5);
	EQUAL(pymodhost_run_string(host, NULL, "leaked"), -ENOEXEC);
	CHECK(has_text(pymodhost_error(), "NameError"));
	EQUAL(pymodhost_run_string(host, "console", "1 /"), -ENOEXEC);
	CHECK(has_text(pymodhost_error(), "console") && has_text(pymodhost_error(), "SyntaxError"));
	EQUAL(pymodhost_run_string(host, NULL, "import sys; sys.exit(3)"), -ENOEXEC);
	EQUAL(pymodhost_run_string(host, NULL, "raise KeyboardInterrupt"), -ENOEXEC);
	EQUAL(pymodhost_run_string(host, NULL, "def f(): f()\nf()"), -ENOEXEC);
	CHECK(has_text(pymodhost_error(), "RecursionError"));
	EQUAL(pymodhost_run_string(host, NULL, "X = 1"), 0);
	pymodhost_destroy(host);
}

static void write_file(const char *name, const char *text, char *ret_path, size_t size)
{
	FILE *file;

	snprintf(ret_path, size, "%s/%s", dir, name);
	file = fopen(ret_path, "w");
	CHECK(file);
	fputs(text, file);
	CHECK(fclose(file) == 0);
}

static void test_programs(void)
{
	struct pymodhost *host;
	char path[4096];
	int status = -1;

	write_module("app", "import sys\nimport app\nassert app.sys is sys\nsys.exit(7)\n");
	host = create();
	EQUAL(pymodhost_run_module(host, "app", &status), 0);
	EQUAL(status, 7);
	write_file("script.py", "import sys\nassert __name__ == '__main__'\n", path, sizeof(path));
	EQUAL(pymodhost_run_script(host, path, &status), 0);
	EQUAL(status, 0);
	write_file("script.py", "raise SystemExit('words')\n", path, sizeof(path));
	EQUAL(pymodhost_run_script(host, path, &status), 0);
	EQUAL(status, 1);
	CHECK(!strcmp(pymodhost_error(), "words"));
	write_file("script.py", "1 / 0\n", path, sizeof(path));
	EQUAL(pymodhost_run_script(host, path, &status), -ENOEXEC);
	CHECK(has_text(pymodhost_error(), "ZeroDivisionError"));
	EQUAL(pymodhost_run_script(host, "/no/such/script.py", &status), -ENOENT);
	EQUAL(pymodhost_run_module(host, "no_such_module", &status), -ENOENT);
	pymodhost_destroy(host);
}

static int event_counts[4];
static char last_text[4096], last_module[256];
static uint64_t last_version;

static void count_event(const struct pymodhost_event *event, void *data)
{
	CHECK(data == event_counts);
	event_counts[event->type]++;
	snprintf(last_module, sizeof(last_module), "%s", event->module);
	snprintf(last_text, sizeof(last_text), "%s", event->text);
	last_version = event->version;
}

static void test_events(void)
{
	struct pymodhost *host;

	write_module("m", "def f(): return 1\n");
	host = create();
	EQUAL(pymodhost_on_event(host, count_event, event_counts), 0);
	EQUAL(pymodhost_load(host, "m", NULL), 0);
	EQUAL(event_counts[PYMODHOST_LOADED], 1);
	write_module("m", "def f(): return 2\n");
	EQUAL(pymodhost_poll(host, NULL), 0);
	EQUAL(event_counts[PYMODHOST_RELOADED], 1);
	EQUAL(last_version, 2);
	CHECK(!strcmp(last_module, "m") && !strcmp(last_text, ""));
	write_module("m", "1 / 0\n");
	EQUAL(pymodhost_poll(host, NULL), -ENOEXEC);
	EQUAL(event_counts[PYMODHOST_FAILED], 1);
	CHECK(has_text(last_text, "ZeroDivisionError"));
	EQUAL(pymodhost_unload(host, "m", NULL), 0);
	EQUAL(event_counts[PYMODHOST_UNLOADED], 1);
	EQUAL(pymodhost_on_event(host, NULL, NULL), 0);
	EQUAL(pymodhost_run_string(host, NULL, "1 / 0"), -ENOEXEC);
	EQUAL(event_counts[PYMODHOST_FAILED], 1);
	pymodhost_destroy(host);
}

#define CALLS 3000

static void *call_often(void *data)
{
	struct pymodhost *host = data;

	for (int i = 0; i < CALLS; i++) {
		int a = 0, b = 0;

		EQUAL(pymodhost_call(host, "m", "pair", ">ii", &a, &b), 0);
		EQUAL(a, b);
	}
	return NULL;
}

static void test_threads(void)
{
	struct pymodhost *host;
	pthread_t threads[4];

	write_module("m", "def pair(): return 0, 0\n");
	host = create();
	EQUAL(pymodhost_load(host, "m", NULL), 0);
	for (int i = 0; i < 4; i++)
		EQUAL(pthread_create(&threads[i], NULL, call_often, host), 0);
	for (int i = 1; i < 60; i++) {
		char text[64];

		snprintf(text, sizeof(text), "def pair(): return %d, %d\n", i, i);
		write_module("m", text);
		EQUAL(pymodhost_poll(host, NULL), 0);
	}
	for (int i = 0; i < 4; i++)
		EQUAL(pthread_join(threads[i], NULL), 0);
	pymodhost_destroy(host);
}

static void test_signals(void)
{
	struct sigaction before, after;
	struct pymodhost *host;

	sigaction(SIGINT, NULL, &before);
	host = create();
	sigaction(SIGINT, NULL, &after);
	CHECK(before.sa_handler == after.sa_handler);
	pymodhost_destroy(host);
}

static void test_isolated(void)
{
	struct pymodhost *host;

	setenv("PYTHONPATH", "/from/the/environment", 1);
	setenv("PYTHONOPTIMIZE", "2", 1);
	host = create();
	EQUAL(pymodhost_run_string(host, NULL,
		      "import sys\nassert '/from/the/environment' not in sys.path\n"
		      "assert '' not in sys.path and sys.flags.optimize == 0\n"),
		0);
	pymodhost_destroy(host);
}

static void test_arguments(void)
{
	static const char *const argv[] = {"program", "one", "tw\xc3\xb6"};
	struct pymodhost_config *config = pymodhost_config_create();
	struct pymodhost *host = NULL;

	EQUAL(pymodhost_config_set_argv(config, 3, argv), 0);
	EQUAL(pymodhost_create(config, &host), 0);
	pymodhost_config_destroy(config);
	EQUAL(pymodhost_run_string(host, NULL,
		      "import sys\nassert sys.argv == ['program', 'one', 'tw\\u00f6'], sys.argv\n"),
		0);
	pymodhost_destroy(host);
}

/* The application has an interpreter of its own, holds the GIL, and keeps both. */
static void test_own_interpreter(void)
{
	struct pymodhost *host = NULL;

	write_module("m", "def f(): return 1\n");
	Py_InitializeEx(0);
	EQUAL(pymodhost_create(NULL, &host), 0);
	CHECK(PyGILState_Check());
	EQUAL(pymodhost_watch(host, dir), 0);
	EQUAL(value_of(host, "m", "f"), 1);
	write_module("m", "def f(): return 2\n1 / 0\n");
	EQUAL(pymodhost_poll(host, NULL), -ENOEXEC);
	CHECK(PyGILState_Check() && !PyErr_Occurred());
	EQUAL(pymodhost_call(host, "m", "absent", ""), -ENOENT);
	EQUAL(pymodhost_run_string(host, NULL, "1 / 0"), -ENOEXEC);
	CHECK(!PyErr_Occurred());
	write_module("m", "def f(): return 3\n");
	Py_BEGIN_ALLOW_THREADS EQUAL(pymodhost_poll(host, NULL), 0);
	Py_END_ALLOW_THREADS EQUAL(value_of(host, "m", "f"), 3);
	EQUAL(pymodhost_watch(host, "/no/such/directory"), -ENOENT);
	EQUAL(PyRun_SimpleString("import pymodhost as kept\n"), 0);
	pymodhost_destroy(host);
	CHECK(Py_IsInitialized() && PyGILState_Check());
	EQUAL(PyRun_SimpleString("import m\nassert m.f() == 3\n"), 0);
	EQUAL(PyRun_SimpleString("import importlib\n"
				 "importlib.reload(m)\n"
				 "calls = [(kept.poll,), (kept.load, 'm'), (kept.run, ''), "
				 "(kept.watch, '.'),\n"
				 "         (kept.on_event, print), (kept.reload_all,)]\n"
				 "for call, *arguments in calls:\n"
				 "    try:\n"
				 "        call(*arguments)\n"
				 "    except RuntimeError:\n"
				 "        continue\n"
				 "    raise AssertionError(call)\n"),
		0);
	EQUAL(Py_FinalizeEx(), 0);
}

static void test_objects(void)
{
	struct pymodhost *host;
	PyObject *list, *result = NULL;
	char *text = NULL;
	int number = 42;

	write_module("m", "def f(items): return items + [3]\n"
			  "def g(items): return 5, items, 'text', 'no number'\n");
	Py_InitializeEx(0);
	EQUAL(pymodhost_create(NULL, &host), 0);
	EQUAL(pymodhost_watch(host, dir), 0);
	list = Py_BuildValue("[ii]", 1, 2);
	EQUAL(pymodhost_call(host, "m", "f", "O>O", list, &result), 0);
	EQUAL(PyList_GET_SIZE(result), 3);
	EQUAL(Py_REFCNT(result), 1);
	EQUAL(Py_REFCNT(list), 1);
	Py_CLEAR(result);
	EQUAL(pymodhost_call(host, "m", "g", "O>iOsi", list, &number, &result, &text, &number),
		-EBADMSG);
	CHECK(number == 42 && !result && !text);
	EQUAL(Py_REFCNT(list), 1);
	Py_DECREF(list);
	pymodhost_destroy(host);
	EQUAL(Py_FinalizeEx(), 0);
}

static void test_async(void)
{
	struct pymodhost *host;
	int status;

	write_module("m", "def f(): return 1\n");
	write_module("endless", "import m, os, time\n"
				"path = m.__file__\n"
				"with open(path, 'w') as file: file.write('def f(): return 2')\n"
				"until = time.monotonic() + 20\n"
				"while m.f() == 1 and time.monotonic() < until: pass\n"
				"raise SystemExit(m.f())\n");
	host = create();
	EQUAL(pymodhost_set_async(host, true), 0);
	EQUAL(pymodhost_run_module(host, "endless", &status), 0);
	EQUAL(status, 2);
	EQUAL(pymodhost_set_async(host, false), 0);
	pymodhost_destroy(host);
}

static const struct {
	const char *name;
	void (*run)(void);
} cases[] = {
	{"life", test_life},
	{"null", test_null},
	{"missing_directory", test_missing_directory},
	{"call", test_call},
	{"call_errors", test_call_errors},
	{"modules", test_modules},
	{"poll", test_poll},
	{"fd", test_fd},
	{"run_string", test_run_string},
	{"programs", test_programs},
	{"events", test_events},
	{"threads", test_threads},
	{"signals", test_signals},
	{"isolated", test_isolated},
	{"arguments", test_arguments},
	{"own_interpreter", test_own_interpreter},
	{"objects", test_objects},
	{"async", test_async},
};

int main(int argc, char **argv)
{
	if (argc != 3) {
		fprintf(stderr, "usage: embed_test CASE DIRECTORY\n");
		return 2;
	}
	dir = argv[2];
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		if (strcmp(cases[i].name, argv[1]) == 0) {
			cases[i].run();
			return 0;
		}
	}
	fprintf(stderr, "embed_test: no case %s\n", argv[1]);
	return 2;
}
