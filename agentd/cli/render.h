/* How answers are shown: as JSON or YAML, or in tables for people (the only user of libsmartcols).
 * Control characters in texts are escaped. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "agentd/cli/options.h"
#include "common/value.h"

struct render {
	FILE *out;
	enum output output;
	bool color, utf8, headers;
	unsigned width; /* of the terminal; 0 = no limit */
	int64_t now;	/* seconds since 1970 */
};

/* Whether a program is to read the output. */
static inline bool render_is_for_programs(const struct render *render)
{
	return render->output == OUTPUT_JSON || render->output == OUTPUT_YAML;
}
/* Prints a value as JSON or YAML. */
void render_value(const struct render *render, const struct value *value);
/* The same on one line, or as one document of many. */
void render_value_of_stream(const struct render *render, const struct value *value);

enum render_tone { TONE_PLAIN, TONE_GOOD, TONE_BUSY, TONE_BAD, TONE_FAINT, TONE_BOLD };
/* Prints text in a tone; control characters are escaped. */
void render_text(const struct render *render, enum render_tone tone, const char *text);
void render_textf(const struct render *render, enum render_tone tone, const char *format, ...)
    PRINTF_LIKE(3, 4);
/* One of "●", "○", "×", or what stands for it without UTF-8. */
void render_mark(const struct render *render, enum render_tone tone);

/* A table. Columns end with NULL; the last one is broken between words where the terminal is
 * narrow. */
struct render_table;
struct render_table *render_table_new(const struct render *render, const char *const *columns);
struct render_table *render_table_free(struct render_table *table);
DEFINE_CLEANUP(struct render_table, render_table_free)
/* The next cell of the row; rows follow each other. NULL is shown as "-". In the last column \n
 * begins a new line. */
void render_table_cell(struct render_table *table, enum render_tone tone, const char *text);
/* Prints with an indent. A table without rows prints nothing. */
void render_table_print(struct render_table *table);

/* How long something is ago, such as "5s", "3m", "2h10m", "4d"; "-" for no time. */
void render_age(const struct render *render, const char *rfc3339, char ret[static 32]);
/* Seconds in the same form. */
void render_seconds(int64_t seconds, char ret[static 32]);
