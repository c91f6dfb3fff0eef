/* SPDX-License-Identifier: MIT */
#ifndef PYMODFS_NOTIFY_H
#define PYMODFS_NOTIFY_H

/*
 * Tells the service manager, if there is one, how the daemon is: lines of NAME=VALUE as in sd_notify(3). Whether anybody
 * listens makes no difference to a mount, so there is no result.
 */
void notify_manager(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
