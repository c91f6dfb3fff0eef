/* SPDX-License-Identifier: MIT */
/*
 * ops_file.h - handlers that directories, versions and drafts share.
 */
#ifndef PYMODFS_OPS_FILE_H
#define PYMODFS_OPS_FILE_H

#include "mount.h"

void file_getattr(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi);
/* SETATTR's fields (all but the size) as the store has them; `now` is the present time. */
void setattr_to_store(const struct stat *attr, int set, struct store_attr *ret_attr);

#endif
