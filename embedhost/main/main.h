/* SPDX-License-Identifier: MIT */
/* The program pymodhost: options, what it says, and the loop. */
#ifndef MAIN_MAIN_H
#define MAIN_MAIN_H

#include "../pymodhost.h"

struct options {
	const char **paths;
	size_t path_count;
	const char *module; /* NULL: a script */
	const char *script;
	int argc; /* of the program that is run, its name included */
	char **argv;
	double hz;
	bool json, async, isolated;
};

enum options_outcome { OPTIONS_RUN, OPTIONS_DONE, OPTIONS_FAILED, OPTIONS_WRONG };

/* What to do; it has printed what there was to say unless it is OPTIONS_RUN. */
enum options_outcome options_parse(struct options *options, int argc, char **argv);
void options_finish(struct options *options);

/* output.c */
void output_setup(bool json);
void output_event(const struct pymodhost_event *event, void *data);
void output_failure(const char *module, const char *traceback);
void output_complaint(const char *text);

/* signals.c: needs a running interpreter; on the main thread. 0 or -1. */
int signals_setup(struct pymodhost *host);
/* Runs the handlers of signals that came; true: the program is to end, with *ret_status. */
bool signals_check(int *ret_status);
bool signals_take_reload(void);
/* A batch failed with it: was that SIGTERM? */
void signals_note_failure(const char *traceback);
void signals_set_ticking(bool ticking);

/* venv.c: the program of the active virtual environment; NULL: there is none that can be used */
char *venv_python(void);

/* loop.c */
int loop_run(struct pymodhost *host, const struct options *options);

#endif
