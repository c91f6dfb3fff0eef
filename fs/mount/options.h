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
	bool read_write; /* refuse what can't be written, instead of mounting it read-only */
	bool allow_other, allow_root;
	bool suid, dev, noexec, noatime;
	bool debug;
	bool nonempty;
	bool sloppy;        /* pass over options that are not known */
	const char *user;   /* become this user first; NULL: stay who you are */
	int log_level;      /* syslog(3) */
	bool echo;          /* repeat others' changes for those who watch the mount */
	const char *fsname; /* NULL: the database's path */
	uid_t uid;
	gid_t gid;
	mode_t umask;
	int spin_us; /* how long to stay awake in a burst */
	int busy_timeout_ms;
	size_t file_max, memory_max, cache_max, feed_max;
};

/* One of the options after -o; value NULL: it takes none. */
struct mount_option_help {
	const char *name, *value, *help;
};

/* All of them; ends with a name of NULL. */
extern const struct mount_option_help mount_option_table[];

/* Is the first of these options mount(8)'s or systemd's affair, or makes no difference here? */
bool mount_options_pass_over(const char *option);
/* What a mount does without an option. */
void mount_options_init(struct mount_options *options);
/* The words after -o; they are cut and must last. -EINVAL: one is wrong, and one line on stderr says which. */
int mount_options_parse_list(struct mount_options *options, char *list);

/* Mounts, and serves until the end of the mount. Returns the exit status; what is wrong has been said. */
int mount_run(const struct mount_options *options);

#endif
