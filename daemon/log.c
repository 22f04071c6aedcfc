// SPDX-License-Identifier: GPL-2.0-only
/*
 * How does the daemon tell its operator something?  Lines on stderr; with the
 * priority in front of each when the journal is at the other end.
 */
#include "log.h"

#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

static bool has_journal;
static enum log_level level_max = LOG_LEVEL_INFO;

void log_open(void)
{
	/* Whoever read our lines may be gone: that is no reason to end. */
	signal(SIGPIPE, SIG_IGN);
	has_journal = getenv("JOURNAL_STREAM") != NULL;
	if (getenv("BPFSNAP_DEBUG"))
		level_max = LOG_LEVEL_DEBUG;
}

void log_linev(enum log_level level, const char *fmt, va_list ap)
{
	char line[1024];
	size_t len;

	if (level > level_max)
		return;
	vsnprintf(line, sizeof(line), fmt, ap);
	len = strcspn(line, "\n");
	if (has_journal)
		fprintf(stderr, "<%d>%.*s\n", (int)level, (int)len, line);
	else
		fprintf(stderr, "bpfsnapd: %.*s\n", (int)len, line);
}

void log_line(enum log_level level, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	log_linev(level, fmt, ap);
	va_end(ap);
}
