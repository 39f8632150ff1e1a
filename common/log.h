/* The journal. One record per event, logged once, where it is handled: only agentd/engine,
 * agentd/inputs, main.c and manager.c log above debug; everyone else returns errors.
 *
 * `LOG_SCOPE("kubelet-unit");` once per file. Without a journal on stderr (JOURNAL_STREAM does not
 * match) records go to stderr with <N> prefixes. Control characters are escaped. */
#pragma once

#include <stdarg.h>
#include <stdbool.h>
#include <syslog.h>

#include "common/buf.h"
#include "common/macros.h"

struct log_field {
	const char *name; /* such as "AGENTD_RESOURCE" */
	const char *value;
};

#define LOG_SCOPE(text) static const char *const log_scope_ = text

void log_setup(int max_level, bool to_stderr);
void log_record(int level, const char *scope, const char *file, int line,
		const struct log_field *fields, const char *format, ...) PRINTF_LIKE(6, 7);
/* Appends text with control characters and bytes that are not UTF-8 as \n, \t or \xNN, so that no
 * foreign text can speak to a terminal. */
void log_escape(const char *text, struct buf *buf);
/* Where records go instead, for tests; NULL restores. */
typedef void (*log_sink_fn)(int level, const char *scope, const char *message, void *userdata);
void log_set_sink(log_sink_fn sink, void *userdata);

/* fields end with {}. */
#define log_fields(level, fields, ...) \
	log_record(level, log_scope_, __FILE__, __LINE__, fields, __VA_ARGS__)
#define log_error(...)	 log_record(LOG_ERR, log_scope_, __FILE__, __LINE__, NULL, __VA_ARGS__)
#define log_warning(...) log_record(LOG_WARNING, log_scope_, __FILE__, __LINE__, NULL, __VA_ARGS__)
#define log_info(...)	 log_record(LOG_INFO, log_scope_, __FILE__, __LINE__, NULL, __VA_ARGS__)
#define log_debug(...)	 log_record(LOG_DEBUG, log_scope_, __FILE__, __LINE__, NULL, __VA_ARGS__)
