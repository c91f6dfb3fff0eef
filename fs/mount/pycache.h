/* SPDX-License-Identifier: MIT */
/*
 * pycache.h - what the files of the bytecode cache share; nobody else includes it.
 *
 * A __pycache__ of the mount is a directory on the local disk, CACHE/pymodfs/STORE/NODE: STORE is the database's own name,
 * NODE the id of the store's directory. The kernel knows its inodes by numbers given here (struct pynode).
 */
#ifndef PYMODFS_PYCACHE_H
#define PYMODFS_PYCACHE_H

#include "../store/table.h"
#include "mount.h"

#include <limits.h>
#include <pthread.h>
#include <sys/stat.h>

#define SUFFIXES_MAX 32 /* endings of .pyc files that are remembered, `.cpython-311.pyc` */
#define SUFFIX_SIZE 48

/*
 * An inode that the kernel knows, by the path that leads to it. It lives while the kernel counts look-ups of it, or it has
 * children or open files.
 */
struct pynode {
	int64_t id;
	struct pynode *parent; /* NULL: a __pycache__ itself */
	char *key;             /* "PARENT/NAME", by which it is found; */
	const char *name;      /* the latter part of it */
	uint64_t lookups;
	unsigned refs;
	bool gone; /* its name leads elsewhere, or nowhere */
	int64_t moved; /* the store's node that has taken its place in the kernel's eyes, see pycache_rename.c; or 0 */
	dev_t dev; /* the file that was there when the kernel asked last; as pyattr_get() tells */
	ino_t ino;
	int held; /* the file itself (O_PATH) where its name has gone before the kernel's last use of it; or -1 */
	struct pyfile *files;
	UT_hash_handle by_id, by_key;
};

/* An open file. */
struct pyfile {
	int fd;
	struct pynode *node;
	struct pyfile *next; /* of the same node */
};

struct pydir;
struct pyyoung;

struct pycache {
	struct mount *mount;
	/*
	 * Guards all below, and is held over the calls on the local disk that look at or change names: so a look-up
	 * and the removal of a stale file by the publisher have an order. Never over a notification.
	 */
	pthread_mutex_t lock;
	int base;         /* CACHE/pymodfs/STORE; -1: there is no cache, nothing can be made */
	int files_end;    /* the first descriptor that may not be kept, see pycache_check_file() */
	bool keep_owners; /* owner and mode are kept in an extended attribute */
	struct pynode *by_id, *by_key;
	int64_t last_id;
	char *link_base;       /* the path of base, for links to it; NULL: none are made */
	struct pyyoung *young; /* directories that are not links yet */
	struct pydir *scanned; /* directories whose names' endings are known */
	char suffixes[SUFFIXES_MAX][SUFFIX_SIZE];
	unsigned suffix_count;
	bool suffixes_full; /* there are more */
};

/* ---- nodes (pycache_node.c); the lock is held ---- */

struct pynode *pynode_find(struct pycache *cache, uint64_t ino);
/* The node of a name, NULL if the kernel doesn't know it. parent NULL: name is a directory's id. */
struct pynode *pynode_find_name(
	struct pycache *cache, const struct pynode *parent, const char *name);
/* The same, made if it isn't there, with one more look-up. NULL: no memory. */
struct pynode *pynode_look_up(struct pycache *cache, struct pynode *parent, const char *name);
uint64_t pynode_ino(const struct pynode *node);
/* n look-ups less. */
void pynode_forget(struct pycache *cache, struct pynode *node, uint64_t n);
/* One reference less. */
void pynode_unref(struct pycache *cache, struct pynode *node);
/* Its name no longer leads to it: what comes to have that name gets a node of its own. */
void pynode_detach(struct pycache *cache, struct pynode *node);
/* To be called before its name goes, with its directory open: the file can be opened as long as the kernel knows it. */
void pynode_hold(const struct pycache *cache, struct pynode *node, int fd);
/* Opens the file of a node, wherever its name has gone. */
int pynode_open(struct pycache *cache, struct pynode *node, int flags, int *ret_fd);
/* Gives it another name; the node that has it is detached. */
int pynode_move(
	struct pycache *cache, struct pynode *node, struct pynode *parent, const char *name);
/* Both swap their names. */
int pynode_exchange(struct pycache *cache, struct pynode *a, struct pynode *b);
/*
 * Opens the local directory of a node (NULL: the base) with more flags: O_PATH or O_RDONLY. Follows no symbolic link.
 * -ESTALE when the node is gone, or its directory is.
 */
int pynode_open_dir(struct pycache *cache, struct pynode *node, int flags, int *ret_fd);
/* The directory that a node's name is in. */
int pynode_open_parent(struct pycache *cache, struct pynode *node, int *ret_fd);

/* ---- owners and modes (pycache_attr.c) ---- */

/* st_* of the local file fd, or of name in directory fd (name not NULL; no link is followed). */
int pyattr_get(const struct pycache *cache, int fd, const char *name, struct stat *ret_attr);
/* Gives what has just been made to its owner. */
int pyattr_init(const struct pycache *cache, int fd, uid_t uid, gid_t gid, mode_t mode);
/* Sets what to_set (FUSE_SET_ATTR_...) names. */
int pyattr_set(
	const struct pycache *cache, int fd, const char *name, const struct stat *attr, int to_set);

/* ---- requests (pycache.c, pycache_io.c) ---- */

/* The mount's cache, locked. */
struct pycache *pycache_lock(fuse_req_t req);
void pycache_unlock(struct pycache *cache);

/*
 * What is at a name of directory fd, which is parent's (NULL: the base); a node that stood for another file there is
 * detached. The lock is held, also for the functions that follow.
 */
int pycache_look_up(struct pycache *cache, struct pynode *parent, int fd, const char *name,
	struct tree_entry *ret_entry);
/*
 * May the descriptor be kept for as long as somebody else wants? The last ones that the daemon may have are for its own
 * needs, its connections and what it opens for a moment: -ENFILE, with a line in the log.
 */
int pycache_check_file(const struct pycache *cache, int fd);
/* A new file of the caller's in directory fd, opened with flags. */
int pycache_make_file(struct pycache *cache, fuse_req_t req, int fd, const char *name, mode_t mode,
	int flags, int *ret_file);

/* A name in a directory that is open. */
struct pyplace {
	struct pynode *dir;
	const char *name;
	int fd;
};

int pyplace_init(struct pycache *cache, uint64_t ino, const char *name, struct pyplace *place);
void pyplace_finish(const struct pyplace *place);

void pycache_open(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi);
void pycache_release(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi);
void pycache_read(
	fuse_req_t req, fuse_ino_t ino, size_t size, off_t offset, struct fuse_file_info *fi);
void pycache_write(fuse_req_t req, fuse_ino_t ino, const char *data, size_t size, off_t offset,
	struct fuse_file_info *fi);
void pycache_flush(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi);
void pycache_fsync(fuse_req_t req, fuse_ino_t ino, int datasync, struct fuse_file_info *fi);
void pycache_readdir(
	fuse_req_t req, fuse_ino_t ino, size_t size, off_t offset, struct fuse_file_info *fi);
void pycache_readdirplus(
	fuse_req_t req, fuse_ino_t ino, size_t size, off_t offset, struct fuse_file_info *fi);
void pycache_create_file(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode,
	struct fuse_file_info *fi);

/* Who opens a node that has moved to the store is to find what is there now. The lock is not held. */
void pycache_open_moved(fuse_req_t req, int64_t moved, int flags);

/* ---- __pycache__ as a link (pycache_link.c); the lock is held ---- */

void pylink_init(struct pycache *cache, const char *path);
void pylink_finish(struct pycache *cache);
/* A directory has been made and is not to be a link soon. */
void pylink_begin(struct pycache *cache, int64_t dir);
/* It is gone. */
void pylink_end(struct pycache *cache, int64_t dir);
/* Something below node's __pycache__ was written. */
void pylink_note_write(struct pycache *cache, const struct pynode *node);
/* Is the directory to be shown as a link? */
bool pylink_is_due(struct pycache *cache, int64_t dir);
bool pylink_is_link(const struct pynode *node);
int pylink_look_up(struct pycache *cache, int64_t dir, struct tree_entry *ret_entry);
void pylink_get_attr(const struct pycache *cache, const struct pynode *node, struct stat *ret_attr);
int pylink_read(const struct pycache *cache, const struct pynode *node, char *target, size_t size);

/* ---- removing stale files (pycache_drop.c) ---- */

/* Remembers the ending of a .pyc file's name. The lock is held. */
void pycache_learn(struct pycache *cache, const char *name);
void pycache_forget_scans(struct pycache *cache);
/* Removes what no module is there for any more. Nothing else uses the cache at that time. */
void pycache_sweep(struct pycache *cache, struct store_reader *reader);

#endif
