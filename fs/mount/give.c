// SPDX-License-Identifier: MIT
/*
 * Gives the kernel the content of a version at its first open, before it asks: in the tree, and below .pymodfs (control.c).
 * That spares a READ, and the GETATTR of whoever looks at the file afterwards: the kernel takes a READ as a change of the
 * file's atime.
 *
 * The call waits for the locks of the file's pages. Who reads a page that isn't there holds its lock until he is answered,
 * so it is not made while somebody has the file open: the kernel sends RELEASE once nobody reads any more.
 *
 * What was given is noted in a table in which a newer version takes the place of an older one; the kernel may have dropped
 * it meanwhile, and asks then. All of it is for who serves (crew.c).
 */
#include "mount.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>

#define PLACES (1 << 18)
#define SIZE_MAX_GIVEN 131072 /* as much as the kernel asks for at once */

struct giver {
	uint32_t rounds[PLACES]; /* of the version `round * PLACES + place`, plus 1; 0: none */
};

int giver_create(struct giver **ret_giver)
{
	struct giver *giver =
		calloc(1, sizeof(*giver)); /* that much address space; memory as it is used */
	if (!giver)
		return -ENOMEM;
	*ret_giver = giver;
	return 0;
}

void giver_destroy(struct giver *giver)
{
	free(giver);
}

static uint32_t round_of(int64_t version)
{
	return (uint32_t)(version / PLACES) + 1;
}

static uint32_t *place_of(struct giver *giver, int64_t version)
{
	return &giver->rounds[version % PLACES];
}

static bool is_given(struct giver *giver, int64_t version)
{
	return *place_of(giver, version) == round_of(version);
}

static void note(struct giver *giver, int64_t version)
{
	*place_of(giver, version) = round_of(version);
}

bool giver_wants(struct mount *mount, fuse_ino_t ino, int flags)
{
	int64_t version = ino_get_id(ino);
	return ino_get_class(ino) == INO_VERSION && (flags & O_ACCMODE) == O_RDONLY &&
	       !is_given(mount->giver, version) && !tree_is_open(mount->tree, version);
}

static int put(struct mount *mount, fuse_ino_t ino, const void *data, size_t size)
{
	struct fuse_bufvec bytes = FUSE_BUFVEC_INIT(size);
	bytes.buf[0].mem = (void *)(uintptr_t)data;
	return fuse_lowlevel_notify_store(mount->session, ino, 0, &bytes, 0);
}

void giver_put(struct mount *mount, fuse_ino_t ino, const void *data, size_t size)
{
	if (size && size <= SIZE_MAX_GIVEN)
		put(mount, ino, data, size);
}

struct gift {
	struct mount *mount;
	fuse_ino_t ino;
};

static void give(void *arg, const void *data, size_t size)
{
	const struct gift *gift = arg;
	giver_put(gift->mount, gift->ino, data, size);
}

void giver_give(struct mount *mount, fuse_ino_t ino, struct tree_file *file)
{
	struct gift gift = {.mount = mount, .ino = ino};
	note(mount->giver, ino_get_id(ino));
	/* Whatever is wrong is said when it is asked for. */
	(void)tree_read(mount->tree, mount->reader, file, 0, SIZE_MAX_GIVEN + 1, give, &gift);
}

bool giver_wants_closed(struct mount *mount, int64_t version, int64_t size)
{
	return size && size <= SIZE_MAX_GIVEN && !is_given(mount->giver, version) &&
	       !tree_is_open(mount->tree, version);
}

int giver_give_closed(struct mount *mount, int64_t version)
{
	void *data;
	size_t size;
	int r = store_read(mount->reader, version, &data, &size);
	if (r < 0)
		return r;
	/* -ENOENT: the kernel doesn't know it (any more). */
	r = put(mount, ino_make(INO_VERSION, version), data, size);
	if (r == 0)
		note(mount->giver, version);
	free(data);
	return r;
}

void giver_forget(struct mount *mount, fuse_ino_t ino)
{
	int64_t version = ino_get_id(ino);
	if (is_given(mount->giver, version))
		*place_of(mount->giver, version) = 0;
}
