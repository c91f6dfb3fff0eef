/* SPDX-License-Identifier: MIT */
/* cli.h - the subcommands of pymodfs. */
#ifndef PYMODFS_CLI_H
#define PYMODFS_CLI_H

/*
 * A subcommand: argv[0] is its name, optind is reset. Returns the exit status: 0; 1 for a failure, which
 * has been said in one line on stderr; 2 for wrong usage.
 */
typedef int cmd_fn(int argc, char **argv);

cmd_fn cmd_backup, cmd_check, cmd_diff, cmd_export, cmd_import, cmd_init, cmd_log, cmd_mount,
	cmd_restore, cmd_show, cmd_status, cmd_umount;

enum { CLI_FAILURE = 1, CLI_USAGE = 2 };

/* "pymodfs COMMAND: ..." on stderr; returns CLI_FAILURE. */
int cli_fail(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* Likewise for wrong usage, followed by where to find help; returns CLI_USAGE. */
int cli_usage(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* For getopt_long() results that are no option of the command: ':' and '?'. */
int cli_bad_option(int argc, char **argv, int option);

#endif
