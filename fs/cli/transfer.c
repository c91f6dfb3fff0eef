/* SPDX-License-Identifier: MIT */
/* No state. */
#include "transfer.h"

#include "output.h"
#include "progress.h"

void transfer_tell(const struct transfer *transfer, const char *what, const char *path)
{
	if (transfer->json || (!transfer->verbose && !transfer->dry_run))
		return;
	progress_hide();
	printf("%-8s ", what);
	output_name(path);
	putchar('\n');
}
