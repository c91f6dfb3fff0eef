// SPDX-License-Identifier: MIT
/*
 * What stands after -o on the command line of `pymodfs mount`: the options of mount(8) that make sense here, and our own; an
 * unknown one is refused by name. Help and completion read the same table.
 */
#include "options.h"

#include <errno.h>
#include <limits.h>
#include <pwd.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <syslog.h>
#include <unistd.h>

#include "log.h"

#define MIB ((size_t)1 << 20)

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
	OPTION_SETUID,
	OPTION_LOGLEVEL,
	OPTION_REMOUNT,
	OPTION_CACHE_MAX,
	OPTION_FEED_MAX,
	OPTION_SPIN,
	N_OPTIONS,
};

const struct mount_option_help mount_option_table[N_OPTIONS + 1] = {
	[OPTION_RO] = {"ro", NULL, "read-only"},
	[OPTION_RW] = {"rw", NULL,
		"refuse a database that can't be written (default: mount it read-only)"},
	[OPTION_UID] = {"uid", "N", "owner of what has no owner of its own (default: you)"},
	[OPTION_GID] = {"gid", "N", "group of what has no group of its own (default: yours)"},
	[OPTION_UMASK] = {"umask", "OCTAL",
		"taken from the mode of what has no mode of its own (default: 022)"},
	[OPTION_ALLOW_OTHER] = {"allow_other", NULL,
		"let other users in, as owners and modes say (default: nobody but you)"},
	[OPTION_ALLOW_ROOT] = {"allow_root", NULL, "let root in too"},
	[OPTION_FSNAME] = {"fsname", "NAME",
		"what mount(8) and df(1) show (default: the database's path)"},
	[OPTION_SUID] = {"suid", NULL, "honour set-user-ID programs"},
	[OPTION_NOSUID] = {"nosuid", NULL, "don't (the default)"},
	[OPTION_DEV] = {"dev", NULL, "honour devices"},
	[OPTION_NODEV] = {"nodev", NULL, "don't (the default)"},
	[OPTION_NOEXEC] = {"noexec", NULL, "run no program from the mount"},
	[OPTION_EXEC] = {"exec", NULL, "do (the default)"},
	[OPTION_NOATIME] = {"noatime", NULL, "as for any file system"},
	[OPTION_NONEMPTY] = {"nonempty", NULL, "mount over a directory that isn't empty"},
	[OPTION_ECHO] = {"echo", "on|off",
		"show inotify watchers what other programs change in the database (default: on)"},
	[OPTION_BUSY_TIMEOUT] = {"busy_timeout", "MS",
		"how long a save waits for another program's lock (default: 5000)"},
	[OPTION_FILE_MAX] = {"file_max", "MIB",
		"largest module or file without its zeros (default: 900)"},
	[OPTION_MEMORY_MAX] = {"memory_max", "MIB",
		"memory for what is being written (default: 1024)"},
	[OPTION_CACHE_MAX] = {"cache_max", "MIB",
		"memory for pages of an SQLite database (default: 8)"},
	[OPTION_FEED_MAX] = {"feed_max", "MIB",
		"memory for what the feed keeps for slow readers (default: 4)"},
	[OPTION_SPIN] = {"spin", "US",
		"how long to stay awake for the next request of a burst (default: 300)"},
	[OPTION_SETUID] = {"setuid", "USER", "become this user first; for root, in /etc/fstab"},
	[OPTION_LOGLEVEL] = {"loglevel", "LEVEL",
		"error, warning, notice, info (the default) or debug"},
	[OPTION_REMOUNT] = {"remount", NULL, "refused: unmount and mount again instead"},
};

/*
 * What is for mount(8) or systemd, is so anyway (a save is always sync, default_permissions always on), or makes no
 * difference here (the kernel keeps no access times for FUSE).
 */
static const char *const passed_over[] = {"defaults", "default_permissions", "auto", "noauto",
	"nofail", "_netdev", "user", "users", "nouser", "owner", "noowner", "group", "nogroup",
	"async", "sync", "dirsync", "atime", "relatime", "norelatime", "strictatime",
	"nostrictatime", "diratime", "nodiratime", "lazytime", "nolazytime", "silent", "loud"};

bool mount_options_pass_over(const char *option)
{
	size_t n = strcspn(option, ",=");
	if (!strncasecmp(option, "x-", 2) || !strncmp(option, "user=", 5) ||
		!strncmp(option, "comment=", 8))
		return true;
	for (size_t i = 0; i < sizeof(passed_over) / sizeof(passed_over[0]); i++)
		if (strlen(passed_over[i]) == n && option[n] != '=' &&
			!strncmp(passed_over[i], option, n))
			return true;
	return false;
}

/* Those that count MiB: where they are kept and the most that they take; NULL: it is another one. */
static size_t *find_size(
	struct mount_options *options, enum suboption option, unsigned long *ret_max)
{
	*ret_max = 1 << 20;
	switch (option) {
	case OPTION_FILE_MAX:
		*ret_max = 900;
		return &options->file_max;
	case OPTION_MEMORY_MAX:
		return &options->memory_max;
	case OPTION_CACHE_MAX:
		return &options->cache_max;
	case OPTION_FEED_MAX:
		return &options->feed_max;
	default:
		return NULL;
	}
}

static int set_size(struct mount_options *options, enum suboption option, const char *value)
{
	unsigned long number, max;
	size_t *size = find_size(options, option, &max);
	int r = parse_number(mount_option_table[option].name, value, 10, max, &number);
	if (r == 0)
		*size = number * MIB;
	return r;
}

static int set_number(struct mount_options *options, enum suboption option, const char *value)
{
	unsigned long number = 0;
	const char *name = mount_option_table[option].name;
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
	case OPTION_SPIN:
		r = parse_number(name, value, 10, 10000, &number);
		options->spin_us = (int)number;
		break;
	default:
		r = set_size(options, option, value);
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

/* Whose is what has no owner of its own: that user's, unless uid= and gid= say otherwise. */
static int set_user(struct mount_options *options, const char *name)
{
	const struct passwd *user = name ? getpwnam(name) : NULL;
	if (!user)
		return complain("setuid= names no user of this system: ", name ? name : "''");
	options->user = name;
	if (options->uid == geteuid())
		options->uid = user->pw_uid;
	if (options->gid == getegid())
		options->gid = user->pw_gid;
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
	case OPTION_CACHE_MAX:
	case OPTION_FEED_MAX:
	case OPTION_SPIN:
		return set_number(options, option, value);
	case OPTION_ECHO:
		return set_echo(options, value);
	case OPTION_FSNAME:
		options->fsname = value;
		return value && value[0] ? 0 : complain("fsname= needs a name", NULL);
	case OPTION_SETUID:
		return set_user(options, value);
	case OPTION_LOGLEVEL:
		options->log_level = log_level_by_name(value);
		return options->log_level >= 0
			       ? 0
			       : complain("no level of the log is called ", value ? value : "''");
	case OPTION_REMOUNT:
		return complain(
			"a mount can't be changed while it is there; unmount it and mount it again",
			NULL);
	default:
		break;
	}
	if (value)
		return complain("no value goes with the option ", mount_option_table[option].name);
	switch (option) {
	case OPTION_RO:
	case OPTION_RW:
		options->read_only = option == OPTION_RO;
		options->read_write = option == OPTION_RW;
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

int mount_options_parse_list(struct mount_options *options, char *list)
{
	char *names[N_OPTIONS + 1] = {NULL};
	for (int i = 0; i < N_OPTIONS; i++)
		names[i] = (char *)(uintptr_t)mount_option_table[i].name;
	while (*list) {
		char *value, *start = list;
		int option = getsubopt(&list, names, &value);
		if (option < 0 && (options->sloppy || mount_options_pass_over(start)))
			continue;
		if (option < 0)
			return complain("unknown option ", start);
		int r = set_option(options, (enum suboption)option, value);
		if (r < 0)
			return r;
	}
	return 0;
}

void mount_options_init(struct mount_options *options)
{
	memset(options, 0, sizeof(*options));
	options->uid = geteuid();
	options->gid = getegid();
	options->umask = 022;
	options->echo = true;
	options->busy_timeout_ms = 5000;
	options->file_max = 900 * MIB;
	options->memory_max = 1024 * MIB;
	options->log_level = LOG_INFO;
	options->cache_max = 8 * MIB;
	options->feed_max = 4 * MIB;
	options->spin_us = 300;
}
