/* SPDX-License-Identifier: MIT */
/*
 * options.h - what `pymodfs mount` is asked to do.
 */
#ifndef PYMODFS_OPTIONS_H
#define PYMODFS_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct mount_options {
	const char *url; /* the database */
	const char *mountpoint;
	bool foreground;
	bool read_only;
	bool allow_other, allow_root;
	bool suid, dev, noexec, noatime;
	bool debug;
	bool nonempty;
	bool echo;          /* repeat others' changes for those who watch the mount */
	const char *fsname; /* NULL: the database's path */
	uid_t uid;
	gid_t gid;
	mode_t umask;
	int busy_timeout_ms;
	size_t file_max, memory_max;
};

/* The command line; -EINVAL: it is wrong, and one line on stderr says how. */
int mount_options_parse(int argc, char **argv, struct mount_options *ret_options);

#endif
