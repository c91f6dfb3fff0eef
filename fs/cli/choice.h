/* SPDX-License-Identifier: MIT */
/* choice.h - which files an import or an export is about: --include and --exclude. */
#ifndef PYMODFS_CLI_CHOICE_H
#define PYMODFS_CLI_CHOICE_H

#include "cli.h"

struct choice {
	struct cli_words include, exclude;
};

/* Is there any pattern? */
bool choice_is_made(const struct choice *choice);
/* path is below the top. */
bool choice_has(const struct choice *choice, const char *path);

#endif
