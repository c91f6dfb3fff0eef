/* SPDX-License-Identifier: MIT */
/* No state of its own. */
#include "user.h"

#include <pwd.h>
#include <stdio.h>

struct user_name user_name(int64_t uid)
{
	struct user_name name;
	const struct passwd *user = uid >= 0 ? getpwuid((uid_t)uid) : NULL;
	if (user)
		snprintf(name.text, sizeof(name.text), "%s", user->pw_name);
	else
		snprintf(name.text, sizeof(name.text), "%lld", (long long)uid);
	return name;
}
