/* SPDX-License-Identifier: MIT */
/*
 * The helper of mount(8), which looks for a program that is called after the type of the file system: pymodfs itself under
 * that name. What is passed on is in mount(8), "External helpers":
 *
 *     mount.fuse.pymodfs SOURCE DIRECTORY [-sfnvN] [-o OPTIONS] [-t TYPE]
 *
 * There is none for umount(8): for root it asks the kernel for the type, which says fuse, and finds no helper.
 */
#include "cli.h"

#include <getopt.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

bool cli_is_mount_helper(const char *program)
{
	const char *slash = strrchr(program, '/');
	return !strcmp(slash ? slash + 1 : program, "mount.fuse.pymodfs");
}

/* mount(8) says rw wherever nobody said ro; to us it would mean that nothing else will do. */
static void drop_rw(char *list)
{
	char *to = list;
	for (const char *word = list; *word;) {
		size_t size = strcspn(word, ",");
		bool kept = size != 2 || strncmp(word, "rw", 2) != 0;
		size += word[size] == ',';
		if (kept)
			to = (char *)memmove(to, word, size) + size;
		word += size;
	}
	*to = '\0';
}

int cli_mount_helper(int argc, char **argv)
{
	char name[] = "mount", o[] = "-o", sloppy[] = "-s", end[] = "--", none[] = "defaults";
	char *list = none;
	bool fake = false, sloppily = false;
	for (int option; (option = getopt(argc, argv, ":sfnvN:o:t:")) != -1;) {
		switch (option) {
		case 's':
			sloppily = true;
			break;
		case 'f':
			fake = true;
			break;
		case 'o':
			list = optarg;
			drop_rw(list);
			break;
		case 'N':
			return cli_fail("it can't mount in another namespace; use nsenter(1)");
		case 'n': /* there is no /etc/mtab to write */
		case 'v':
		case 't':
			break;
		default:
			return cli_fail("mount(8) passes no such option: -%c", optopt);
		}
	}
	if (argc - optind != 2)
		return cli_fail("this is for mount(8): mount -t fuse.pymodfs DATABASE DIRECTORY");
	if (fake)
		return 0;
	int n = 0;
	char *words[8];
	words[n++] = name;
	if (sloppily)
		words[n++] = sloppy;
	words[n++] = o;
	words[n++] = list;
	words[n++] = end;
	words[n++] = argv[optind];
	words[n++] = argv[optind + 1];
	words[n] = NULL;
	return cli_run_command(&cmd_mount, n, words);
}
