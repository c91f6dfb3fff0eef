// SPDX-License-Identifier: MIT
#include <errno.h>

#include "mount.h"

const struct fuse_lowlevel_ops control_ops;

int control_create(struct mount *mount, struct control **ret_control)
{
	*ret_control = NULL;
	return 0;
}

void control_destroy(struct control *control)
{
}

void control_reply_root(struct mount *mount, fuse_req_t req)
{
	reply_error(req, -ENOENT);
}
