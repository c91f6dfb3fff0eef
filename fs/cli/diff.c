/* SPDX-License-Identifier: MIT */
/*
 * pymodfs diff: what changed between two versions, as `diff -u` says it.
 *
 * Both contents go into files without a name (memfd), which diff opens through /dev/fd: nothing is left
 * behind, whatever happens. diff itself colours on a terminal.
 */
#include "cli.h"
#include "past.h"

#include <errno.h>
#include <getopt.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

static const char help[] =
	"Usage: pymodfs diff DB MODULE[@VERSION] [MODULE[@VERSION]]\n"
	"Compares two versions of modules of the database DB, as diff -u does. Without @VERSION it "
	"is the module as\n"
	"it is. One alone is compared with the version before it.\n\n"
	"  --help  this text\n";

enum { OPT_HELP = 1 };

static const struct option options[] = {
	{"help", no_argument, NULL, OPT_HELP},
	{0},
};

/* One of the two. */
struct side {
	struct past_name name;
	struct past_version version; /* id 0: nothing */
	char *label;
	int fd;
};

static void side_finish(struct side *side)
{
	if (side->fd >= 0)
		close(side->fd);
	free(side->label);
}

static int write_all(int fd, const char *data, size_t size)
{
	while (size) {
		ssize_t n = write(fd, data, size);
		if (n < 0)
			return cli_fail("can't keep a file in memory: %s", strerror(errno));
		data += n;
		size -= (size_t)n;
	}
	return 0;
}

/* The content in a file that a child process gets. */
static int fill_side(struct side *side, struct store_reader *reader)
{
	void *data = NULL;
	size_t size = 0;
	int status = 0;
	side->fd = memfd_create("pymodfs diff", 0);
	if (side->fd < 0)
		return cli_fail("can't keep a file in memory: %s", strerror(errno));
	if (asprintf(&side->label, side->version.id ? "%s@%lld" : "/dev/null", side->name.path,
		    (long long)side->version.id) < 0)
		side->label = NULL;
	if (!side->label)
		return cli_fail("out of memory");
	if (side->version.id)
		status = past_read(reader, &side->name, &side->version, &data, &size);
	if (!status)
		status = write_all(side->fd, data, size);
	free(data);
	return status;
}

static int run_diff(const struct side *old, const struct side *new)
{
	char old_file[32], new_file[32];
	const char *words[] = {"diff", "-u", "--color=auto", "--label", old->label, "--label",
		new->label, "--", old_file, new_file, NULL};
	pid_t pid;
	int status;
	snprintf(old_file, sizeof(old_file), "/dev/fd/%d", old->fd);
	snprintf(new_file, sizeof(new_file), "/dev/fd/%d", new->fd);
	int err = posix_spawnp(&pid, "diff", NULL, NULL, (char **)(uintptr_t)words, environ);
	if (err == ENOENT)
		return cli_fail("there is no program diff; install diffutils");
	if (err)
		return cli_fail("can't run diff: %s", strerror(err));
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return cli_fail("diff: %s", strerror(errno));
	/* 1 says that there are differences. Of what else went wrong diff has told. */
	return WIFEXITED(status) && WEXITSTATUS(status) <= 1 ? 0 : CLI_FAILURE;
}

static int compare(struct store_reader *reader, struct side *old, struct side *new)
{
	int status = fill_side(old, reader);
	if (!status)
		status = fill_side(new, reader);
	return status ? status : run_diff(old, new);
}

/* One name: against the version before it. A deleted module's last version against nothing. */
static int find_pair(struct store_reader *reader, struct side *old, struct side *new)
{
	int status = past_find(reader, &new->name, &new->version);
	return status ? status
		      : past_find_before(reader, &old->name, new->version.id, &old->version);
}

static int find_both(struct store_reader *reader, struct side *old, struct side *new)
{
	int status = past_find(reader, &old->name, &old->version);
	return status ? status : past_find(reader, &new->name, &new->version);
}

static int diff(struct store_reader *reader, void *arg)
{
	char **words = arg;
	struct side old = {.fd = -1}, new = {.fd = -1};
	int status = past_name_init(&old.name, reader, words[0]);
	if (!status)
		status = past_name_init(&new.name, reader, words[1] ? words[1] : words[0]);
	if (!status)
		status = words[1] ? find_both(reader, &old, &new) : find_pair(reader, &old, &new);
	if (!status)
		status = compare(reader, &old, &new);
	side_finish(&new);
	side_finish(&old);
	past_name_finish(&new.name);
	past_name_finish(&old.name);
	return status;
}

int cmd_diff(int argc, char **argv)
{
	int option;
	while ((option = getopt_long(argc, argv, ":", options, NULL)) != -1) {
		if (option != OPT_HELP)
			return cli_bad_option(argc, argv, option);
		return fputs(help, stdout) < 0;
	}
	if (argc - optind < 2 || argc - optind > 3)
		return cli_usage("name the database and one or two modules");
	return past_with_reader(argv[optind], diff, argv + optind + 1);
}
