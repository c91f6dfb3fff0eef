/* SPDX-License-Identifier: MIT */
/* pymodfs help: the help of a command, or one of the topics that are no command's alone. */
#include "cli.h"
#include "output.h"

#include <string.h>

const struct cli_topic cli_topics[] = {
	{"names", "how databases, modules and versions are named",
		"DB is the path of an SQLite database, or a PostgreSQL one as "
		"postgresql://USER@HOST/NAME.\n\n"
		"MODULE is a dotted name (a.b) or a path (a/b.py). The row a.b is the file a/b.py, "
		"the row\n"
		"a.__init__ is a/__init__.py. A dotted name of which there is no module is that of "
		"a package's\n"
		"__init__, or else of another file at the top (data.txt).\n\n"
		"MODULE@VERSION is the module as it was with that version. Versions are numbered "
		"over the whole\n"
		"database; `pymodfs log` tells them.\n"},
	{"history", "how to look back, undo, and forget",
		"Every content that a module ever had is kept, whoever changed it: an editor, an "
		"import, SQL.\n\n"
		"  pymodfs log DB [MODULE]            what happened, when, and by whom\n"
		"  pymodfs show DB MODULE@VERSION     a version\n"
		"  pymodfs diff DB MODULE             what the last change was\n"
		"  pymodfs annotate DB MODULE         who made each line\n"
		"  pymodfs restore DB MODULE          a deleted module comes back\n"
		"  pymodfs restore DB MODULE@VERSION  an old version becomes the newest\n"
		"  pymodfs restore --generation N DB  everything becomes what it was\n"
		"  pymodfs prune --older-than 90d DB  forgets old versions\n\n"
		"A generation is a state of the whole database: N is the number of the last change "
		"in it, as\n"
		"`pymodfs log` tells it in its second column; a time does as well (2026-11-25, "
		"'2026-11-25 17:30', 2h).\n"},
	{"times", "how moments are written",
		"--since, --older-than and --generation take a date (2026-11-25), a date and time "
		"('2026-11-25 17:30',\n"
		"2026-11-25T17:30:05) in local time, @SECONDS since 1970, or an age: 90s, 45min, "
		"12h, 30d, 2w, 1y.\n"},
	{"patterns", "how --include and --exclude choose files",
		"import and export take patterns of the shell (*, ?, [...]), which may be given "
		"more than once. A file is\n"
		"taken when it matches one of --include, or there is none, and matches none of "
		"--exclude. A pattern\n"
		"with a slash in it is compared with the path below the top, where * goes over "
		"slashes as well; one\n"
		"without with each name on the way: --exclude tests leaves out whatever is below a "
		"directory tests.\n"},
	{"control", "what a mount tells programs: MNT/.pymodfs",
		"MNT/.pymodfs is in each mount and in no listing:\n\n"
		"  generation          a number that grows with each change that the mount shows\n"
		"  feed                a line for each change; poll() wakes when there is more\n"
		"  status              JSON; `pymodfs status MNT` reads it\n"
		"  at/GENERATION/      the whole tree as it was\n"
		"  history/a/b.py/     the versions of a file\n"},
	{"environment", "variables that pymodfs looks at",
		"  PYMODFS_PAGER, PAGER  the pager of long output on a terminal; empty or cat: "
		"none (default: less)\n"
		"  NO_COLOR              when not empty: no colours\n"
		"  TERM                  dumb: no colours\n"
		"  TZ                    the time zone of times that are printed and read\n"
		"  PGHOST, PGUSER, ...   as for all programs that use PostgreSQL's libpq\n"},
	{"pymodhost", "the program that runs modules and keeps them up to date",
		"pymodhost is a program of its own: it runs a program whose modules are in a "
		"mount, "
		"or in any directory,\n"
		"and takes up every change of them while it runs.\n\n"
		"  pymodhost --path MNT -m MODULE     runs a module of a mount\n"
		"  pymodhost --help                   tells its options\n"
		"  man pymodhost                      tells more\n"},
	{0},
};

static const struct cli_topic *find_topic(const char *name)
{
	for (const struct cli_topic *topic = cli_topics; topic->name; topic++)
		if (!strcmp(topic->name, name))
			return topic;
	return NULL;
}

static int refuse(const char *name)
{
	const char *names[64];
	size_t n = 0;
	for (size_t i = 0; cli_commands[i]; i++)
		names[n++] = cli_commands[i]->name;
	for (const struct cli_topic *topic = cli_topics; topic->name; topic++)
		names[n++] = topic->name;
	const char *near = cli_nearest(name, names, n);
	if (near)
		return cli_usage("no help on %s; did you mean %s?", name, near);
	return cli_usage("no help on %s", name);
}

int cli_help(int argc, char **argv)
{
	if (argc > 1)
		return cli_usage("help takes one word");
	const struct cli_command *command = cli_find_command(argv[0]);
	const struct cli_topic *topic = find_topic(argv[0]);
	if (!command && !topic)
		return refuse(argv[0]);
	output_begin();
	int status = command ? cli_print_help(command) : cli_print_text(topic->text);
	output_end();
	return status;
}
