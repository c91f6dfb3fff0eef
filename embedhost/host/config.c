/* SPDX-License-Identifier: MIT */
/* Configurations: plain values, checked when the host is created. */
#include "host.h"

#include <errno.h>

struct pymodhost_config *pymodhost_config_create(void)
{
	struct pymodhost_config *config = calloc(1, sizeof(*config));

	if (config)
		config->isolated = true;
	return config;
}

static void strings_free(char **strings, size_t count)
{
	for (size_t i = 0; i < count; i++)
		free(strings[i]);
	free(strings);
}

void pymodhost_config_destroy(struct pymodhost_config *config)
{
	if (!config)
		return;
	strings_free(config->paths, config->path_count);
	strings_free(config->argv, (size_t)config->argc);
	free(config->bytecode_dir);
	free(config->program);
	free(config);
}

int pymodhost_config_add_path(struct pymodhost_config *config, const char *dir)
{
	char **grown, *copy;

	error_clear();
	if (!config || !dir || !*dir)
		return error_set(-EINVAL, "a directory to watch must have a name");
	copy = strdup(dir);
	grown = realloc(config->paths, (config->path_count + 1) * sizeof(*grown));
	if (grown)
		config->paths = grown;
	if (!grown || !copy) {
		free(copy);
		return error_set(-ENOMEM, "out of memory");
	}
	config->paths[config->path_count++] = copy;
	return 0;
}

int pymodhost_config_set_argv(struct pymodhost_config *config, int argc, const char *const *argv)
{
	char **copy;

	error_clear();
	if (!config || argc < 0 || (argc > 0 && !argv))
		return error_set(-EINVAL, "argv needs a count and as many strings");
	copy = calloc((size_t)argc + 1, sizeof(*copy));
	for (int i = 0; copy && i < argc; i++)
		if (!argv[i] || !(copy[i] = strdup(argv[i]))) {
			strings_free(copy, (size_t)i);
			copy = NULL;
		}
	if (!copy)
		return error_set(-ENOMEM, "out of memory");
	strings_free(config->argv, (size_t)config->argc);
	config->argv = copy;
	config->argc = argc;
	return 0;
}

void pymodhost_config_set_isolated(struct pymodhost_config *config, bool isolated)
{
	config->isolated = isolated;
}

void pymodhost_config_set_signals(struct pymodhost_config *config, bool handle)
{
	config->signals = handle;
}

static int set_string(struct pymodhost_config *config, char **field, const char *value)
{
	char *copy = value ? strdup(value) : NULL;

	error_clear();
	if (value && !copy)
		return error_set(-ENOMEM, "out of memory");
	free(*field);
	*field = copy;
	return 0;
}

int pymodhost_config_set_bytecode_dir(struct pymodhost_config *config, const char *dir)
{
	return set_string(config, &config->bytecode_dir, dir);
}

int pymodhost_config_set_program(struct pymodhost_config *config, const char *name)
{
	return set_string(config, &config->program, name);
}
