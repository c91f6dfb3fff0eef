/* SPDX-License-Identifier: MIT */
/* Asks the kernel's table where mounts are, and a mount's .pymodfs of which database it is. No state. */
#include "mounts.h"

#include "../mount/json_bytes.h"
#include "../mount/mountpoint.h"
#include "cli.h"

#include <libgen.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

json_t *mounts_read_status(const char *mountpoint)
{
	char *file;
	if (asprintf(&file, "%s/.pymodfs/status", mountpoint) < 0)
		return NULL;
	json_t *status = json_load_file(file, 0, NULL);
	free(file);
	return status;
}

/* Of the file, or of the directory where it would be. */
static int find_device(const char *path, dev_t *ret_device)
{
	struct stat st;
	int err = stat(path, &st);
	if (err) {
		char *copy = strdup(path);
		err = copy ? stat(dirname(copy), &st) : -1;
		free(copy);
	}
	if (!err)
		*ret_device = st.st_dev;
	return err;
}

bool mounts_is_of(const char *mountpoint, const char *database)
{
	json_t *status = mounts_read_status(mountpoint), *name = json_text(database);
	bool is = json_equal(json_object_get(status, "store"), name);
	json_decref(name);
	json_decref(status);
	return is;
}

int mounts_refuse_inside(const char *path, const char *database)
{
	struct mountpoint row;
	dev_t device;
	if (find_device(path, &device) || !mountpoint_find_device(device, &row))
		return 0;
	if (!database)
		return cli_fail("%s is in %s, which is a mount of pymodfs: a database can't be in "
				"another one; choose another place",
			path, row.path);
	if (!mounts_is_of(row.path, database))
		return 0;
	return cli_fail("%s is in %s, where %s itself is mounted: it would go into the database; "
			"choose another place",
		path, row.path, database);
}
