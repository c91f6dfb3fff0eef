/* SPDX-License-Identifier: MIT */
/* pymodfs log: what happened to the modules and other files, newest first: when, what, and by whom. */
#include "cli.h"
#include "past.h"

#include <errno.h>
#include <getopt.h>
#include <jansson.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static const char help[] =
	"Usage: pymodfs log [OPTION]... DB [MODULE]\n"
	"Tells what happened to the modules and other files of the database DB, or to one, newest "
	"first: the\n"
	"version, when it was made, what happened, its bytes, who did it with which program, and "
	"the name. A module\n"
	"that was renamed is deleted under its old name and new under the other. A version in "
	"parentheses is no\n"
	"longer kept.\n\n"
	"  -n, --limit N  at most N lines\n"
	"  --json         JSON, a line each\n"
	"  --help         this text\n";

enum { OPT_HELP = 1, OPT_JSON };

static const struct option options[] = {
	{"help", no_argument, NULL, OPT_HELP},
	{"json", no_argument, NULL, OPT_JSON},
	{"limit", required_argument, NULL, 'n'},
	{0},
};

#define END_OF_LIMIT 1

struct log {
	const char *word; /* NULL: all */
	long long limit;  /* -1: none */
	bool json;
	bool any; /* something was printed */
};

static const char *op_text(enum store_op op)
{
	return op == STORE_INSERT ? "new" : op == STORE_DELETE ? "deleted" : "changed";
}

/* Names and programs may hold any bytes; a terminal must not see control characters. */
static void print_text(const char *text)
{
	for (const unsigned char *c = (const unsigned char *)text; *c; c++)
		putchar(*c < ' ' || *c == 0x7f ? '?' : *c);
}

static void print_who(const struct store_event *event)
{
	const struct passwd *user = event->uid >= 0 ? getpwuid((uid_t)event->uid) : NULL;
	const char *command = event->command ? event->command : "?";
	char text[320];
	if (event->uid < 0 && !event->command)
		snprintf(text, sizeof(text), "SQL");
	else if (user)
		snprintf(text, sizeof(text), "%s: %s", user->pw_name, command);
	else
		snprintf(text, sizeof(text), "%lld: %s", (long long)event->uid, command);
	print_text(text);
	printf("%*s", (int)(strlen(text) < 22 ? 22 - strlen(text) : 0), "");
}

static int print_line(const struct store_event *event)
{
	char version[32], when[64] = "?";
	time_t seconds = event->time / 1000000000;
	struct tm tm;
	snprintf(version, sizeof(version), event->kept ? "%lld" : "(%lld)",
		(long long)event->version);
	if (localtime_r(&seconds, &tm))
		strftime(when, sizeof(when), "%Y-%m-%d %H:%M:%S", &tm);
	printf("%8s  %s  %-7s  %8lld  ", version, when, op_text(event->op), (long long)event->size);
	print_who(event);
	fputs("  ", stdout);
	print_text(event->module ? event->module : event->path);
	putchar('\n');
	return ferror(stdout) ? -EIO : 0;
}

static json_t *text_or_null(const char *text)
{
	json_t *json = text ? json_string(text) : json_null();
	return json ? json : json_null(); /* not UTF-8 */
}

static json_t *number_or_null(int64_t number)
{
	return number < 0 ? json_null() : json_integer((json_int_t)number);
}

static int print_json(const struct store_event *event)
{
	json_t *line = json_pack("{s:I, s:s, s:o, s:o, s:I, s:I, s:b, s:I, s:o, s:o, s:o}",
		"version", (json_int_t)event->version, "event", op_text(event->op), "module",
		text_or_null(event->module), "path", text_or_null(event->path), "size",
		(json_int_t)event->size, "time", (json_int_t)event->time, "kept", (int)event->kept,
		"change", (json_int_t)event->change, "uid", number_or_null(event->uid), "pid",
		number_or_null(event->pid), "program", text_or_null(event->command));
	if (!line)
		return -ENOMEM;
	int failed = json_dumpf(line, stdout, 0) || putchar('\n') == EOF;
	json_decref(line);
	return failed ? -EIO : 0;
}

static int take_event(void *arg, const struct store_event *event)
{
	struct log *log = arg;
	if (!log->limit)
		return END_OF_LIMIT;
	log->limit -= log->limit > 0;
	log->any = true;
	return log->json ? print_json(event) : print_line(event);
}

static int run_log(struct store_reader *reader, void *arg)
{
	struct log *log = arg;
	struct past_name name = {.path = NULL};
	int status = log->word ? past_name_init(&name, reader, log->word) : 0;
	if (status)
		return status;
	int err = store_log(reader, name.path, take_event, log);
	if (err == -EIO && ferror(stdout))
		status = cli_fail("can't write");
	else if (err < 0)
		status = cli_fail("%s", store_error());
	else if (log->word && !log->any && log->limit)
		status = cli_fail("there is no %s, and there never was", log->word);
	past_name_finish(&name);
	return status;
}

static int parse_limit(const char *text, long long *ret_limit)
{
	char *end;
	errno = 0;
	long long limit = strtoll(text, &end, 10);
	if (errno || end == text || *end || limit < 0)
		return cli_usage("--limit takes a number, not %s", text);
	*ret_limit = limit;
	return 0;
}

int cmd_log(int argc, char **argv)
{
	struct log log = {.limit = -1};
	int option, status;
	while ((option = getopt_long(argc, argv, ":n:", options, NULL)) != -1) {
		switch (option) {
		case OPT_HELP:
			return fputs(help, stdout) < 0;
		case OPT_JSON:
			log.json = true;
			break;
		case 'n':
			status = parse_limit(optarg, &log.limit);
			if (status)
				return status;
			break;
		default:
			return cli_bad_option(argc, argv, option);
		}
	}
	if (argc - optind < 1 || argc - optind > 2)
		return cli_usage("name the database, and a module if it is to be one alone");
	log.word = argv[optind + 1];
	return past_with_reader(argv[optind], run_log, &log);
}
