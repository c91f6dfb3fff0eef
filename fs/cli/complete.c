/* SPDX-License-Identifier: MIT */
/*
 * Completion: `pymodfs --complete WORD...` prints, one a line, what the last word may become, each with a tab and what
 * it is. The shells' scripts only ask. A line that begins with `:` asks the shell for something it knows better: `:file`, `:dir`.
 *
 * Says nothing on errors: a completion that fails completes nothing. Databases are opened for reading alone.
 */
#include "../mount/options.h"
#include "cli.h"
#include "store.h"

#include <mntent.h>
#include <stdlib.h>
#include <string.h>

#define NAMES_MAX 2000 /* offers at once */

static void offer(const char *prefix, const char *text, const char *what)
{
	if (!strncmp(text, prefix, strlen(prefix)))
		printf("%s\t%s\n", text, what ? what : "");
}

/* ---- names and versions in a database ---- */

/* A directory whose names may have the prefix. Directories in it are looked at when it has been read. */
struct place {
	int64_t id;
	char *dotted; /* with a dot at its end, or "" */
};

struct names {
	const char *prefix;
	int n;
	const char *dotted; /* the place that is being read */
	struct place *places;
	size_t n_places;
};

static int add_place(struct names *names, int64_t id, const char *dotted)
{
	size_t size = strlen(dotted), wanted = strlen(names->prefix);
	if (strncmp(dotted, names->prefix, size < wanted ? size : wanted) != 0)
		return 0;
	void *places = reallocarray(names->places, names->n_places + 1, sizeof(*names->places));
	if (!places)
		return 1;
	names->places = places;
	names->places[names->n_places] = (struct place){id, strdup(dotted)};
	return names->places[names->n_places++].dotted ? 0 : 1;
}

static int offer_entry(void *arg, const struct store_entry *entry)
{
	struct names *names = arg;
	char *dotted;
	size_t size = strlen(entry->name);
	bool dir = entry->node.kind == STORE_DIR;
	if ((!dir && entry->node.kind != STORE_MODULE) || (dir && strchr(entry->name, '.')))
		return 0;
	if (asprintf(&dotted, "%s%.*s%s", names->dotted, (int)(dir ? size : size - 3), entry->name,
		    dir ? "." : "") < 0)
		return 1;
	int stop = dir ? add_place(names, entry->node.id, dotted) : 0;
	if (!dir && !strncmp(dotted, names->prefix, strlen(names->prefix))) {
		printf("%s\tmodule\n", dotted);
		stop = ++names->n >= NAMES_MAX;
	}
	free(dotted);
	return stop;
}

static void offer_names(struct store_reader *reader, const char *prefix)
{
	struct names names = {.prefix = prefix};
	int stop = add_place(&names, STORE_ROOT, "");
	for (size_t i = 0; i < names.n_places && !stop; i++) {
		names.dotted = names.places[i].dotted;
		stop = store_list(reader, names.places[i].id, 0, offer_entry, &names);
	}
	for (size_t i = 0; i < names.n_places; i++)
		free(names.places[i].dotted);
	free(names.places);
}

struct versions {
	const char *module; /* MODULE@ */
	const char *prefix;
};

static int offer_version(void *arg, const struct store_version *version)
{
	const struct versions *versions = arg;
	char *word;
	if (!version->kept)
		return 0;
	if (asprintf(&word, "%s%lld", versions->module, (long long)version->id) < 0)
		return 1;
	offer(versions->prefix, word, version->current ? "current" : "version");
	free(word);
	return 0;
}

static void offer_versions(struct store_reader *reader, const char *word)
{
	size_t size = strcspn(word, "@");
	char *module = strndup(word, size + 1), *path = NULL;
	if (!module || asprintf(&path, "%.*s.py", (int)size, word) < 0)
		path = NULL;
	for (char *c = path; c && c < path + size; c++)
		if (*c == '.')
			*c = '/';
	if (path) {
		struct versions versions = {module, word};
		store_history(reader, path, offer_version, &versions);
	}
	free(path);
	free(module);
}

static void offer_modules(const char *db, const char *word, bool versions)
{
	const struct store_options options = {.read_only = true};
	struct store *store;
	struct store_reader *reader = NULL;
	if (!db || store_open(db, &options, &store))
		return;
	if (!store_reader_create(store, &reader)) {
		if (versions && strchr(word, '@'))
			offer_versions(reader, word);
		else
			offer_names(reader, word);
	}
	store_reader_destroy(reader);
	store_close(store);
}

/* ---- other words ---- */

static void offer_mounts(const char *word)
{
	FILE *table = setmntent("/proc/self/mounts", "r");
	const struct mntent *entry;
	while (table && (entry = getmntent(table)))
		if (!strcmp(entry->mnt_type, "fuse.pymodfs"))
			offer(word, entry->mnt_dir, "mount");
	if (table)
		endmntent(table);
}

static void offer_topics(const char *word)
{
	for (size_t i = 0; cli_commands[i]; i++)
		offer(word, cli_commands[i]->name, cli_commands[i]->summary);
	for (const struct cli_topic *topic = cli_topics; topic->name; topic++)
		offer(word, topic->name, topic->summary);
}

/* The last of the words parted by commas. */
static void offer_mount_options(const char *word)
{
	const char *comma = strrchr(word, ',');
	int before = comma ? (int)(comma + 1 - word) : 0;
	for (const struct mount_option_help *o = mount_option_table; o->name; o++) {
		char *text;
		if (asprintf(&text, "%.*s%s%s", before, word, o->name, o->value ? "=" : "") < 0)
			return;
		offer(word, text, o->help);
		free(text);
	}
}

static void offer_choices(const char *choices, const char *word)
{
	while (*choices) {
		size_t size = strcspn(choices, "|");
		char text[64];
		snprintf(text, sizeof(text), "%.*s", (int)size, choices);
		offer(word, text, NULL);
		choices += size + (choices[size] == '|');
	}
}

static void offer_word(enum cli_word kind, const char *db, const char *word)
{
	switch (kind) {
	case CLI_NOTHING:
		break;
	case CLI_DB:
		offer(word, "postgresql://", "PostgreSQL");
		puts(":file");
		break;
	case CLI_FILE:
		puts(":file");
		break;
	case CLI_DIR:
		puts(":dir");
		break;
	case CLI_MODULE:
	case CLI_NAME:
		offer_modules(db, word, kind == CLI_MODULE);
		break;
	case CLI_MOUNT:
		offer_mounts(word);
		puts(":dir");
		break;
	case CLI_MOUNT_OR_DB:
		offer_mounts(word);
		puts(":file");
		break;
	case CLI_TOPIC:
		offer_topics(word);
		break;
	case CLI_MOUNT_OPTIONS:
		offer_mount_options(word);
		break;
	}
}

/* ---- a command's words ---- */

static void offer_options(const struct cli_command *command, const char *word)
{
	const struct cli_option *option;
	for (size_t i = 0; (option = cli_option_at(command, i)); i++) {
		char text[64];
		snprintf(text, sizeof(text), "--%s", option->name);
		offer(word, text, option->help);
	}
}

/* The option whose value is the next word. */
static const struct cli_option *option_before(const struct cli_command *command, const char *word)
{
	const struct cli_option *option;
	for (size_t i = 0; (option = cli_option_at(command, i)); i++) {
		bool is = !strncmp(word, "--", 2)
				  ? !strcmp(word + 2, option->name)
				  : word[0] == '-' && word[1] && option->letter &&
					    word[strlen(word) - 1] == option->letter;
		if (is && option->kind != CLI_FLAG)
			return option;
	}
	return NULL;
}

static void offer_operand(
	const struct cli_command *command, int n, const char *db, const char *word)
{
	int last = 0;
	while (last < 2 && command->words[last + 1] != CLI_NOTHING)
		last++;
	if (n < command->max)
		offer_word(command->words[n < last ? n : last], db, word);
}

static void complete_command(const struct cli_command *command, int argc, char **argv)
{
	const struct cli_option *option = NULL;
	const char *db = NULL, *word = argv[argc - 1];
	int operands = 0;
	for (int i = 0; i < argc - 1; i++) {
		bool is_value = option != NULL;
		option = is_value || argv[i][0] != '-' ? NULL : option_before(command, argv[i]);
		if (is_value || argv[i][0] == '-')
			continue;
		db = operands ? db : argv[i];
		operands++;
	}
	if (option && option->kind == CLI_CHOICE)
		offer_choices(option->value, word);
	else if (option)
		offer_word(option->word, db, word);
	else if (*word == '-')
		offer_options(command, word);
	else
		offer_operand(command, operands, db, word);
}

int cli_complete(int argc, char **argv)
{
	const struct cli_command *command = argc > 1 ? cli_find_command(argv[0]) : NULL;
	if (argc == 1) {
		for (size_t i = 0; cli_commands[i]; i++)
			offer(argv[0], cli_commands[i]->name, cli_commands[i]->summary);
		offer(argv[0], "help", "tell more about a command or a topic");
		if (*argv[0] == '-') {
			offer(argv[0], "--help", "the commands and topics");
			offer(argv[0], "--version", "the version of this program");
		}
	} else if (argc == 2 && !strcmp(argv[0], "help")) {
		offer_topics(argv[1]);
	} else if (command) {
		complete_command(command, argc - 1, argv + 1);
	}
	return 0;
}
