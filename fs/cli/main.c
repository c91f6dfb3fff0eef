/* SPDX-License-Identifier: MIT */
/* pymodfs: picks the subcommand. Each one is a file of its own; what they have in common is in command.c. */
#include "../store/escape.h"
#include "cli.h"
#include "interrupt.h"
#include "output.h"
#include "progress.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

const struct cli_command *const cli_commands[] = {
	&cmd_init,
	&cmd_mount,
	&cmd_umount,
	&cmd_status,
	&cmd_import,
	&cmd_export,
	&cmd_log,
	&cmd_show,
	&cmd_diff,
	&cmd_annotate,
	&cmd_restore,
	&cmd_prune,
	&cmd_check,
	&cmd_backup,
	&cmd_upgrade,
	NULL,
};

#define N_COMMANDS (sizeof(cli_commands) / sizeof(cli_commands[0]) - 1)

static const char *current; /* NULL: none yet */
static bool failed;         /* and why has been said */

__attribute__((format(printf, 1, 0))) static void say(const char *format, va_list args)
{
	fflush(stdout);
	progress_hide();
	fprintf(stderr, "pymodfs%s%s: ", current ? " " : "", current ? current : "");
	char *text;
	if (vasprintf(&text, format, args) < 0)
		return;
	escape_print(stderr, text, strlen(text));
	free(text);
}

int cli_fail(const char *format, ...)
{
	va_list args;
	va_start(args, format);
	say(format, args);
	va_end(args);
	fputc('\n', stderr);
	failed = true;
	return CLI_FAILURE;
}

void cli_warn(const char *format, ...)
{
	va_list args;
	va_start(args, format);
	say(format, args);
	va_end(args);
	fputc('\n', stderr);
}

int cli_usage(const char *format, ...)
{
	va_list args;
	va_start(args, format);
	say(format, args);
	va_end(args);
	fprintf(stderr, "%s see: pymodfs %s%s--help\n", strchr(format, '?') ? "" : ";",
		current ? current : "", current ? " " : "");
	return CLI_USAGE;
}

const struct cli_command *cli_find_command(const char *name)
{
	for (size_t i = 0; i < N_COMMANDS; i++)
		if (!strcmp(cli_commands[i]->name, name))
			return cli_commands[i];
	return NULL;
}

static int print_help(FILE *out)
{
	fputs("Usage: pymodfs COMMAND [ARGUMENT]...\n"
	      "Mounts a database table of Python modules as a directory of .py files.\n\n"
	      "Commands:\n",
		out);
	for (size_t i = 0; i < N_COMMANDS; i++)
		fprintf(out, "  %-8s  %s\n", cli_commands[i]->name, cli_commands[i]->summary);
	fputs("\nTopics:\n", out);
	for (const struct cli_topic *topic = cli_topics; topic->name; topic++)
		fprintf(out, "  help %-11s  %s\n", topic->name, topic->summary);
	fputs("\n`pymodfs help WORD`, or `pymodfs COMMAND --help`, tells more.\n"
	      "  --help     this text\n"
	      "  --version  the version of this program\n",
		out);
	return out == stdout ? 0 : CLI_USAGE;
}

static int refuse_command(const char *name)
{
	const char *names[N_COMMANDS];
	if (*name == '-')
		return cli_usage("unknown option %s", name);
	for (size_t i = 0; i < N_COMMANDS; i++)
		names[i] = cli_commands[i]->name;
	const char *near = cli_nearest(name, names, N_COMMANDS);
	if (near)
		return cli_usage("no such command: %s; did you mean %s?", name, near);
	return cli_usage("no such command: %s", name);
}

/* What stands in the buffer until the end may fail as well. command NULL: a text was printed. */
static int finish(const struct cli_command *command, int status)
{
	bool lost = fflush(stdout) || ferror(stdout);
	/* What some commands say by a status of 1 would have been said in vain. */
	if (lost && !failed && status != CLI_USAGE) {
		cli_fail("can't write: %s", strerror(errno));
		status = command && command->finds ? CLI_USAGE : CLI_FAILURE;
	}
	output_end();
	interrupt_end(status);
	return status;
}

static int run_command(int argc, char **argv)
{
	const struct cli_command *command = cli_find_command(argv[0]);
	if (!command)
		return refuse_command(argv[0]);
	current = command->name;
	return finish(command, cli_run_command(command, argc, argv));
}

/*
 * What was closed stays no place to read from or write to, but the next file that is opened, a database or /dev/fuse, must not
 * take its number.
 */
static void keep_standard_files(void)
{
	for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
		if (fcntl(fd, F_GETFD) < 0)
			(void)!open("/dev/null", fd == STDIN_FILENO ? O_WRONLY : O_RDONLY);
}

int main(int argc, char **argv)
{
	keep_standard_files();
	if (argc && cli_is_mount_helper(argv[0])) {
		current = cmd_mount.name;
		return cli_mount_helper(argc, argv);
	}
	if (argc < 2)
		return print_help(stderr);
	if (!strcmp(argv[1], "--complete"))
		return finish(NULL, cli_complete(argc - 2, argv + 2));
	if (!strcmp(argv[1], "--version") || !strcmp(argv[1], "-V"))
		return finish(NULL, puts("pymodfs " PYMODFS_VERSION) < 0);
	bool help = !strcmp(argv[1], "help");
	bool of_help = help && (argc == 2 || (argc == 3 && !strcmp(argv[2], "help")));
	if (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h") || of_help)
		return finish(NULL, print_help(stdout));
	return help ? finish(NULL, cli_help(argc - 2, argv + 2)) : run_command(argc - 1, argv + 1);
}
