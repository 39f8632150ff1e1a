/* Decodes maps into structs by rows; see decode.h. Every function that may fail is given the path
 * to its value, from which the text of an error is made only when there is one. */
#include "common/decode.h"

#include <errno.h>
#include <stdarg.h>
#include <string.h>

#include "common/alloc.h"
#include "common/names.h"
#include "common/parse.h"

enum { TEXT_MAX = 400, ITEMS_MAX = 1000 };

struct decoder {
	const struct decode_options *options;
	struct error *err;
};

/* Where a value is, from the inside out. */
struct path {
	const struct path *outer;
	const char *key; /* NULL: an item of a list */
	size_t index;
	unsigned line, column;
};

static const struct {
	const char *name;   /* for explain */
	const char *wanted; /* for messages */
} kinds[_DECODE_KIND_MAX] = {
	/* clang-format off */
	[DECODE_NOTHING]      = { "ignored",         "anything" },
	[DECODE_STRING]       = { "string",          "a string" },
	[DECODE_BOOL]         = { "boolean",         "true or false" },
	[DECODE_TRISTATE]     = { "boolean",         "true or false" },
	[DECODE_INT]          = { "integer",         "a whole number" },
	[DECODE_DURATION]     = { "duration",        "a duration such as 1h30m" },
	[DECODE_SECONDS]      = { "duration",        "a duration such as 1h30m" },
	[DECODE_ENUM]         = { "string",          "a string" },
	[DECODE_STRINGS]      = { "list of strings", "a list of strings" },
	[DECODE_MAP]          = { "map",             "a map" },
	[DECODE_OPTIONAL_MAP] = { "map",             "a map" },
	[DECODE_LIST]         = { "list of maps",    "a list" },
	[DECODE_VALUE]        = { "value",           "a value" },
	[DECODE_SECRET]       = { "secret string",   "a string" },
	[DECODE_CUSTOM]       = { "value",           "a value" },
	/* clang-format on */
};

const char *decode_kind_name(enum decode_kind kind)
{
	return (size_t)kind < ARRAY_SIZE(kinds) ? kinds[kind].name : "?";
}

static void *field_of(const struct decode_row *row, void *target)
{
	return (char *)target + row->offset;
}

static size_t *count_of(const struct decode_row *row, void *target)
{
	return (size_t *)(void *)((char *)target + row->count_offset);
}

/* The whole is called by its root name, what is in it without that. */
static void print_path(const struct path *path, struct buf *buf)
{
	if (path->outer && path->outer->outer)
		print_path(path->outer, buf);
	if (path->outer && path->key)
		(void)buf_printf(buf, "%s%s", buf->length ? "." : "", path->key);
	else if (path->outer)
		(void)buf_printf(buf, "[%zu]", path->index);
	else
		(void)buf_append_string(buf, path->key);
}

static int fail(const struct decoder *decoder, const struct path *path, int code,
		const char *format, ...) PRINTF_LIKE(4, 5);
static int fail(const struct decoder *decoder, const struct path *path, int code,
		const char *format, ...)
{
	const char *name = decoder->options->name;
	_cleanup_free_ char *text = NULL;
	va_list args;

	va_start(args, format);
	text = xvasprintf(format, args);
	va_end(args);
	(void)error_set(decoder->err, decoder->options->class, code, "%s", text);
	if (name && path->line)
		return error_wrap(decoder->err, code, "%s:%u:%u", name, path->line, path->column);
	return name ? error_wrap(decoder->err, code, "%s", name) : code;
}

/* The same, with the path in front of the text. */
static int refuse(const struct decoder *decoder, const struct path *path, const char *format, ...)
    PRINTF_LIKE(3, 4);
static int refuse(const struct decoder *decoder, const struct path *path, const char *format, ...)
{
	_cleanup_(buf_done) struct buf text = BUF_INIT(TEXT_MAX);
	_cleanup_free_ char *problem = NULL;
	va_list args;

	print_path(path, &text);
	va_start(args, format);
	problem = xvasprintf(format, args);
	va_end(args);
	return fail(decoder, path, -EINVAL, "%s %s", text.data, problem);
}

static int refuse_type(const struct decoder *decoder, const struct path *path, const char *wanted,
		       const struct value *value)
{
	return refuse(decoder, path, "must be %s, not %s", wanted,
		      value_type_name(value_type(value)));
}

/* Whether a text may appear in a message. */
static bool may_print(const struct decode_row *row)
{
	return row->kind != DECODE_SECRET && !(row->flags & DECODE_NOT_PRINTED);
}

/* Index of a text in a row's choices, -1 if it is none of them. */
static int choice_of(const struct decode_row *row, const char *text)
{
	for (int i = 0; row->choices[i]; i++)
		if (strcmp(row->choices[i], text) == 0)
			return i;
	return -1;
}

static int refuse_choice(const struct decoder *decoder, const struct path *path,
			 const struct decode_row *row, const char *text)
{
	_cleanup_(buf_done) struct buf list = BUF_INIT(TEXT_MAX);

	for (int i = 0; row->choices[i]; i++) {
		if (i > 0)
			(void)buf_append_string(&list, row->choices[i + 1] ? ", " : " or ");
		(void)buf_printf(&list, "\"%s\"", row->choices[i]);
	}
	if (may_print(row))
		return refuse(decoder, path, "must be %s, not \"%s\"", list.data, text);
	return refuse(decoder, path, "must be %s", list.data);
}

/* Says what a row's own function found. Its words are not used where they would give away a text
 * that must not be printed. */
static int refuse_by_row(const struct decoder *decoder, const struct path *path,
			 const struct decode_row *row, const char *text, const struct error *found)
{
	if (!may_print(row) && text && *text && strstr(found->message, text))
		return refuse(decoder, path, "is not valid");
	return refuse(decoder, path, "%s", found->message);
}

/* What every string must keep to, whatever it becomes. */
static int check_string(const struct decoder *decoder, const struct path *path,
			const struct decode_row *row, const struct value *value)
{
	const char *text = value_string(value);
	struct error found = ERROR_INIT;

	if (!text)
		return refuse_type(decoder, path, "a string", value);
	if ((row->flags & DECODE_NOT_EMPTY) && !*text)
		return refuse(decoder, path, "must not be empty");
	if (row->choices && choice_of(row, text) < 0)
		return refuse_choice(decoder, path, row, text);
	if (row->check && row->check(text, &found) < 0)
		return refuse_by_row(decoder, path, row, text, &found);
	return 0;
}

static void free_string(const struct decode_row *row, char **field)
{
	if (*field && !may_print(row))
		secret_wipe(*field, strlen(*field));
	free(*field);
	*field = NULL;
}

static int decode_string(const struct decoder *decoder, const struct path *path,
			 const struct decode_row *row, const struct value *value, void *field)
{
	int r = check_string(decoder, path, row, value);

	if (r < 0)
		return r;
	if (row->kind == DECODE_STRING) {
		free_string(row, field);
		*(char **)field = xstrdup(value_string(value));
	} else if (row->kind == DECODE_SECRET) {
		secret_unref(*(struct secret **)field);
		*(struct secret **)field =
		    secret_new(value_string(value), value_string_length(value));
	} else {
		*(int *)field = choice_of(row, value_string(value));
	}
	return 0;
}

static int decode_bool(const struct decoder *decoder, const struct path *path,
		       const struct decode_row *row, const struct value *value, void *field)
{
	if (value_type(value) != VALUE_BOOL)
		return refuse_type(decoder, path, kinds[row->kind].wanted, value);
	if (row->kind == DECODE_BOOL)
		*(bool *)field = value_is_true(value);
	else
		*(enum decode_tristate *)field = value_is_true(value) ? DECODE_TRUE : DECODE_FALSE;
	return 0;
}

/* The range of a row: what it says, or what its field holds with or without a sign. */
static void range_of(const struct decode_row *row, int64_t *ret_minimum, int64_t *ret_maximum)
{
	unsigned bits = 8 * (unsigned)row->width;

	*ret_minimum = row->minimum;
	*ret_maximum = row->maximum < row->minimum ? INT64_MAX : row->maximum;
	if (row->minimum != 0 || row->maximum != 0)
		return;
	*ret_minimum = bits == 64 ? INT64_MIN : -(INT64_C(1) << (bits - 1));
	*ret_maximum = bits == 64 ? INT64_MAX : (INT64_C(1) << bits) - 1;
}

static int decode_int(const struct decoder *decoder, const struct path *path,
		      const struct decode_row *row, const struct value *value, void *field)
{
	int64_t number, minimum, maximum;

	if (value_type(value) != VALUE_NUMBER)
		return refuse_type(decoder, path, kinds[row->kind].wanted, value);
	if (!value_to_int(value, &number))
		return refuse(decoder, path, "must be a whole number of at most 64 bits");
	range_of(row, &minimum, &maximum);
	if (number < minimum || number > maximum)
		return refuse(decoder, path, "must be between %lld and %lld", (long long)minimum,
			      (long long)maximum);

	switch (row->width) {
	case 1:
		*(int8_t *)field = (int8_t)number;
		break;
	case 2:
		*(int16_t *)field = (int16_t)number;
		break;
	case 4:
		*(int32_t *)field = (int32_t)number;
		break;
	default:
		assert(row->width == 8);
		*(int64_t *)field = number;
	}
	return 0;
}

static int decode_duration(const struct decoder *decoder, const struct path *path,
			   const struct decode_row *row, const struct value *value, void *field)
{
	int64_t ns;

	if (value_type(value) != VALUE_STRING)
		return refuse_type(decoder, path, kinds[row->kind].wanted, value);
	if (parse_duration(value_string(value), &ns) < 0)
		return refuse(decoder, path, "must be %s, not \"%s\"", kinds[row->kind].wanted,
			      value_string(value));
	if (ns < 0)
		return refuse(decoder, path, "must not be negative");
	*(int64_t *)field = row->kind == DECODE_SECONDS ? ns / (int64_t)NSEC_PER_SEC : ns;
	return 0;
}

/* What every list must keep to. */
static int check_list(const struct decoder *decoder, const struct path *path,
		      const struct decode_row *row, const struct value *value)
{
	unsigned most = row->maximum_items ? row->maximum_items : ITEMS_MAX;

	if (value_type(value) != VALUE_LIST)
		return refuse_type(decoder, path, kinds[row->kind].wanted, value);
	if ((row->flags & DECODE_NOT_EMPTY) && value_count(value) == 0)
		return refuse(decoder, path, "must not be empty");
	if (value_count(value) > most)
		return refuse(decoder, path, "has %zu items, more than %u", value_count(value),
			      most);
	return 0;
}

static struct path path_of_item(const struct path *outer, const struct value *list, size_t index)
{
	const struct value *item = value_item(list, index);

	return (struct path){
		.outer = outer,
		.index = index,
		.line = value_line(item),
		.column = value_column(item),
	};
}

static int decode_strings(const struct decoder *decoder, const struct path *path,
			  const struct decode_row *row, const struct value *value, void *field)
{
	_cleanup_(strv_done) struct strv list = STRV_INIT;
	int r = check_list(decoder, path, row, value);

	if (r < 0)
		return r;
	VALUE_FOREACH(i, value) {
		struct path inner = path_of_item(path, value, i);

		r = check_string(decoder, &inner, row, value_item(value, i));
		if (r < 0)
			return r;
		strv_add(&list, value_string(value_item(value, i)));
	}
	strv_done(field);
	*(struct strv *)field = list;
	list = STRV_INIT;
	return 0;
}

static int decode_at(const struct decoder *decoder, const struct path *path,
		     const struct decode_row *rows, const struct value *map, void *target);

static void *new_item(const struct decode_row *row, size_t count)
{
	char *items = xcalloc(count, row->item_size);

	for (size_t i = 0; row->prepare && i < count; i++)
		row->prepare(items + i * row->item_size);
	return items;
}

static void free_items(const struct decode_row *row, char **field, size_t count)
{
	for (size_t i = 0; *field && i < count; i++)
		decode_free(row->rows, *field + i * row->item_size);
	free(*field);
	*field = NULL;
}

static int decode_optional_map(const struct decoder *decoder, const struct path *path,
			       const struct decode_row *row, const struct value *value, void *field)
{
	free_items(row, field, 1);
	if (value_type(value) != VALUE_MAP)
		return refuse_type(decoder, path, kinds[row->kind].wanted, value);
	*(void **)field = new_item(row, 1);
	return decode_at(decoder, path, row->rows, value, *(void **)field);
}

static int decode_list(const struct decoder *decoder, const struct path *path,
		       const struct decode_row *row, const struct value *value, void *target)
{
	char **items = field_of(row, target);
	size_t *count = count_of(row, target);
	int r = check_list(decoder, path, row, value);

	if (r < 0)
		return r;
	free_items(row, items, *count);
	*count = value_count(value);
	if (*count > 0)
		*items = new_item(row, *count);
	VALUE_FOREACH(i, value) {
		struct path inner = path_of_item(path, value, i);

		r = decode_at(decoder, &inner, row->rows, value_item(value, i),
			      *items + i * row->item_size);
		if (r < 0)
			return r;
	}
	return 0;
}

static int decode_value(const struct decoder *decoder, const struct path *path,
			const struct decode_row *row, const struct value *value, void *field)
{
	if (row->value_type != VALUE_NULL && row->value_type != value_type(value))
		return refuse_type(decoder, path, value_type_name(row->value_type), value);
	value_unref(*(struct value **)field);
	*(struct value **)field = value_ref(value);
	return 0;
}

static int decode_custom(const struct decoder *decoder, const struct path *path,
			 const struct decode_row *row, const struct value *value, void *field)
{
	struct error found = ERROR_INIT;

	if (row->decode(row, value, field, decoder->options->userdata, &found) >= 0)
		return 0;
	return refuse_by_row(decoder, path, row, value_string(value), &found);
}

/* Whether a value of a field that is not supported says nothing, or what is done anyway. */
static bool is_harmless(const struct decode_row *row, const struct value *value)
{
	int64_t given, standard;

	switch (value_type(value)) {
	case VALUE_NULL:
		return true;
	case VALUE_BOOL:
		return row->standard &&
		       strcmp(row->standard, value_is_true(value) ? "true" : "false") == 0;
	case VALUE_NUMBER:
		return row->standard && strcmp(row->standard, value_number_text(value)) == 0;
	case VALUE_LIST:
	case VALUE_MAP:
		return value_count(value) == 0;
	case VALUE_STRING:
		break;
	}
	if (value_string_length(value) == 0)
		return true;
	if (!row->standard)
		return false;
	/* 4m is 4m0s. */
	if ((row->kind == DECODE_DURATION || row->kind == DECODE_SECONDS) &&
	    parse_duration(value_string(value), &given) == 0 &&
	    parse_duration(row->standard, &standard) == 0)
		return given == standard;
	return strcmp(row->standard, value_string(value)) == 0;
}

static int decode_field(const struct decoder *decoder, const struct path *path,
			const struct decode_row *row, const struct value *value, void *target)
{
	void *field = field_of(row, target);

	if (row->flags & DECODE_NOT_SUPPORTED)
		return is_harmless(row, value) ? 0 : refuse(decoder, path, "is not supported yet");
	switch (row->kind) {
	case DECODE_STRING:
	case DECODE_SECRET:
	case DECODE_ENUM:
		return decode_string(decoder, path, row, value, field);
	case DECODE_BOOL:
	case DECODE_TRISTATE:
		return decode_bool(decoder, path, row, value, field);
	case DECODE_INT:
		return decode_int(decoder, path, row, value, field);
	case DECODE_DURATION:
	case DECODE_SECONDS:
		return decode_duration(decoder, path, row, value, field);
	case DECODE_STRINGS:
		return decode_strings(decoder, path, row, value, field);
	case DECODE_MAP:
		return decode_at(decoder, path, row->rows, value, field);
	case DECODE_OPTIONAL_MAP:
		return decode_optional_map(decoder, path, row, value, field);
	case DECODE_LIST:
		return decode_list(decoder, path, row, value, target);
	case DECODE_VALUE:
		return decode_value(decoder, path, row, value, field);
	case DECODE_CUSTOM:
		return decode_custom(decoder, path, row, value, field);
	case DECODE_NOTHING:
	case _DECODE_KIND_MAX:
		break;
	}
	return 0;
}

static const struct decode_row *find_row(const struct decode_row *rows, const char *key,
					 size_t length)
{
	for (; rows && rows->key; rows++)
		if (strlen(rows->key) == length && strncmp(rows->key, key, length) == 0)
			return rows;
	return NULL;
}

static int refuse_unknown(const struct decoder *decoder, const struct path *path,
			  const struct decode_row *rows, const struct value *map, size_t index)
{
	_cleanup_(buf_done) struct buf text = BUF_INIT(2 * TEXT_MAX), where = BUF_INIT(TEXT_MAX);
	_cleanup_(strv_done) struct strv keys = STRV_INIT;
	const char *nearest;
	struct path place = {
		.line = value_key_line(map, index),
		.column = value_key_column(map, index),
	};

	for (const struct decode_row *row = rows; row->key; row++)
		strv_add(&keys, row->key);
	nearest =
	    names_nearest((const char *const *)keys.items, (int)keys.count, value_key(map, index));
	if (path->outer || decoder->options->root) {
		print_path(path, &where);
		(void)buf_printf(&text, " in %s", where.data);
	}
	if (nearest)
		(void)buf_printf(&text, ", did you mean \"%s\"?", nearest);
	return fail(decoder, &place, -EINVAL, "unknown field \"%.64s\"%s", value_key(map, index),
		    text.data);
}

static int check_required(const struct decoder *decoder, const struct path *path,
			  const struct decode_row *rows, const struct value *map)
{
	for (const struct decode_row *row = rows; row->key; row++) {
		struct path missing = {
			.outer = path,
			.key = row->key,
			.line = path->line,
			.column = path->column,
		};

		if ((row->flags & DECODE_REQUIRED) &&
		    value_type(value_get(map, row->key)) == VALUE_NULL)
			return refuse(decoder, &missing, "is missing");
	}
	return 0;
}

static int decode_at(const struct decoder *decoder, const struct path *path,
		     const struct decode_row *rows, const struct value *map, void *target)
{
	int r;

	if (value_type(map) != VALUE_MAP)
		return refuse_type(decoder, path, "a map", map);
	VALUE_FOREACH(i, map) {
		const char *key = value_key(map, i);
		const struct value *value = value_item(map, i);
		const struct decode_row *row = find_row(rows, key, strlen(key));
		struct path inner = {
			.outer = path,
			.key = key,
			.line = value_line(value),
			.column = value_column(value),
		};

		if (!row && decoder->options->strict)
			return refuse_unknown(decoder, path, rows, map, i);
		if (!row || value_type(value) == VALUE_NULL)
			continue;
		r = decode_field(decoder, &inner, row, value, target);
		if (r < 0)
			return r;
		if (row->present_offset)
			*(bool *)((char *)target + row->present_offset) = true;
	}
	return check_required(decoder, path, rows, map);
}

int decode_map(const struct decode_row *rows, const struct value *map,
	       const struct decode_options *options, void *target, struct error *err)
{
	struct decoder decoder = { .options = options, .err = err };
	struct path path = {
		.key = options->root ? options->root : "the document",
		.line = value_line(map),
		.column = value_column(map),
	};

	return decode_at(&decoder, &path, rows, map, target);
}

static void free_field(const struct decode_row *row, void *target)
{
	void *field = field_of(row, target);

	if (row->flags & DECODE_NOT_SUPPORTED)
		return;
	switch (row->kind) {
	case DECODE_STRING:
		free_string(row, field);
		break;
	case DECODE_SECRET:
		*(struct secret **)field = secret_unref(*(struct secret **)field);
		break;
	case DECODE_STRINGS:
		strv_done(field);
		break;
	case DECODE_MAP:
		decode_free(row->rows, field);
		break;
	case DECODE_OPTIONAL_MAP:
		free_items(row, field, 1);
		break;
	case DECODE_LIST:
		free_items(row, field, *count_of(row, target));
		*count_of(row, target) = 0;
		break;
	case DECODE_VALUE:
		*(struct value **)field = value_unref(*(struct value **)field);
		break;
	case DECODE_CUSTOM:
		if (row->free)
			row->free(row, field);
		break;
	case DECODE_NOTHING:
	case DECODE_BOOL:
	case DECODE_TRISTATE:
	case DECODE_INT:
	case DECODE_DURATION:
	case DECODE_SECONDS:
	case DECODE_ENUM:
	case _DECODE_KIND_MAX:
		break;
	}
}

void decode_free(const struct decode_row *rows, void *target)
{
	for (const struct decode_row *row = rows; row && row->key; row++)
		free_field(row, target);
}

const struct decode_row *decode_find(const struct decode_row *rows, const char *path)
{
	const struct decode_row *row = NULL;

	while (*path) {
		row = find_row(rows, path, strcspn(path, ".["));
		if (!row)
			return NULL;
		rows = row->rows;
		path += strcspn(path, ".");
		path += *path == '.';
	}
	return row;
}
