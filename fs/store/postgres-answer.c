/* SPDX-License-Identifier: MIT */
/*
 * Waiting for a server's answer, with an end: libpq's own waits have none, and a server that is stopped, or behind a
 * network that swallows everything, would hold up whoever asks, for ever. A connection on which an answer didn't come can
 * only be made anew. No state, no lock.
 */
#include "postgres.h"

#include <errno.h>
#include <poll.h>

/* Returns false if the server is silent for too long; else PQgetResult() doesn't wait. */
static bool is_ready(PGconn *connection, int silence_ms)
{
	for (;;) {
		int unsent = PQflush(connection);
		if (unsent < 0 || (!unsent && !PQisBusy(connection)))
			return true;
		struct pollfd fd = {.fd = PQsocket(connection), .events = POLLIN};
		if (unsent)
			fd.events |= POLLOUT;
		int n = poll(&fd, 1, silence_ms);
		if (n == 0 || (n < 0 && errno != EINTR))
			return false;
		if (n > 0 && (fd.revents & ~POLLOUT) && !PQconsumeInput(connection))
			return true;
	}
}

PGresult *postgres_answer(PGconn *connection, int sent, int silence_ms)
{
	PGresult *last = NULL;
	while (sent) {
		if (!is_ready(connection, silence_ms)) {
			PQclear(last);
			return NULL;
		}
		PGresult *result = PQgetResult(connection);
		if (!result)
			break;
		PQclear(last);
		last = result;
	}
	return last;
}
