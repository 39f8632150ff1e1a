/* YAML by libyaml's events and emitter; see yaml.h. What a plain scalar means is decided in
 * yaml-scalar.c. Errors of libyaml and our own refusals have one form, NAME:LINE:COLUMN. */
#include "common/yaml.h"

#include <errno.h>
#include <stdarg.h>
#include <string.h>
#include <yaml.h>

#include "common/alloc.h"
#include "common/parse.h"
#include "common/secret.h"
#include "common/yaml-scalar.h"

enum { DEPTH_MAX = 32, VALUES_MAX = 10000, TEXT_MAX = 256 * 1024 };

static void event_done(yaml_event_t *event)
{
	/* A scalar may be a token or a key. */
	if (event->type == YAML_SCALAR_EVENT)
		secret_wipe(event->data.scalar.value, event->data.scalar.length);
	yaml_event_delete(event);
}
DEFINE_CLEANUP_VALUE(yaml_event_t, event_done)

struct frame {
	struct value *collection;
	char *key; /* of a map, waiting for its value */
	unsigned key_line, key_column;
};

struct reader {
	const char *name;
	yaml_parser_t parser;
	struct frame frames[DEPTH_MAX];
	unsigned depth;
	unsigned count;
	struct value *documents;
	struct error *err;
};

static int refuse(struct reader *reader, yaml_mark_t mark, const char *format, ...)
    PRINTF_LIKE(3, 4);
static int refuse(struct reader *reader, yaml_mark_t mark, const char *format, ...)
{
	_cleanup_free_ char *reason = NULL;
	va_list args;

	va_start(args, format);
	reason = xvasprintf(format, args);
	va_end(args);
	return error_set(reader->err, ERROR_CONFIG, -EINVAL, "%s:%zu:%zu: %s", reader->name,
			 mark.line + 1, mark.column + 1, reason);
}

/* Adds a finished value to the collection around it, or to the documents. Consumes. */
static void add(struct reader *reader, struct value *value)
{
	struct frame *frame;

	if (reader->depth == 0) {
		if (value_type(value) == VALUE_NULL)
			value_unref(value);
		else
			reader->documents = value_append(reader->documents, value);
		return;
	}
	frame = &reader->frames[reader->depth - 1];
	if (value_type(frame->collection) == VALUE_LIST) {
		frame->collection = value_append(frame->collection, value);
		return;
	}
	frame->collection = value_push(frame->collection, frame->key, strlen(frame->key),
				       frame->key_line, frame->key_column, value);
	free(TAKE_PTR(frame->key));
}

static bool expects_key(const struct reader *reader)
{
	const struct frame *frame;

	if (reader->depth == 0)
		return false;
	frame = &reader->frames[reader->depth - 1];
	return value_type(frame->collection) == VALUE_MAP && !frame->key;
}

/* What every node must keep to. */
static int check_node(struct reader *reader, yaml_mark_t mark, const yaml_char_t *anchor)
{
	if (anchor)
		return refuse(reader, mark, "anchors (&%s) are not supported",
			      (const char *)anchor);
	if (reader->count++ == VALUES_MAX)
		return refuse(reader, mark, "more than 10,000 values");
	return 0;
}

/* The meanings that a core tag allows; NULL-terminated tags make the table. */
static const struct tag {
	const char *uri;
	enum value_type type;
} tags[] = {
	{ YAML_NULL_TAG, VALUE_NULL },	{ YAML_BOOL_TAG, VALUE_BOOL },
	{ YAML_INT_TAG, VALUE_NUMBER }, { YAML_FLOAT_TAG, VALUE_NUMBER },
	{ YAML_STR_TAG, VALUE_STRING }, { YAML_SEQ_TAG, VALUE_LIST },
	{ YAML_MAP_TAG, VALUE_MAP },
};

static const struct tag *find_tag(const yaml_char_t *uri)
{
	for (size_t i = 0; i < ARRAY_SIZE(tags); i++)
		if (strcmp((const char *)uri, tags[i].uri) == 0)
			return &tags[i];
	return NULL;
}

/* Checks an explicit tag against the type of its node. */
static int check_tag(struct reader *reader, yaml_mark_t mark, const yaml_char_t *uri,
		     enum value_type type)
{
	const struct tag *tag = uri ? find_tag(uri) : NULL;

	if (!uri || (tag && tag->type == type))
		return 0;
	if (!tag)
		return refuse(reader, mark, "the tag %s is not supported", (const char *)uri);
	return refuse(reader, mark, "%s is tagged as %s", value_type_name(type),
		      value_type_name(tag->type));
}

/* The value of a scalar by its meaning. */
static int plain_value(struct reader *reader, const yaml_event_t *event, struct value **ret)
{
	_cleanup_free_ char *number = NULL;
	const char *text = (const char *)event->data.scalar.value;

	switch (yaml_scalar_meaning(text, &number)) {
	case YAML_MEANS_STRING:
	case YAML_MEANS_TIME:
	case YAML_MEANS_MERGE:
		*ret = value_new_string_length(text, event->data.scalar.length);
		return 0;
	case YAML_MEANS_NULL:
		*ret = value_new_null();
		return 0;
	case YAML_MEANS_TRUE:
	case YAML_MEANS_FALSE:
		*ret = value_new_bool(yaml_scalar_meaning(text, NULL) == YAML_MEANS_TRUE);
		return 0;
	case YAML_MEANS_NUMBER:
		*ret = value_new_number(number);
		return 0;
	case YAML_MEANS_NO_NUMBER:
		return refuse(reader, event->start_mark,
			      "%s is not a number that can be kept; a text needs quotes", text);
	}
	return -EINVAL;
}

static int scalar_value(struct reader *reader, const yaml_event_t *event, struct value **ret)
{
	_cleanup_(value_unref) struct value *value = NULL;
	const yaml_char_t *tag = event->data.scalar.tag;
	bool is_text =
	    tag ? strcmp((const char *)tag, YAML_STR_TAG) == 0 : !event->data.scalar.plain_implicit;
	int r;

	if (strlen((const char *)event->data.scalar.value) != event->data.scalar.length)
		return refuse(reader, event->start_mark, "a text contains a NUL");
	if (is_text) {
		*ret = value_new_string_length((const char *)event->data.scalar.value,
					       event->data.scalar.length);
		return 0;
	}
	r = plain_value(reader, event, &value);
	if (r < 0)
		return r;
	r = check_tag(reader, event->start_mark, tag, value_type(value));
	if (r < 0)
		return r;
	*ret = TAKE_PTR(value);
	return 0;
}

static int read_key(struct reader *reader, const yaml_event_t *event, const struct value *value)
{
	struct frame *frame = &reader->frames[reader->depth - 1];
	const char *text = (const char *)event->data.scalar.value;

	if (event->data.scalar.plain_implicit &&
	    yaml_scalar_meaning(text, NULL) == YAML_MEANS_MERGE)
		return refuse(reader, event->start_mark, "merge keys (<<) are not supported");
	if (value_type(value) != VALUE_STRING)
		return refuse(reader, event->start_mark, "the key %s is %s: put it in quotes",
			      *text ? text : "\"\"", value_type_name(value_type(value)));
	frame->key = xstrdup(text);
	frame->key_line = value_line(value);
	frame->key_column = value_column(value);
	return 0;
}

static int read_scalar(struct reader *reader, const yaml_event_t *event)
{
	_cleanup_(value_unref) struct value *value = NULL;
	int r;

	r = check_node(reader, event->start_mark, event->data.scalar.anchor);
	if (r < 0)
		return r;
	r = scalar_value(reader, event, &value);
	if (r < 0)
		return r;

	value = value_set_place(value, (unsigned)event->start_mark.line + 1,
				(unsigned)event->start_mark.column + 1);
	if (expects_key(reader))
		return read_key(reader, event, value);
	add(reader, TAKE_PTR(value));
	return 0;
}

static int open_collection(struct reader *reader, const yaml_event_t *event)
{
	bool is_map = event->type == YAML_MAPPING_START_EVENT;
	yaml_mark_t mark = event->start_mark;
	struct value *collection;
	int r;

	r = check_node(reader, mark,
		       is_map ? event->data.mapping_start.anchor
			      : event->data.sequence_start.anchor);
	if (r < 0)
		return r;
	r = check_tag(reader, mark,
		      is_map ? event->data.mapping_start.tag : event->data.sequence_start.tag,
		      is_map ? VALUE_MAP : VALUE_LIST);
	if (r < 0)
		return r;
	if (reader->depth == DEPTH_MAX)
		return refuse(reader, mark, "nested deeper than 32");
	if (expects_key(reader))
		return refuse(reader, mark, "%s is used as a key",
			      value_type_name(is_map ? VALUE_MAP : VALUE_LIST));

	collection = is_map ? value_new_map() : value_new_list();
	reader->frames[reader->depth++] = (struct frame){
		.collection =
		    value_set_place(collection, (unsigned)mark.line + 1, (unsigned)mark.column + 1),
	};
	return 0;
}

static int close_collection(struct reader *reader)
{
	struct value *collection = reader->frames[--reader->depth].collection;
	size_t first, second;
	yaml_mark_t mark;

	if (!value_find_duplicate(collection, &first, &second)) {
		add(reader, collection);
		return 0;
	}
	mark = (yaml_mark_t){
		.line = value_key_line(collection, second) - 1,
		.column = value_key_column(collection, second) - 1,
	};
	(void)refuse(reader, mark, "\"%s\" is there twice, first in line %u",
		     value_key(collection, second), value_key_line(collection, first));
	value_unref(collection);
	return -EINVAL;
}

static int read_event(struct reader *reader, const yaml_event_t *event)
{
	switch (event->type) {
	case YAML_SCALAR_EVENT:
		return read_scalar(reader, event);
	case YAML_SEQUENCE_START_EVENT:
	case YAML_MAPPING_START_EVENT:
		return open_collection(reader, event);
	case YAML_SEQUENCE_END_EVENT:
	case YAML_MAPPING_END_EVENT:
		return close_collection(reader);
	case YAML_ALIAS_EVENT:
		return refuse(reader, event->start_mark, "aliases (*%s) are not supported",
			      (const char *)event->data.alias.anchor);
	case YAML_NO_EVENT:
	case YAML_STREAM_START_EVENT:
	case YAML_STREAM_END_EVENT:
	case YAML_DOCUMENT_START_EVENT:
	case YAML_DOCUMENT_END_EVENT:
		break;
	}
	return 0;
}

/* Says in our form what libyaml found. */
static int syntax_error(struct reader *reader)
{
	const yaml_parser_t *parser = &reader->parser;
	const char *problem = parser->problem ? parser->problem : "not YAML";

	if (parser->error == YAML_MEMORY_ERROR)
		abort();
	if (!parser->context)
		return refuse(reader, parser->problem_mark, "%s", problem);
	return refuse(reader, parser->problem_mark, "%s %s that begins in line %zu", problem,
		      parser->context, parser->context_mark.line + 1);
}

static void reader_done(struct reader *reader)
{
	while (reader->depth > 0) {
		struct frame *frame = &reader->frames[--reader->depth];

		value_unref(frame->collection);
		free(frame->key);
	}
	value_unref(reader->documents);
	yaml_parser_delete(&reader->parser);
}
DEFINE_CLEANUP_VALUE(struct reader, reader_done)

/* Finds bytes that are no text before libyaml does, whose place for them is wrong. */
static int check_text(struct reader *reader, const char *text, size_t length)
{
	yaml_mark_t mark = { 0 };

	for (size_t i = 0; i < length;) {
		uint32_t c;
		size_t size = parse_utf8(text + i, length - i, &c);

		if (size == 0)
			return refuse(reader, mark, "bytes that are not UTF-8");
		if ((c < 0x20 && c != '\t' && c != '\n' && c != '\r') ||
		    (c >= 0x7f && c < 0xa0 && c != 0x85) || c == 0xfffe || c == 0xffff)
			return refuse(reader, mark, "the control character U+%04X", c);
		i += size;
		mark.column++;
		if (c == '\n')
			mark = (yaml_mark_t){ .line = mark.line + 1 };
	}
	return 0;
}

int yaml_parse(const char *text, size_t length, const char *name, struct value **ret,
	       struct error *err)
{
	_cleanup_(reader_done) struct reader reader = { .name = name, .err = err };
	bool is_over = false;
	int r;

	if (!yaml_parser_initialize(&reader.parser))
		abort();
	if (length > TEXT_MAX)
		return error_set(err, ERROR_CONFIG, -EFBIG, "%s: more than 256 KiB of YAML", name);
	r = check_text(&reader, text, length);
	if (r < 0)
		return r;

	reader.documents = value_new_list();
	yaml_parser_set_encoding(&reader.parser, YAML_UTF8_ENCODING);
	yaml_parser_set_input_string(&reader.parser, (const unsigned char *)text, length);
	while (!is_over) {
		_cleanup_(event_done) yaml_event_t event = { 0 };

		if (!yaml_parser_parse(&reader.parser, &event))
			return syntax_error(&reader);
		r = read_event(&reader, &event);
		if (r < 0)
			return r;
		is_over = event.type == YAML_STREAM_END_EVENT;
	}
	*ret = TAKE_PTR(reader.documents);
	return 0;
}

int yaml_parse_one(const char *text, size_t length, const char *name, struct value **ret,
		   struct error *err)
{
	_cleanup_(value_unref) struct value *documents = NULL;
	int r;

	r = yaml_parse(text, length, name, &documents, err);
	if (r < 0)
		return r;
	if (value_count(documents) == 0)
		return error_set(err, ERROR_CONFIG, -EINVAL, "%s: no document in it", name);
	if (value_count(documents) > 1)
		return error_set(err, ERROR_CONFIG, -EINVAL,
				 "%s:%u: a second document, where one is wanted", name,
				 value_line(value_item(documents, 1)));
	*ret = value_ref(value_item(documents, 0));
	return 0;
}

/* Writing. */

static int write_to_buf(void *context, unsigned char *bytes, size_t length)
{
	return buf_append(context, bytes, length) == 0;
}

/* Sends an event that may have failed to initialise. */
static bool emit(yaml_emitter_t *emitter, yaml_event_t *event, int is_initialised)
{
	if (!is_initialised)
		return false;
	return yaml_emitter_emit(emitter, event) != 0;
}

static bool emit_scalar(yaml_emitter_t *emitter, const char *text, size_t length,
			yaml_scalar_style_t style)
{
	yaml_event_t event;

	return emit(emitter, &event,
		    yaml_scalar_event_initialize(&event, NULL, NULL, (const yaml_char_t *)text,
						 (int)length, 1, 1, style));
}

static bool emit_plain(yaml_emitter_t *emitter, const char *text)
{
	return emit_scalar(emitter, text, strlen(text), YAML_PLAIN_SCALAR_STYLE);
}

/* Whether a text has one of YAML's other line breaks (NEL, LS, PS), which do not survive in any
 * style but the double-quoted one. */
static bool has_odd_break(const char *text)
{
	return strstr(text, "\xc2\x85") || strstr(text, "\xe2\x80\xa8") ||
	       strstr(text, "\xe2\x80\xa9");
}

/* The style is only what is wished for: the emitter quotes a text that cannot be written so. */
static bool emit_string(yaml_emitter_t *emitter, const char *text, size_t length)
{
	yaml_scalar_style_t style = YAML_DOUBLE_QUOTED_SCALAR_STYLE;

	if (memchr(text, '\n', length) && !has_odd_break(text))
		style = YAML_LITERAL_SCALAR_STYLE;
	else if (yaml_scalar_is_plain_string(text) && !has_odd_break(text))
		style = YAML_PLAIN_SCALAR_STYLE;
	return emit_scalar(emitter, text, length, style);
}

static bool emit_value(yaml_emitter_t *emitter, const struct value *value);

static bool emit_list(yaml_emitter_t *emitter, const struct value *list)
{
	yaml_event_t event;

	if (!emit(emitter, &event,
		  yaml_sequence_start_event_initialize(&event, NULL, NULL, 1,
						       YAML_BLOCK_SEQUENCE_STYLE)))
		return false;
	VALUE_FOREACH(i, list)
		if (!emit_value(emitter, value_item(list, i)))
			return false;
	return emit(emitter, &event, yaml_sequence_end_event_initialize(&event));
}

static bool emit_map(yaml_emitter_t *emitter, const struct value *map)
{
	yaml_event_t event;

	if (!emit(emitter, &event,
		  yaml_mapping_start_event_initialize(&event, NULL, NULL, 1,
						      YAML_BLOCK_MAPPING_STYLE)))
		return false;
	VALUE_FOREACH(i, map) {
		const char *key = value_key(map, i);

		if (!emit_string(emitter, key, strlen(key)) ||
		    !emit_value(emitter, value_item(map, i)))
			return false;
	}
	return emit(emitter, &event, yaml_mapping_end_event_initialize(&event));
}

static bool emit_value(yaml_emitter_t *emitter, const struct value *value)
{
	switch (value_type(value)) {
	case VALUE_NULL:
		return emit_plain(emitter, "null");
	case VALUE_BOOL:
		return emit_plain(emitter, value_is_true(value) ? "true" : "false");
	case VALUE_NUMBER:
		return emit_plain(emitter, value_number_text(value));
	case VALUE_STRING:
		return emit_string(emitter, value_string(value), value_string_length(value));
	case VALUE_LIST:
		return emit_list(emitter, value);
	case VALUE_MAP:
		return emit_map(emitter, value);
	}
	return false;
}

static bool emit_document(yaml_emitter_t *emitter, const struct value *value)
{
	yaml_event_t event;

	/* The stream is not ended: that would add "..." after a text that ends in empty lines. */
	return emit(emitter, &event,
		    yaml_stream_start_event_initialize(&event, YAML_UTF8_ENCODING)) &&
	       emit(emitter, &event,
		    yaml_document_start_event_initialize(&event, NULL, NULL, NULL, 1)) &&
	       emit_value(emitter, value) &&
	       emit(emitter, &event, yaml_document_end_event_initialize(&event, 1)) &&
	       yaml_emitter_flush(emitter);
}

int yaml_write(const struct value *value, struct buf *buf)
{
	size_t before = buf->length;
	yaml_emitter_t emitter;
	bool is_written;

	if (!yaml_emitter_initialize(&emitter))
		abort();
	yaml_emitter_set_output(&emitter, write_to_buf, buf);
	yaml_emitter_set_unicode(&emitter, 1);
	yaml_emitter_set_width(&emitter, -1);
	is_written = emit_document(&emitter, value);
	yaml_emitter_delete(&emitter);
	if (is_written)
		return 0;

	buf_truncate(buf, before);
	return buf->overflow ? -EFBIG : -EILSEQ;
}
