/* SPDX-License-Identifier: MIT */
/* pymodfs mount: its command line. What it does is in fs/mount. */
#include "../mount/options.h"
#include "cli.h"

#include <stdlib.h>
#include <string.h>

struct mount_words {
	bool foreground, debug, sloppy;
	struct cli_words lists;
};

static const struct cli_option options[] = {
	{"foreground", 'f', CLI_FLAG, offsetof(struct mount_words, foreground), NULL, CLI_NOTHING,
		"stay in the foreground and log to stderr"},
	{"debug", 'd', CLI_FLAG, offsetof(struct mount_words, debug), NULL, CLI_NOTHING,
		"as -f, and log every request"},
	{"sloppy", 's', CLI_FLAG, offsetof(struct mount_words, sloppy), NULL, CLI_NOTHING,
		"pass over options that it doesn't know"},
	{"options", 'o', CLI_WORDS, offsetof(struct mount_words, lists), "OPTION[,OPTION]...",
		CLI_MOUNT_OPTIONS, "see below"},
	{0},
};

static void help(FILE *out)
{
	fputs("\nOptions after -o:\n", out);
	for (const struct mount_option_help *o = mount_option_table; o->name; o++) {
		char text[64];
		snprintf(text, sizeof(text), "%s%s%s", o->name, o->value ? "=" : "",
			o->value ? o->value : "");
		fprintf(out, "  %-19s  %s\n", text, o->help);
	}
	fputs("\nWhat mount(8) and systemd keep for themselves (nofail, user, x-...) is passed "
	      "over.\n",
		out);
}

static bool is_known(const char *name)
{
	for (const struct mount_option_help *o = mount_option_table; o->name; o++)
		if (!strcmp(o->name, name))
			return true;
	return false;
}

/* A mistyped name gets a better answer than the parser of values has. */
static int check_names(const char *list)
{
	const char *names[64];
	size_t n = 0;
	while (n < 64 && mount_option_table[n].name) {
		names[n] = mount_option_table[n].name;
		n++;
	}
	for (; *list; list += strcspn(list, ","), list += *list == ',') {
		char name[64] = "";
		size_t length = strcspn(list, ",=");
		memcpy(name, list, length < sizeof(name) ? length : sizeof(name) - 1);
		if (is_known(name) || mount_options_pass_over(list))
			continue;
		const char *near = cli_nearest(name, names, n);
		if (near)
			return cli_usage(
				"unknown option %s after -o; did you mean %s?", name, near);
	}
	return 0;
}

static int run(void *arg, int argc, char **argv)
{
	struct mount_words *words = arg;
	struct mount_options mount;
	mount_options_init(&mount);
	mount.foreground = words->foreground || words->debug;
	mount.debug = words->debug;
	mount.sloppy = words->sloppy;
	for (size_t i = 0; i < words->lists.n; i++) {
		char *list = (char *)(uintptr_t)words->lists.words[i];
		int status = mount.sloppy ? 0 : check_names(list);
		if (status)
			return status;
		if (mount_options_parse_list(&mount, list))
			return CLI_USAGE;
	}
	mount.url = argv[0];
	mount.mountpoint = argv[1];
	return mount_run(&mount);
}

const struct cli_command cmd_mount = {
	.name = "mount",
	.summary = "mount a database on a directory",
	.operands = "DB DIRECTORY",
	.about = "Mounts the table of modules in the database DB on DIRECTORY, which has to exist "
		 "and be empty. Goes\n"
		 "to the background once the mount answers.\n",
	.options = options,
	.size = sizeof(struct mount_words),
	.min = 2,
	.max = 2,
	.wanted = "name the database and the directory",
	.words = {CLI_DB, CLI_DIR, CLI_NOTHING},
	.more_help = help,
	.run = run,
};
