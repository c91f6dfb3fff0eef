// SPDX-License-Identifier: MIT
/*
 * The readiness protocol of service managers: one datagram to the socket that NOTIFY_SOCKET names (sd_notify(3), "Notes").
 * libsystemd would bring five more libraries into the daemon for these lines. No state.
 */
#include "notify.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define MESSAGE_SIZE 1024

static void send_to(const char *path, const char *message)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	size_t n = strlen(path);
	if (n < 2 || n >= sizeof(address.sun_path) || !strchr("/@", path[0]))
		return;
	memcpy(address.sun_path, path, n);
	if (path[0] == '@') /* Linux' abstract namespace */
		address.sun_path[0] = '\0';
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return;
	socklen_t size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + n);
	(void)sendto(fd, message, strlen(message), MSG_NOSIGNAL | MSG_DONTWAIT,
		(const struct sockaddr *)&address, size);
	close(fd);
}

void notify_manager(const char *format, ...)
{
	const char *path = getenv("NOTIFY_SOCKET");
	char message[MESSAGE_SIZE];
	va_list args;
	if (!path)
		return;
	va_start(args, format);
	vsnprintf(message, sizeof(message), format, args);
	va_end(args);
	send_to(path, message);
}
