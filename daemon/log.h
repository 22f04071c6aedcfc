/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * How does the daemon tell its operator something?
 */
#ifndef BPFSNAP_LOG_H
#define BPFSNAP_LOG_H

#include <stdarg.h>

#include "cleanup.h"

enum log_level {
	LOG_LEVEL_ERR		= 3,
	LOG_LEVEL_WARNING	= 4,
	LOG_LEVEL_INFO		= 6,
	LOG_LEVEL_DEBUG		= 7,
};

/** log_open - learn from the environment whether the journal reads stderr, and BPFSNAP_DEBUG */
void log_open(void);

/** log_line - one line on stderr; the line's end is added */
void log_line(enum log_level level, const char *fmt, ...) _printf_(2, 3);
void log_linev(enum log_level level, const char *fmt, va_list ap) _printf_(2, 0);

#define log_err(...)	log_line(LOG_LEVEL_ERR, __VA_ARGS__)
#define log_warning(...) log_line(LOG_LEVEL_WARNING, __VA_ARGS__)
#define log_info(...)	log_line(LOG_LEVEL_INFO, __VA_ARGS__)
#define log_debug(...)	log_line(LOG_LEVEL_DEBUG, __VA_ARGS__)

#endif /* BPFSNAP_LOG_H */
