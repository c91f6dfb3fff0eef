// SPDX-License-Identifier: MIT
/*
 * The command line of `pymodfs mount`. Options after -o are those of mount(8) that make sense here, and our own; an unknown
 * one is refused by name.
 */
#include "options.h"

#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define MIB ((size_t)1 << 20)

static const char usage[] =
	"Usage: pymodfs mount [-f] [-d] [-o OPTION[,OPTION...]] DATABASE DIRECTORY\n"
	"\n"
	"Mounts the table of modules in DATABASE on DIRECTORY, which has to exist and be empty. "
	"Goes to the\n"
	"background once the mount answers.\n"
	"\n"
	"  -f, --foreground   stay in the foreground and log to stderr\n"
	"  -d, --debug        as -f, and log every request\n"
	"  -o OPTIONS         see below\n"
	"  -h, --help         this text\n"
	"\n"
	"Options after -o:\n"
	"  ro, rw             read-only, or not (the default)\n"
	"  uid=N, gid=N       owner of what has no owner of its own (default: you)\n"
	"  umask=OCTAL        taken from the mode of what has no mode of its own (default: 022)\n"
	"  allow_other        let other users in, as owners and modes say (default: nobody but "
	"you)\n"
	"  allow_root         let root in too\n"
	"  fsname=NAME        what mount(8) and df(1) show (default: the database's path)\n"
	"  suid, dev          allow set-user-ID programs, devices (default: nosuid, nodev)\n"
	"  noexec, exec, noatime\n"
	"  nonempty           mount over a directory that isn't empty\n"
	"  echo=on|off        show inotify watchers of the mount what other programs change "
	"(default: on)\n"
	"  busy_timeout=MS    how long a save waits for another program's lock (default: 5000)\n"
	"  file_max=MIB       largest file (default: 900)\n"
	"  memory_max=MIB     memory for what is being written (default: 1024)\n";

static int complain(const char *what, const char *name)
{
	fprintf(stderr, "pymodfs mount: %s%s; see pymodfs mount --help\n", what, name ? name : "");
	return -EINVAL;
}

/* A whole number from 0 to max. */
static int parse_number(
	const char *name, const char *value, int base, unsigned long max, unsigned long *ret_number)
{
	char *end;
	errno = 0;
	unsigned long number = value && value[0] != '-' ? strtoul(value, &end, base) : 0;
	if (!value || !value[0] || value[0] == '-' || *end || errno || number > max) {
		fprintf(stderr,
			"pymodfs mount: %s=%s is no number that it takes; see pymodfs mount "
			"--help\n",
			name, value ? value : "");
		return -EINVAL;
	}
	*ret_number = number;
	return 0;
}

enum suboption {
	OPTION_RO,
	OPTION_RW,
	OPTION_UID,
	OPTION_GID,
	OPTION_UMASK,
	OPTION_ALLOW_OTHER,
	OPTION_ALLOW_ROOT,
	OPTION_FSNAME,
	OPTION_SUID,
	OPTION_NOSUID,
	OPTION_DEV,
	OPTION_NODEV,
	OPTION_NOEXEC,
	OPTION_EXEC,
	OPTION_NOATIME,
	OPTION_NONEMPTY,
	OPTION_ECHO,
	OPTION_BUSY_TIMEOUT,
	OPTION_FILE_MAX,
	OPTION_MEMORY_MAX,
	OPTION_DEFAULT_PERMISSIONS,
	OPTION_DEFAULTS,
	N_OPTIONS,
};

static char *const option_names[N_OPTIONS + 1] = {
	[OPTION_RO] = "ro",
	[OPTION_RW] = "rw",
	[OPTION_UID] = "uid",
	[OPTION_GID] = "gid",
	[OPTION_UMASK] = "umask",
	[OPTION_ALLOW_OTHER] = "allow_other",
	[OPTION_ALLOW_ROOT] = "allow_root",
	[OPTION_FSNAME] = "fsname",
	[OPTION_SUID] = "suid",
	[OPTION_NOSUID] = "nosuid",
	[OPTION_DEV] = "dev",
	[OPTION_NODEV] = "nodev",
	[OPTION_NOEXEC] = "noexec",
	[OPTION_EXEC] = "exec",
	[OPTION_NOATIME] = "noatime",
	[OPTION_NONEMPTY] = "nonempty",
	[OPTION_ECHO] = "echo",
	[OPTION_BUSY_TIMEOUT] = "busy_timeout",
	[OPTION_FILE_MAX] = "file_max",
	[OPTION_MEMORY_MAX] = "memory_max",
	[OPTION_DEFAULT_PERMISSIONS] = "default_permissions", /* always on */
	[OPTION_DEFAULTS] = "defaults",
};

static int set_number(struct mount_options *options, enum suboption option, const char *value)
{
	unsigned long number = 0;
	const char *name = option_names[option];
	int r = 0;
	switch (option) {
	case OPTION_UID:
		r = parse_number(name, value, 10, UINT_MAX - 1, &number);
		options->uid = (uid_t)number;
		break;
	case OPTION_GID:
		r = parse_number(name, value, 10, UINT_MAX - 1, &number);
		options->gid = (gid_t)number;
		break;
	case OPTION_UMASK:
		r = parse_number(name, value, 8, 0777, &number);
		options->umask = (mode_t)number;
		break;
	case OPTION_BUSY_TIMEOUT:
		r = parse_number(name, value, 10, 3600000, &number);
		options->busy_timeout_ms = (int)number;
		break;
	case OPTION_FILE_MAX:
		r = parse_number(name, value, 10, 900, &number);
		options->file_max = number * MIB;
		break;
	default:
		r = parse_number(name, value, 10, 1 << 20, &number);
		options->memory_max = number * MIB;
		break;
	}
	return r;
}

static int set_echo(struct mount_options *options, const char *value)
{
	if (!value || (strcmp(value, "on") != 0 && strcmp(value, "off") != 0))
		return complain("echo= takes on or off", NULL);
	options->echo = strcmp(value, "on") == 0;
	return 0;
}

static int set_option(struct mount_options *options, enum suboption option, char *value)
{
	switch (option) {
	case OPTION_UID:
	case OPTION_GID:
	case OPTION_UMASK:
	case OPTION_BUSY_TIMEOUT:
	case OPTION_FILE_MAX:
	case OPTION_MEMORY_MAX:
		return set_number(options, option, value);
	case OPTION_ECHO:
		return set_echo(options, value);
	case OPTION_FSNAME:
		options->fsname = value;
		return value && value[0] ? 0 : complain("fsname= needs a name", NULL);
	default:
		break;
	}
	if (value)
		return complain("no value goes with the option ", option_names[option]);
	switch (option) {
	case OPTION_RO:
	case OPTION_RW:
		options->read_only = option == OPTION_RO;
		break;
	case OPTION_ALLOW_OTHER:
		options->allow_other = true;
		break;
	case OPTION_ALLOW_ROOT:
		options->allow_root = true;
		break;
	case OPTION_SUID:
	case OPTION_NOSUID:
		options->suid = option == OPTION_SUID;
		break;
	case OPTION_DEV:
	case OPTION_NODEV:
		options->dev = option == OPTION_DEV;
		break;
	case OPTION_NOEXEC:
	case OPTION_EXEC:
		options->noexec = option == OPTION_NOEXEC;
		break;
	case OPTION_NOATIME:
		options->noatime = true;
		break;
	case OPTION_NONEMPTY:
		options->nonempty = true;
		break;
	default:
		break;
	}
	return 0;
}

static int parse_list(struct mount_options *options, char *list)
{
	while (*list) {
		char *value, *start = list;
		int option = getsubopt(&list, option_names, &value);
		if (option < 0)
			return complain("unknown option ", start);
		int r = set_option(options, (enum suboption)option, value);
		if (r < 0)
			return r;
	}
	return 0;
}

static void set_defaults(struct mount_options *options)
{
	memset(options, 0, sizeof(*options));
	options->uid = geteuid();
	options->gid = getegid();
	options->umask = 022;
	options->echo = true;
	options->busy_timeout_ms = 5000;
	options->file_max = 900 * MIB;
	options->memory_max = 1024 * MIB;
}

int mount_options_parse(int argc, char **argv, struct mount_options *ret_options)
{
	static const struct option long_options[] = {
		{"foreground", no_argument, NULL, 'f'},
		{"debug", no_argument, NULL, 'd'},
		{"help", no_argument, NULL, 'h'},
		{NULL, 0, NULL, 0},
	};
	int r = 0;
	set_defaults(ret_options);
	optind = 1;
	for (int c; r == 0 && (c = getopt_long(argc, argv, "fdo:h", long_options, NULL)) != -1;) {
		switch (c) {
		case 'f':
			ret_options->foreground = true;
			break;
		case 'd':
			ret_options->foreground = ret_options->debug = true;
			break;
		case 'o':
			r = parse_list(ret_options, optarg);
			break;
		case 'h':
			fputs(usage, stdout);
			exit(0);
		default:
			return -EINVAL;
		}
	}
	if (r < 0)
		return r;
	if (argc - optind != 2)
		return complain("it takes a database and a directory", NULL);
	ret_options->url = argv[optind];
	ret_options->mountpoint = argv[optind + 1];
	return 0;
}
