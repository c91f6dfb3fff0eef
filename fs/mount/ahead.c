// SPDX-License-Identifier: MIT
/*
 * Reads ahead: who opens files in the order in which they are listed (grep -r, tar, cp -r) is likely to open the next ones,
 * too, so the kernel is given their contents while nothing else is to be done. Then each open needs no statement; on several
 * processors the daemon does it while the caller works.
 *
 * Where there was no such moment all of them are given with the next open that lacks its content, in one snapshot.
 *
 * A run begins with two opens in that order, and what is given ahead of it doubles with each further one. Only one run is
 * followed: several at once break each other, and are as if there were none. All of it is for who serves (crew.c).
 */
#include "mount.h"

#define AHEAD_MOST 32

void ahead_note_open(struct mount *mount, fuse_ino_t ino)
{
	struct ahead *ahead = &mount->ahead;
	int64_t size, version = ino_get_id(ino);
	if (tree_listed_after(mount->tree, ahead->opened, &size) != version) {
		ahead->most = ahead->lead = 0;
	} else {
		ahead->most = ahead->most ? ahead->most * 2 : 1;
		if (ahead->most > AHEAD_MOST)
			ahead->most = AHEAD_MOST;
		if (ahead->lead)
			ahead->lead--;
	}
	if (!ahead->lead)
		ahead->last = version;
	ahead->opened = version;
}

/* The next one that the kernel has not got; 0: there is none, or it has got as many as it may. */
static int64_t find_next(struct mount *mount)
{
	struct ahead *ahead = &mount->ahead;
	while (ahead->lead < ahead->most) {
		int64_t size, version = tree_listed_after(mount->tree, ahead->last, &size);
		if (!version) {
			ahead->most = ahead->lead;
			break;
		}
		ahead->last = version;
		ahead->lead++;
		if (giver_wants_closed(mount, version, size))
			return version;
	}
	return 0;
}

static void give(struct mount *mount, int64_t version)
{
	if (giver_give_closed(mount, version) < 0)
		mount->ahead.most = 0; /* whatever is wrong is said when it is asked for */
	else
		mount->ahead.given++;
}

bool ahead_step(struct mount *mount)
{
	int64_t version = find_next(mount);
	if (version)
		give(mount, version);
	return version != 0;
}

void ahead_run(struct mount *mount)
{
	const struct ahead *ahead = &mount->ahead;
	int64_t version = ahead->lead * 2 <= ahead->most ? find_next(mount) : 0;
	if (!version || store_reader_begin(mount->reader) < 0)
		return;
	for (; version; version = find_next(mount))
		give(mount, version);
	store_reader_end(mount->reader);
}
