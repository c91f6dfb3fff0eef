/* SPDX-License-Identifier: MIT */
/*
 * cli.h - what a subcommand of pymodfs is, and how one speaks to its user.
 *
 * A subcommand is a table: its name, operands and options. The parser, `--help` and the completion of shells all read that
 * table, so that they can't disagree. One thread.
 */
#ifndef PYMODFS_CLI_H
#define PYMODFS_CLI_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/* Exit statuses. */
enum { CLI_FAILURE = 1, CLI_USAGE = 2 };

/* What a word of the command line is: for the completion. */
enum cli_word {
	CLI_NOTHING,
	CLI_DB,
	CLI_MODULE, /* MODULE or MODULE@VERSION of the database that was named first */
	CLI_NAME,   /* a module that is there, without a version */
	CLI_DIR,
	CLI_FILE,
	CLI_MOUNT,
	CLI_MOUNT_OR_DB,
	CLI_TOPIC,
	CLI_MOUNT_OPTIONS,
};

enum cli_kind {
	CLI_FLAG,   /* bool */
	CLI_TEXT,   /* const char * */
	CLI_WORDS,  /* struct cli_words: may be given more than once */
	CLI_NUMBER, /* struct cli_number: whole and not negative */
	CLI_TIME,   /* struct cli_number: nanoseconds since the epoch; see cli_parse_time() */
	CLI_CHOICE, /* int: the index of the word in `value`, where they are parted by | */
};

struct cli_number {
	bool set;
	int64_t value;
};

struct cli_words {
	const char **words;
	size_t n;
};

struct cli_option {
	const char *name; /* the long one; NULL ends the table */
	char letter;      /* or 0 */
	enum cli_kind kind;
	size_t offset;      /* of the field in the command's struct */
	const char *value;  /* how the help calls the value */
	enum cli_word word; /* what it is */
	const char *help;
};

struct cli_command {
	const char *name;
	const char *summary;  /* a line for `pymodfs --help` */
	const char *operands; /* as the usage shows them */
	const char *about;    /* paragraphs for --help */
	const struct cli_option *options;
	size_t size;            /* of the struct that options fill; it is zeroed before */
	int min, max;           /* how many operands */
	const char *wanted;     /* what is said when there are too few or too many */
	enum cli_word words[3]; /* what the operands are; the last one stands for all that follow */
	bool pages;             /* long output: colours and a pager */
	bool finds;             /* a status of 1 is no failure; 2 is */
	void (*more_help)(FILE *out);
	/* argv[0] is the first operand; argv[argc] is NULL. Returns the exit status. */
	int (*run)(void *options, int argc, char **argv);
};

/* All of them, ended by NULL. */
extern const struct cli_command *const cli_commands[];
extern const struct cli_command cmd_annotate, cmd_backup, cmd_check, cmd_diff, cmd_export,
	cmd_import, cmd_init, cmd_log, cmd_mount, cmd_prune, cmd_restore, cmd_show, cmd_status,
	cmd_umount, cmd_upgrade;

const struct cli_command *cli_find_command(const char *name);
/* argv[0] is the command's name. */
int cli_run_command(const struct cli_command *command, int argc, char **argv);
int cli_print_help(const struct cli_command *command);
/* Prints paragraphs and indented lines (wrap.h) as wide as the terminal, but no wider than can be read well. */
int cli_print_text(const char *text);
/* The options that a command has: its own, then those that all of its kind have. NULL behind the last. */
const struct cli_option *cli_option_at(const struct cli_command *command, size_t index);

/* ---- mount(8) (helper.c) ---- */

/* What mount(8) calls under the name mount.fuse.pymodfs. */
bool cli_is_mount_helper(const char *program);
int cli_mount_helper(int argc, char **argv);

/* ---- topics (help.c) ---- */

struct cli_topic {
	const char *name, *summary, *text;
};
extern const struct cli_topic cli_topics[]; /* ends with a name of NULL */
int cli_help(int argc, char **argv);

/* ---- completion (complete.c) ---- */

/* Prints what may stand in the place of the last of the words, one a line. */
int cli_complete(int argc, char **argv);

/* ---- speaking ---- */

/* "pymodfs COMMAND: ..." on stderr; returns CLI_FAILURE. */
int cli_fail(const char *format, ...) __attribute__((format(printf, 1, 2), nonnull(1)));
/* Likewise, without an exit status: the command goes on. */
void cli_warn(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* Likewise for wrong usage, followed by where to find help; returns CLI_USAGE. */
int cli_usage(const char *format, ...) __attribute__((format(printf, 1, 2), nonnull(1)));

/* What a noun of which there are n ends with: "conflict%s". */
static inline const char *cli_plural(int64_t n)
{
	return n == 1 ? "" : "s";
}

/* The one of the n words that `word` may have been meant to be, or NULL. A word of NULL is passed over. */
const char *cli_nearest(const char *word, const char *const *words, size_t n);

/*
 * A moment: 2026-11-25, "2026-11-25 17:30[:05]" (or with a T; local time), @SECONDS since the epoch, or an age: 30d, 12h,
 * 45min, 90s, 2w, 1y. -EINVAL where it is none.
 */
int cli_parse_time(const char *text, int64_t *ret_ns);

#endif
