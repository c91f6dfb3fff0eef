/* SPDX-License-Identifier: MIT */
/* transfer.h - what import and export have in common: which files, and how much of it is told. */
#ifndef PYMODFS_CLI_TRANSFER_H
#define PYMODFS_CLI_TRANSFER_H

#include "choice.h"

struct transfer {
	struct choice choice;
	bool skip_conflicts, dry_run, verbose, json;
};

/* The options that fill the field `transfer` of the command's struct. */
#define TRANSFER_OPTIONS(type)                                                                     \
	{"include", 0, CLI_WORDS, offsetof(type, transfer.choice.include), "PATTERN", CLI_NOTHING, \
		"only what matches; see: pymodfs help patterns"},                                  \
		{"exclude", 0, CLI_WORDS, offsetof(type, transfer.choice.exclude), "PATTERN",      \
			CLI_NOTHING, "not what matches"},                                          \
		{"skip-conflicts", 0, CLI_FLAG, offsetof(type, transfer.skip_conflicts), NULL,     \
			CLI_NOTHING,                                                               \
			"where both changed, leave both as they are, and do the rest"},            \
		{"dry-run", 'n', CLI_FLAG, offsetof(type, transfer.dry_run), NULL, CLI_NOTHING,    \
			"only tell what would be done"},                                           \
		{"verbose", 'v', CLI_FLAG, offsetof(type, transfer.verbose), NULL, CLI_NOTHING,    \
			"tell each file that is changed"},                                         \
	{                                                                                          \
		"json", 0, CLI_FLAG, offsetof(type, transfer.json), NULL, CLI_NOTHING,             \
			"the sum as one JSON object"                                               \
	}

/* A line about one file, if such are wanted. */
void transfer_tell(const struct transfer *transfer, const char *what, const char *path);

#endif
