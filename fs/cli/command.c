/* SPDX-License-Identifier: MIT */
/*
 * What is done with a subcommand's table: getopt_long(3) gets its options from it, and `--help` is printed from it.
 * Values go into the command's own struct, at the offsets that the table names. One thread.
 */
#include "cli.h"
#include "output.h"
#include "wrap.h"

#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define OPTIONS_MAX 32
#define HELP_COLUMNS 80
#define FIRST_CODE 256 /* of the options that have no letter: above all letters */

static const struct cli_option page_options[] = {
	{"color", 0, CLI_CHOICE, offsetof(struct output_options, color), "auto|always|never",
		CLI_NOTHING, "colours: on a terminal (auto), always, never"},
	{"no-pager", 0, CLI_FLAG, offsetof(struct output_options, no_pager), NULL, CLI_NOTHING,
		"print long output as it is, without a pager"},
};

static const struct cli_option help_option = {
	"help", 'h', CLI_FLAG, 0, NULL, CLI_NOTHING, "this text"};

#define N_PAGE_OPTIONS (sizeof(page_options) / sizeof(page_options[0]))

static size_t count_own(const struct cli_command *command)
{
	size_t n = 0;
	while (command->options && command->options[n].name)
		n++;
	return n;
}

const struct cli_option *cli_option_at(const struct cli_command *command, size_t index)
{
	size_t own = count_own(command);
	size_t pages = command->pages ? N_PAGE_OPTIONS : 0;
	if (index < own)
		return &command->options[index];
	if (index < own + pages)
		return &page_options[index - own];
	return index == own + pages ? &help_option : NULL;
}

/* ---- values ---- */

static int parse_number(const struct cli_option *option, const char *text, struct cli_number *field)
{
	char *end;
	errno = 0;
	long long number = strtoll(text, &end, 10);
	if (errno || end == text || *end || number < 0)
		return cli_usage("--%s takes a whole number, not %s", option->name, text);
	*field = (struct cli_number){true, number};
	return 0;
}

static int parse_moment(const struct cli_option *option, const char *text, struct cli_number *field)
{
	if (cli_parse_time(text, &field->value))
		return cli_usage(
			"--%s takes a time such as 2026-11-25, '2026-11-25 17:30' or 30d, not %s",
			option->name, text);
	field->set = true;
	return 0;
}

static int parse_choice(const struct cli_option *option, const char *text, int *field)
{
	const char *word = option->value;
	for (int i = 0; *word; i++) {
		size_t size = strcspn(word, "|");
		if (strlen(text) == size && !strncmp(word, text, size)) {
			*field = i;
			return 0;
		}
		word += size + (word[size] == '|');
	}
	return cli_usage("--%s takes one of %s, not %s", option->name, option->value, text);
}

static int add_word(struct cli_words *field, const char *text)
{
	const char **words = reallocarray(field->words, field->n + 1, sizeof(*words));
	if (!words)
		return cli_fail("out of memory");
	field->words = words;
	words[field->n++] = text;
	return 0;
}

static int take_value(const struct cli_option *option, char *base, const char *text)
{
	void *field = base + option->offset;
	switch (option->kind) {
	case CLI_FLAG:
		*(bool *)field = true;
		return 0;
	case CLI_TEXT:
		*(const char **)field = text;
		return 0;
	case CLI_WORDS:
		return add_word(field, text);
	case CLI_NUMBER:
		return parse_number(option, text, field);
	case CLI_TIME:
		return parse_moment(option, text, field);
	case CLI_CHOICE:
		return parse_choice(option, text, field);
	}
	return 0;
}

static void free_values(const struct cli_command *command, char *values)
{
	for (size_t i = 0; i < count_own(command); i++)
		if (command->options[i].kind == CLI_WORDS)
			free(((struct cli_words *)(void *)(values + command->options[i].offset))
					->words);
	free(values);
}

/* ---- parsing ---- */

/* The table in getopt_long's words; *letters begins with ':', so that it says nothing itself. */
static void make_getopt(
	const struct cli_command *command, struct option *long_options, char *letters)
{
	const struct cli_option *option;
	*letters++ = ':';
	for (int i = 0; (option = cli_option_at(command, (size_t)i)); i++) {
		*long_options++ = (struct option){
			.name = option->name,
			.has_arg = option->kind == CLI_FLAG ? no_argument : required_argument,
			.val = option->letter ? option->letter : FIRST_CODE + i,
		};
		if (option->letter) {
			*letters++ = option->letter;
			if (option->kind != CLI_FLAG)
				*letters++ = ':';
		}
	}
	*long_options = (struct option){0};
	*letters = '\0';
}

static const struct cli_option *find_option(const struct cli_command *command, int code)
{
	const struct cli_option *option;
	for (int i = 0; (option = cli_option_at(command, (size_t)i)); i++)
		if (code == (option->letter ? option->letter : FIRST_CODE + i))
			return option;
	return NULL;
}

/* What is called otherwise elsewhere. */
static const char *find_synonym(const char *name, const char *const *names, size_t n)
{
	static const char *const synonyms[][2] = {
		{"force", "overwrite"}, {"overwrite", "force"}, {"force", "lazy"}};
	for (size_t i = 0; i < sizeof(synonyms) / sizeof(synonyms[0]); i++)
		for (size_t j = 0; j < n && !strcmp(name, synonyms[i][0]); j++)
			if (!strcmp(names[j], synonyms[i][1]))
				return names[j];
	return NULL;
}

static int refuse_unknown(const struct cli_command *command, const char *word)
{
	const char *names[OPTIONS_MAX];
	const struct cli_option *option;
	size_t n = 0;
	char *name = strdup(word + 2);
	if (!name)
		return cli_fail("out of memory");
	name[strcspn(name, "=")] = '\0';
	while ((option = cli_option_at(command, n)))
		names[n++] = option->name;
	const char *near = find_synonym(name, names, n);
	if (!near)
		near = cli_nearest(name, names, n);
	free(name);
	if (near)
		return cli_usage("unknown option %s; did you mean --%s?", word, near);
	return cli_usage("unknown option %s", word);
}

/* ':' and '?' of getopt_long(). */
static int refuse(const struct cli_command *command, char **argv, int code)
{
	const char *word = argv[optind > 0 ? optind - 1 : 0];
	if (code == ':')
		return cli_usage("the option %s needs a value", word);
	if (optopt && !strncmp(word, "--", 2))
		return cli_usage(
			"no value goes with the option %.*s", (int)strcspn(word, "="), word);
	if (optopt)
		return cli_usage("unknown option -%c", optopt);
	return refuse_unknown(command, word);
}

/* *ret_help: help is wanted, and nothing else counts. */
static int parse(
	const struct cli_command *command, int argc, char **argv, char *values, bool *ret_help)
{
	struct option long_options[OPTIONS_MAX + 1];
	char letters[2 * OPTIONS_MAX + 2];
	int code, status = 0;
	make_getopt(command, long_options, letters);
	optind = 0;
	while (!status && (code = getopt_long(argc, argv, letters, long_options, NULL)) != -1) {
		const struct cli_option *option = find_option(command, code);
		if (!option)
			return refuse(command, argv, code);
		if (option == &help_option)
			*ret_help = true;
		else if (option >= page_options && option < page_options + N_PAGE_OPTIONS)
			status = take_value(option, (char *)output_get_options(), optarg);
		else
			status = take_value(option, values, optarg);
	}
	return status;
}

/* An empty word is a variable of a script's that isn't set; SQLite would take it for a database of its own. */
static int check_operands(const struct cli_command *command, int n, char **operands)
{
	for (int i = 0; i < n; i++)
		if (!*operands[i])
			return cli_usage("an empty word names nothing: %s", command->wanted);
	if (n < command->min)
		return cli_usage("%s", command->wanted);
	if (n > command->max)
		return cli_usage("too many words: %s", command->wanted);
	return 0;
}

int cli_run_command(const struct cli_command *command, int argc, char **argv)
{
	char *values = calloc(1, command->size + 1);
	bool help = false;
	if (!values)
		return cli_fail("out of memory");
	int status = parse(command, argc, argv, values, &help);
	if (!status && help)
		status = cli_print_help(command);
	else if (!status)
		status = check_operands(command, argc - optind, argv + optind);
	if (!status && !help)
		status = command->run(values, argc - optind, argv + optind);
	free_values(command, values);
	return status;
}

/* ---- help ---- */

static int print_option(FILE *out, const struct cli_option *option, int width)
{
	char text[64];
	int size = option->letter
			   ? snprintf(text, sizeof(text), "-%c, --%s", option->letter, option->name)
			   : snprintf(text, sizeof(text), "--%s", option->name);
	if (option->kind != CLI_FLAG)
		size += snprintf(text + size, sizeof(text) - (size_t)size, " %s", option->value);
	if (out)
		fprintf(out, "  %-*s  %s\n", width, text, option->help);
	return size;
}

int cli_print_text(const char *text)
{
	/* With a pager, stdout is a pipe to it. */
	int columns = output_is_terminal() ? wrap_columns(STDERR_FILENO) : HELP_COLUMNS;
	wrap_print(stdout, text, columns < HELP_COLUMNS ? columns : HELP_COLUMNS);
	return ferror(stdout) ? CLI_FAILURE : 0;
}

static void print_help(FILE *out, const struct cli_command *command)
{
	const struct cli_option *option;
	int width = 0;
	bool own = count_own(command) || command->pages;
	fprintf(out, "Usage: pymodfs %s%s %s\n\n%s\n", command->name, own ? " [OPTION]..." : "",
		command->operands, command->about);
	for (size_t i = 0; (option = cli_option_at(command, i)); i++) {
		int size = print_option(NULL, option, 0);
		width = size > width ? size : width;
	}
	for (size_t i = 0; (option = cli_option_at(command, i)); i++)
		print_option(out, option, width);
	if (command->more_help)
		command->more_help(out);
}

int cli_print_help(const struct cli_command *command)
{
	char *text;
	size_t size;
	FILE *out = open_memstream(&text, &size);
	if (!out)
		return cli_fail("out of memory");
	print_help(out, command);
	int status = fclose(out) ? cli_fail("out of memory") : cli_print_text(text);
	free(text);
	return status;
}
