/* SPDX-License-Identifier: MIT */
/*
 * orders - prices orders that come in on standard input, by rules that may change at any moment.
 *
 * A program of the kind that sleeps until something happens: poll() waits for the next order or
 * for a change of the rules, whichever comes first. Each line is `ARTICLE PIECES`; the module
 * `pricing` says what it costs, in cents.
 */
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <pymodhost.h>

static void show_event(const struct pymodhost_event *event, void *data)
{
	if (event->type == PYMODHOST_RELOADED)
		printf("new rules: %s, version %" PRIu64 "\n", event->module, event->version);
	else if (event->type == PYMODHOST_FAILED)
		fprintf(stderr, "rules not taken over:\n%s", event->text);
}

static void price_order(struct pymodhost *host, char *line)
{
	char *end, *article = strtok_r(line, " \n", &end), *pieces = strtok_r(NULL, " \n", &end);
	int64_t cents;

	if (!article || !pieces) {
		fprintf(stderr, "an order is an article and a number\n");
		return;
	}
	if (pymodhost_call(host, "pricing", "price", "sl>l", article, strtoll(pieces, NULL, 10),
		    &cents) != 0) {
		fprintf(stderr, "no price for %s:\n%s\n", article, pymodhost_error());
		return;
	}
	printf("%s %s: %" PRId64 ".%02" PRId64 "\n", article, pieces, cents / 100, cents % 100);
}

/* Serves orders until the input ends. The input is read without stdio's buffer, which poll() could
 * not see into. */
static int serve(struct pymodhost *host)
{
	struct pollfd wait[] = {{.fd = STDIN_FILENO, .events = POLLIN},
		{.fd = pymodhost_fd(host), .events = POLLIN}};
	char line[256];
	size_t used = 0;
	ssize_t got;

	for (;;) {
		if (poll(wait, 2, -1) < 0) {
			if (errno == EINTR)
				continue;
			return -errno;
		}
		if (wait[1].revents)
			pymodhost_poll(host, NULL);
		if (!wait[0].revents)
			continue;
		got = read(STDIN_FILENO, line + used, 1);
		if (got <= 0)
			return got < 0 ? -errno : 0;
		used += (size_t)got;
		if (line[used - 1] != '\n' && used < sizeof(line) - 1)
			continue;
		line[used] = '\0';
		used = 0;
		price_order(host, line);
	}
}

int main(int argc, char **argv)
{
	struct pymodhost_config *config = pymodhost_config_create();
	struct pymodhost *host = NULL;
	int err;

	if (argc != 2) {
		fprintf(stderr, "usage: orders RULES-DIRECTORY\n");
		pymodhost_config_destroy(config);
		return 2;
	}
	setvbuf(stdout, NULL, _IOLBF, 0);
	err = config ? pymodhost_config_add_path(config, argv[1]) : -ENOMEM;
	if (err == 0)
		err = pymodhost_create(config, &host);
	pymodhost_config_destroy(config);
	if (err == 0)
		err = pymodhost_on_event(host, show_event, NULL);
	if (err == 0)
		err = pymodhost_load(host, "pricing", NULL);
	if (err != 0)
		fprintf(stderr, "orders: %s\n", pymodhost_error());
	else
		err = serve(host);
	pymodhost_destroy(host);
	return err == 0 ? 0 : 1;
}
