/* SPDX-License-Identifier: MIT */
/* pymodhost: the ready-made host around the library. */
#include "main.h"

#include <stdio.h>
#include <stdlib.h>

static int config_set_venv(struct pymodhost_config *config)
{
	char *program = venv_python();
	int code = program ? pymodhost_config_set_program(config, program) : 0;

	free(program);
	return code;
}

static struct pymodhost_config *config_of(const struct options *options, char **argv)
{
	struct pymodhost_config *config = pymodhost_config_create();
	int code = config ? 0 : -1;

	for (size_t i = 0; code == 0 && i < options->path_count; i++)
		code = pymodhost_config_add_path(config, options->paths[i]);
	if (code == 0 && options->module && options->path_count == 0)
		code = pymodhost_config_add_path(config, ".");
	if (code == 0)
		code = pymodhost_config_set_argv(
			config, options->argc, (const char *const *)options->argv);
	if (code == 0 && !options->isolated)
		code = config_set_venv(config);
	if (code == 0) {
		pymodhost_config_set_isolated(config, options->isolated);
		pymodhost_config_set_signals(config, true);
		return config;
	}
	pymodhost_config_destroy(config);
	return NULL;
}

static void on_event(const struct pymodhost_event *event, void *data)
{
	output_event(event, data);
	if (event->type == PYMODHOST_FAILED)
		signals_note_failure(event->text);
}

static int run(const struct options *options, const struct pymodhost_config *config)
{
	struct pymodhost *host;
	int status = 1;

	if (pymodhost_create(config, &host) < 0) {
		output_complaint(pymodhost_error());
		return 1;
	}
	if (pymodhost_on_event(host, on_event, NULL) < 0 || signals_setup(host) < 0 ||
		pymodhost_set_async(host, options->async) < 0)
		output_complaint(pymodhost_error());
	else
		status = loop_run(host, options);
	pymodhost_destroy(host);
	return status;
}

int main(int argc, char **argv)
{
	struct pymodhost_config *config;
	struct options options;
	enum options_outcome outcome = options_parse(&options, argc, argv);
	int status = outcome == OPTIONS_WRONG ? 2 : outcome == OPTIONS_FAILED ? 1 : 0;

	if (outcome == OPTIONS_RUN) {
		output_setup(options.json);
		config = config_of(&options, argv);
		if (config)
			status = run(&options, config);
		else
			output_complaint(pymodhost_error());
		pymodhost_config_destroy(config);
		status = config ? status : 1;
	}
	options_finish(&options);
	return status;
}
