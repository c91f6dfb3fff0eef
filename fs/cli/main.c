/* SPDX-License-Identifier: MIT */
/*
 * pymodfs: picks the subcommand. Each one is a file of its own; help texts stand with the commands.
 */
#include "cli.h"

#include <errno.h>
#include <getopt.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static const struct command {
	const char *name;
	cmd_fn *run;
	const char *summary;
} commands[] = {
	{"init", cmd_init, "set a database up, or adopt a table of an existing one"},
	{"mount", cmd_mount, "mount a database on a directory"},
	{"umount", cmd_umount, "take a mount down"},
	{"status", cmd_status, "tell of a mount or a database"},
	{"import", cmd_import, "take a directory's files into a database"},
	{"export", cmd_export, "write a database's tree to a directory"},
	{"log", cmd_log, "tell what happened to the modules, or to one"},
	{"show", cmd_show, "print a module as it is or was"},
	{"diff", cmd_diff, "compare versions of modules"},
	{"restore", cmd_restore, "bring a version of a module back"},
	{"check", cmd_check, "look for what is wrong in a database"},
	{"backup", cmd_backup, "copy a database while it is in use"},
};

#define N_COMMANDS (sizeof(commands) / sizeof(commands[0]))

static const char *current = "";

int cli_fail(const char *format, ...)
{
	va_list args;
	va_start(args, format);
	fprintf(stderr, "pymodfs %s: ", current);
	vfprintf(stderr, format, args);
	fputc('\n', stderr);
	va_end(args);
	return CLI_FAILURE;
}

int cli_usage(const char *format, ...)
{
	va_list args;
	va_start(args, format);
	fprintf(stderr, "pymodfs %s: ", current);
	vfprintf(stderr, format, args);
	fprintf(stderr, "; see: pymodfs %s --help\n", current);
	va_end(args);
	return CLI_USAGE;
}

int cli_bad_option(int argc, char **argv, int option)
{
	const char *word = argv[optind > 0 ? optind - 1 : 0];
	if (option == ':')
		return cli_usage("the option %s needs a value", word);
	if (optopt && strncmp(word, "--", 2))
		return cli_usage("unknown option -%c", optopt);
	return cli_usage("unknown option %s", word);
}

static int print_help(FILE *out)
{
	fputs("Usage: pymodfs COMMAND [ARGUMENT]...\n"
	      "Mounts a database table of Python modules as a directory of .py files.\n\n"
	      "Commands:\n",
		out);
	for (size_t i = 0; i < N_COMMANDS; i++)
		fprintf(out, "  %-8s  %s\n", commands[i].name, commands[i].summary);
	fputs("\n`pymodfs COMMAND --help` tells more about a command.\n"
	      "  --help     this text\n"
	      "  --version  the version of this program\n",
		out);
	return out == stdout ? 0 : CLI_USAGE;
}

static const struct command *find_command(const char *name)
{
	for (size_t i = 0; i < N_COMMANDS; i++)
		if (!strcmp(commands[i].name, name))
			return &commands[i];
	return NULL;
}

static int run_command(const char *name, int argc, char **argv)
{
	const struct command *command = find_command(name);
	if (!command) {
		fprintf(stderr, "pymodfs: no such command: %s; see: pymodfs --help\n", name);
		return CLI_USAGE;
	}
	current = command->name;
	optind = 0;
	int status = command->run(argc, argv);
	/* What stands in the buffer until the end may fail as well. */
	if (!status && (fflush(stdout) || ferror(stdout)))
		status = cli_fail("can't write: %s", strerror(errno));
	return status;
}

static int run_help(int argc, char **argv)
{
	char help[] = "--help";
	char *words[] = {argv[0], help, NULL};
	return argc < 2 ? print_help(stdout) : run_command(argv[1], 2, words);
}

int main(int argc, char **argv)
{
	if (argc < 2)
		return print_help(stderr);
	if (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h"))
		return print_help(stdout);
	if (!strcmp(argv[1], "--version") || !strcmp(argv[1], "-V"))
		return puts("pymodfs " PYMODFS_VERSION) < 0;
	if (!strcmp(argv[1], "help"))
		return run_help(argc - 1, argv + 1);
	return run_command(argv[1], argc - 1, argv + 1);
}
