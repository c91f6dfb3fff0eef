/* SPDX-License-Identifier: MIT */
/* The command line. Everything after the module or script belongs to it. */
#include "main.h"

#include <assert.h>
#include <errno.h>
#include <getopt.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char usage[] =
	"Usage: pymodhost [OPTION]... (-m MODULE | SCRIPT) [ARG...]\n"
	"Run a Python program and keep its code up to date while it runs.\n"
	"\n"
	"  -p, --path DIR    import from DIR first, and reload its modules when they change;\n"
	"                    may be given several times\n"
	"  -m MODULE         run a module as the program; if it has a function tick(), call it\n"
	"                    over and over, and apply changes in between\n"
	"      --hz N        ticks a second (default 20)\n"
	"      --async       apply changes between bytecodes too, for a program that neither\n"
	"                    ticks nor calls pymodhost.poll()\n"
	"      --json        tell what happens as JSON, a line an event, on standard error\n"
	"  -I, --isolated    ignore PYTHON* variables and the user's site-packages\n"
	"  -h, --help        show this and exit\n"
	"  -V, --version     show the version and exit\n"
	"\n"
	"SIGHUP reloads all modules, SIGTERM ends the program cleanly.\n"
	"Manual: man pymodhost\n";

enum { OPT_HZ = 256, OPT_ASYNC, OPT_JSON };

static const struct option longs[] = {
	{"path", required_argument, NULL, 'p'},
	{"hz", required_argument, NULL, OPT_HZ},
	{"async", no_argument, NULL, OPT_ASYNC},
	{"json", no_argument, NULL, OPT_JSON},
	{"isolated", no_argument, NULL, 'I'},
	{"help", no_argument, NULL, 'h'},
	{"version", no_argument, NULL, 'V'},
	{NULL, 0, NULL, 0},
};

static enum options_outcome wrong(const char *format, const char *what)
{
	fputs("pymodhost: ", stderr);
	fprintf(stderr, format, what);
	fputs("; see pymodhost --help\n", stderr);
	return OPTIONS_WRONG;
}

/* What stands in the buffer until the end may fail as well. */
static enum options_outcome tell(const char *format, const char *what)
{
	if (printf(format, what) >= 0 && fflush(stdout) == 0)
		return OPTIONS_DONE;
	fprintf(stderr, "pymodhost: can't write: %s\n", strerror(errno));
	return OPTIONS_FAILED;
}

static enum options_outcome parse_hz(struct options *options, const char *text)
{
	char *end;

	assert(text); /* the option has an argument */
	errno = 0;
	options->hz = strtod(text, &end);
	if (errno || end == text || *end || !isfinite(options->hz) || options->hz <= 0 ||
		options->hz > 1e6)
		return wrong("--hz takes a number above 0 and up to a million, not '%s'", text);
	return OPTIONS_RUN;
}

static enum options_outcome parse_one(struct options *options, int letter, const char *word)
{
	switch (letter) {
	case 'p':
		options->paths[options->path_count++] = optarg;
		return OPTIONS_RUN;
	case 'm':
		options->module = optarg;
		return OPTIONS_RUN;
	case OPT_HZ:
		return parse_hz(options, optarg);
	case OPT_ASYNC:
		options->async = true;
		return OPTIONS_RUN;
	case OPT_JSON:
		options->json = true;
		return OPTIONS_RUN;
	case 'I':
		options->isolated = true;
		return OPTIONS_RUN;
	case 'h':
		return tell("%s", usage);
	case 'V':
		return tell("pymodhost %s\n", pymodhost_version());
	case ':':
		return wrong("option '%s' takes a value", word);
	default:
		return wrong("unknown option '%s'", word);
	}
}

/* -m ends the options, as with python3; so the loop stops at it. */
static enum options_outcome parse_options(struct options *options, int argc, char **argv)
{
	enum options_outcome outcome = OPTIONS_RUN;
	int letter;

	opterr = 0;
	while (outcome == OPTIONS_RUN && !options->module) {
		letter = getopt_long(argc, argv, "+:p:m:IhV", longs, NULL);
		if (letter < 0)
			break;
		outcome = parse_one(options, letter, argv[optind - 1]);
	}
	return outcome;
}

enum options_outcome options_parse(struct options *options, int argc, char **argv)
{
	enum options_outcome outcome;

	*options = (struct options){.hz = 20};
	options->paths = calloc((size_t)argc + 1, sizeof(*options->paths));
	options->argv = calloc((size_t)argc + 1, sizeof(*options->argv));
	if (!options->paths || !options->argv)
		return wrong("%s", strerror(ENOMEM));
	outcome = parse_options(options, argc, argv);
	if (outcome != OPTIONS_RUN)
		return outcome;
	if (!options->module && optind >= argc)
		return wrong("%s", "no module or script to run");
	if (!options->module)
		options->script = argv[optind++];
	options->argv[options->argc++] =
		(char *)(options->module ? options->module : options->script);
	while (optind < argc)
		options->argv[options->argc++] = argv[optind++];
	return OPTIONS_RUN;
}

void options_finish(struct options *options)
{
	free(options->paths);
	free(options->argv);
}
