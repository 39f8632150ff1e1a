/* Output of agentctl (render.h): values, marks and tones, and tables by libsmartcols. */
#include "agentd/cli/render.h"

#include <libsmartcols/libsmartcols.h>
#include <stdlib.h>
#include <string.h>

#include "common/alloc.h"
#include "common/buf.h"
#include "common/json.h"
#include "common/log.h"
#include "common/parse.h"
#include "common/yaml.h"

/* More than any answer: the daemon's messages are at most 1 MiB, escapes and indents add to it. */
#define TEXT_MAX (64 * MIB)

enum {
	COLUMNS_MAX = 12,
	/* A column narrower than this is not broken: that would not be readable. */
	WRAP_MINIMUM = 16,
};

/* clang-format off */
static const struct {
	const char *escape;	    /* of ANSI terminals */
	const char *mark, *ascii;
	const char *smartcols;	    /* its name for the colour */
} tones[] = {
	[TONE_PLAIN] = { "",           "●", "*", NULL },
	[TONE_GOOD]  = { "\033[0;32m", "●", "*", "green" },
	[TONE_BUSY]  = { "\033[0;33m", "○", "o", "brown" },
	[TONE_BAD]   = { "\033[0;31m", "×", "x", "red" },
	[TONE_FAINT] = { "\033[0;90m", "○", "o", "darkgray" },
	[TONE_BOLD]  = { "\033[0;1m",  "●", "*", NULL },
};
/* clang-format on */

/* Writes JSON with DEL and the control characters of U+0080 to U+009F escaped, which the generator
 * leaves as they are and some terminals obey. They stand in strings only. */
static void write_json(const struct buf *text, FILE *out)
{
	const unsigned char *bytes = (const unsigned char *)text->data;

	for (size_t i = 0; i < text->length; i++) {
		if (bytes[i] == 0x7f)
			fputs("\\u007f", out);
		else if (bytes[i] == 0xc2 && bytes[i + 1] >= 0x80 && bytes[i + 1] < 0xa0)
			fprintf(out, "\\u%04x", bytes[++i]);
		else
			fputc(bytes[i], out);
	}
}

static void write_value(const struct render *render, const struct value *value, unsigned indent)
{
	_cleanup_(buf_done) struct buf text = BUF_INIT(TEXT_MAX);
	int r;

	if (render->output == OUTPUT_YAML) {
		r = yaml_write(value, &text);
	} else {
		r = json_write(value, indent, &text);
		if (indent == 0)
			(void)buf_append_char(&text, '\n');
	}
	/* What came as JSON can be written as JSON, and is small enough. */
	assert(r >= 0);
	if (render->output == OUTPUT_YAML)
		(void)fwrite(text.data, 1, text.length, render->out);
	else
		write_json(&text, render->out);
}

void render_value(const struct render *render, const struct value *value)
{
	write_value(render, value, 2);
}

void render_value_of_stream(const struct render *render, const struct value *value)
{
	if (render->output == OUTPUT_YAML)
		(void)fputs("---\n", render->out);
	write_value(render, value, 0);
	(void)fflush(render->out);
}

static char *escaped(const char *text)
{
	struct buf escaped = BUF_INIT(TEXT_MAX);

	log_escape(text, &escaped);
	return buf_take(&escaped);
}

void render_text(const struct render *render, enum render_tone tone, const char *text)
{
	_cleanup_free_ char *safe = escaped(text);
	bool color = render->color && *tones[tone].escape;

	fprintf(render->out, "%s%s%s", color ? tones[tone].escape : "", safe,
		color ? "\033[0m" : "");
}

void render_textf(const struct render *render, enum render_tone tone, const char *format, ...)
{
	_cleanup_free_ char *text = NULL;
	va_list args;

	va_start(args, format);
	text = xvasprintf(format, args);
	va_end(args);
	render_text(render, tone, text);
}

void render_mark(const struct render *render, enum render_tone tone)
{
	bool color = render->color && *tones[tone].escape;

	fprintf(render->out, "%s%s%s", color ? tones[tone].escape : "",
		render->utf8 ? tones[tone].mark : tones[tone].ascii, color ? "\033[0m" : "");
}

struct cell {
	char *text;
	enum render_tone tone;
};

struct render_table {
	const struct render *render;
	const char *const *columns;
	size_t width; /* in columns */
	struct cell *cells;
	size_t count;
};

struct render_table *render_table_new(const struct render *render, const char *const *columns)
{
	struct render_table *table = NEW(struct render_table);

	table->render = render;
	table->columns = columns;
	while (columns[table->width])
		table->width++;
	assert(table->width > 0 && table->width <= COLUMNS_MAX);
	return table;
}

struct render_table *render_table_free(struct render_table *table)
{
	if (!table)
		return NULL;
	for (size_t i = 0; i < table->count; i++)
		free(table->cells[i].text);
	free(table->cells);
	free(table);
	return NULL;
}

void render_table_cell(struct render_table *table, enum render_tone tone, const char *text)
{
	char *copy = xstrdup(text && *text ? text : "-");
	bool is_last = table->count % table->width == table->width - 1;

	/* Only the last column has lines. Other control characters are escaped by libsmartcols. */
	for (char *c = copy; *c; c++)
		if ((*c == '\n' && !is_last) || *c == '\r' || *c == '\t')
			*c = ' ';
	table->cells = xreallocarray(table->cells, table->count + 1, sizeof(*table->cells));
	table->cells[table->count++] = (struct cell){ .text = copy, .tone = tone };
}

/* Characters of a text, which stand for its width. */
static size_t length_of(const char *text)
{
	size_t length = 0;

	for (; *text; text++)
		length += ((unsigned char)*text & 0xc0) != 0x80;
	return length;
}

/* What the last column may take; 0 = as much as it wants. */
static size_t width_of_last(const struct render_table *table)
{
	size_t used = 0, last = table->width - 1;

	if (table->render->width == 0)
		return 0;
	for (size_t column = 0; column < last; column++) {
		size_t most = length_of(table->columns[column]);

		for (size_t i = column; i < table->count; i += table->width)
			most = MAX(most, length_of(table->cells[i].text));
		used += most + 1;
	}
	if (used + WRAP_MINIMUM > table->render->width)
		return 0;
	return table->render->width - used;
}

/* Puts line ends in place of blanks, so that no line is longer than width where that can be. */
static void break_lines(char *text, size_t width)
{
	char *blank = NULL;
	size_t length = 0;

	for (char *c = text; *c; c++) {
		if (*c == '\n') {
			blank = NULL;
			length = 0;
			continue;
		}
		if (*c == ' ')
			blank = c;
		length += ((unsigned char)*c & 0xc0) != 0x80;
		if (length > width && blank) {
			*blank = '\n';
			length = length_of(blank + 1) - length_of(c + 1);
			blank = NULL;
		}
	}
}

static void add_columns(const struct render_table *table, struct libscols_table *scols)
{
	for (size_t i = 0; i < table->width; i++) {
		bool is_last = i == table->width - 1;
		struct libscols_column *column = scols_table_new_column(
		    scols, table->columns[i], 0, is_last ? SCOLS_FL_WRAP : 0);

		if (!column)
			abort();
		if (!is_last)
			continue;
		(void)scols_column_set_safechars(column, "\n");
		(void)scols_column_set_wrapfunc(column, scols_wrapnl_chunksize,
						scols_wrapnl_nextchunk, NULL);
	}
}

static void add_line(const struct render_table *table, struct libscols_table *scols, size_t first)
{
	struct libscols_line *line = scols_table_new_line(scols, NULL);

	if (!line)
		abort();
	for (size_t i = 0; i < table->width; i++) {
		const struct cell *cell = &table->cells[first + i];

		if (scols_line_set_data(line, i, cell->text) < 0)
			abort();
		if (tones[cell->tone].smartcols)
			(void)scols_cell_set_color(scols_line_get_cell(line, i),
						   tones[cell->tone].smartcols);
	}
}

void render_table_print(struct render_table *table)
{
	size_t last = width_of_last(table);
	struct libscols_table *scols;

	assert(table->count % table->width == 0);
	if (table->count == 0)
		return;
	scols = scols_new_table();
	if (!scols)
		abort();
	(void)scols_table_set_stream(scols, table->render->out);
	(void)scols_table_enable_colors(scols, table->render->color);
	(void)scols_table_enable_noheadings(scols, !table->render->headers);
	/* We break the lines, so it must not. */
	(void)scols_table_set_termforce(scols, SCOLS_TERMFORCE_NEVER);
	add_columns(table, scols);
	for (size_t i = 0; i < table->count; i += table->width) {
		if (last > 0)
			break_lines(table->cells[i + table->width - 1].text, last);
		add_line(table, scols, i);
	}
	(void)scols_print_table(scols);
	scols_unref_table(scols);
}

void render_seconds(int64_t seconds, char ret[static 32])
{
	if (seconds < 120)
		snprintf(ret, 32, "%llds", (long long)MAX(seconds, (int64_t)0));
	else if (seconds < 10 * 60 && seconds % 60)
		snprintf(ret, 32, "%lldm%llds", (long long)seconds / 60, (long long)seconds % 60);
	else if (seconds < 3 * 3600)
		snprintf(ret, 32, "%lldm", (long long)seconds / 60);
	else if (seconds < 8 * 3600 && seconds % 3600 >= 60)
		snprintf(ret, 32, "%lldh%lldm", (long long)seconds / 3600,
			 (long long)seconds % 3600 / 60);
	else if (seconds < 48 * 3600)
		snprintf(ret, 32, "%lldh", (long long)seconds / 3600);
	else
		snprintf(ret, 32, "%lldd", (long long)seconds / 86400);
}

void render_age(const struct render *render, const char *rfc3339, char ret[static 32])
{
	int64_t then;

	if (rfc3339 && parse_time(rfc3339, &then) == 0)
		render_seconds(render->now - then, ret);
	else
		snprintf(ret, 32, "-");
}
