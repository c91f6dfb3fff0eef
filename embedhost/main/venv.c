/* SPDX-License-Identifier: MIT */
/*
 * The active virtual environment. Python knows an environment by the place of its program, which is a
 * link to the interpreter that made it; the library's interpreter can only be that of its own.
 */
#include "main.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool is_ours(const char *program)
{
	char *theirs = realpath(program, NULL), *ours = realpath(PYMODHOST_PYTHON, NULL);
	bool same = theirs && ours && strcmp(theirs, ours) == 0;

	free(theirs);
	free(ours);
	return same;
}

char *venv_python(void)
{
	const char *dir = getenv("VIRTUAL_ENV");
	char text[PATH_MAX + 100], *program;

	if (!dir || !*dir)
		return NULL;
	if (asprintf(&program, "%s/bin/python3", dir) < 0)
		return NULL;
	if (is_ours(program))
		return program;
	free(program);
	snprintf(text, sizeof(text),
		"VIRTUAL_ENV: %s was not made by %s: its packages are not used", dir,
		PYMODHOST_PYTHON);
	output_complaint(text);
	return NULL;
}
