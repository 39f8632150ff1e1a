/* JSON by yajl's callbacks and generator; see json.h.
 *
 * The parser keeps a stack of the collections that are open. Each value is finished with the event
 * that ends it and added to the collection around it, together with the key that came before. */
#include "common/json.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <yajl/yajl_gen.h>
#include <yajl/yajl_parse.h>

#include "common/alloc.h"

enum { DEPTH_MAX = 64, VALUES_MAX = 400000, TEXT_MAX = 8 * 1024 * 1024 };

struct frame {
	struct value *collection;
	char *key; /* of a map, waiting for its value */
	size_t key_length;
};

struct parser {
	const char *name;
	const char *text;
	size_t length;
	yajl_handle yajl;
	struct frame frames[DEPTH_MAX];
	unsigned depth;
	unsigned count;
	struct value *root;
	int refused; /* a callback's negative errno, with err set */
	struct error *err;
};

/* Line and column of an offset, counted in bytes from 1. */
static void place_of(const struct parser *parser, size_t offset, unsigned *ret_line,
		     unsigned *ret_column)
{
	unsigned line = 1;
	size_t start = 0;

	offset = MIN(offset, parser->length);
	for (size_t i = 0; i < offset; i++)
		if (parser->text[i] == '\n') {
			line++;
			start = i + 1;
		}
	*ret_line = line;
	*ret_column = (unsigned)(offset - start) + 1;
}

/* Ends the parse at the token that yajl has just read. Returns what a callback returns for that. */
static int refuse(struct parser *parser, const char *reason)
{
	unsigned line, column;

	place_of(parser, yajl_get_bytes_consumed(parser->yajl), &line, &column);
	parser->refused = error_set(parser->err, ERROR_NETWORK, -EBADMSG, "%s:%u:%u: %s",
				    parser->name, line, column, reason);
	return 0;
}

/* Adds a finished value to the collection around it. Consumes. */
static int add(struct parser *parser, struct value *value)
{
	struct frame *frame;

	if (parser->depth == 0) {
		parser->root = value;
		return 1;
	}
	frame = &parser->frames[parser->depth - 1];
	if (value_type(frame->collection) == VALUE_LIST) {
		frame->collection = value_append(frame->collection, value);
		return 1;
	}
	frame->collection =
	    value_push(frame->collection, frame->key, frame->key_length, 0, 0, value);
	free(TAKE_PTR(frame->key));
	return 1;
}

/* Counts a value. Returns false, with the error set, where there are too many. */
static bool may_have_one_more(struct parser *parser)
{
	if (parser->count == VALUES_MAX)
		return refuse(parser, "more than 400,000 values");
	parser->count++;
	return true;
}

static int on_null(void *context)
{
	return may_have_one_more(context) && add(context, value_new_null());
}

static int on_boolean(void *context, int truth)
{
	return may_have_one_more(context) && add(context, value_new_bool(truth));
}

static int on_number(void *context, const char *text, size_t length)
{
	_cleanup_free_ char *number = xstrndup(text, length);

	return may_have_one_more(context) && add(context, value_new_number(number));
}

static int on_string(void *context, const unsigned char *text, size_t length)
{
	if (memchr(text, '\0', length))
		return refuse(context, "a string contains a NUL");
	return may_have_one_more(context) &&
	       add(context, value_new_string_length((const char *)text, length));
}

static int open_collection(struct parser *parser, struct value *collection)
{
	if (parser->depth == DEPTH_MAX || !may_have_one_more(parser)) {
		value_unref(collection);
		return parser->depth == DEPTH_MAX ? refuse(parser, "nested deeper than 64") : 0;
	}
	parser->frames[parser->depth++] = (struct frame){ .collection = collection };
	return 1;
}

static int on_map_start(void *context)
{
	return open_collection(context, value_new_map());
}

static int on_list_start(void *context)
{
	return open_collection(context, value_new_list());
}

static int on_key(void *context, const unsigned char *text, size_t length)
{
	struct parser *parser = context;
	struct frame *frame = &parser->frames[parser->depth - 1];

	if (memchr(text, '\0', length))
		return refuse(parser, "a key contains a NUL");
	frame->key = xstrndup((const char *)text, length);
	frame->key_length = length;
	return 1;
}

static int on_end(void *context)
{
	struct parser *parser = context;
	struct value *collection = parser->frames[--parser->depth].collection;
	size_t first, second;

	if (value_find_duplicate(collection, &first, &second)) {
		_cleanup_free_ char *reason =
		    xasprintf("key \"%s\" is there twice", value_key(collection, second));

		value_unref(collection);
		return refuse(parser, reason);
	}
	return add(parser, collection);
}

static const yajl_callbacks callbacks = {
	.yajl_null = on_null,
	.yajl_boolean = on_boolean,
	.yajl_number = on_number,
	.yajl_string = on_string,
	.yajl_start_map = on_map_start,
	.yajl_map_key = on_key,
	.yajl_end_map = on_end,
	.yajl_start_array = on_list_start,
	.yajl_end_array = on_end,
};

static unsigned hex4(const char *text)
{
	unsigned number = 0;

	for (int i = 0; i < 4; i++) {
		int digit = text[i] <= '9' ? text[i] - '0' : (text[i] | 0x20) - 'a' + 10;

		if (digit < 0 || digit > 15)
			return 0;
		number = number << 4 | (unsigned)digit;
	}
	return number;
}

static bool is_surrogate(const char *text, size_t left, unsigned first)
{
	return left >= 6 && text[0] == '\\' && text[1] == 'u' &&
	       (hex4(text + 2) & 0xfc00u) == first;
}

/* Half of a surrogate pair, which yajl would turn into a question mark without a word. Returns its
 * offset, or length where there is none. */
static size_t find_lone_surrogate(const char *text, size_t length)
{
	size_t i = 0;

	while (i < length) {
		const char *escape = memchr(text + i, '\\', length - i);

		if (!escape)
			break;
		i = (size_t)(escape - text);
		if (is_surrogate(escape, length - i, 0xdc00))
			return i;
		if (!is_surrogate(escape, length - i, 0xd800)) {
			i += 2;
			continue;
		}
		if (!is_surrogate(escape + 6, length - i - 6, 0xdc00))
			return i;
		i += 12;
	}
	return length;
}

/* Sets the error from yajl's own words, if a callback has not set one. */
static int parse_error(struct parser *parser, size_t offset)
{
	unsigned char *words;
	unsigned line, column;

	if (parser->refused < 0)
		return parser->refused;
	words =
	    yajl_get_error(parser->yajl, 0, (const unsigned char *)parser->text, parser->length);
	place_of(parser, offset, &line, &column);
	(void)error_set(parser->err, ERROR_NETWORK, -EBADMSG, "%s:%u:%u: not JSON: %.*s",
			parser->name, line, column, (int)strcspn((char *)words, "\n"),
			(char *)words);
	yajl_free_error(parser->yajl, words);
	return -EBADMSG;
}

static void parser_done(struct parser *parser)
{
	while (parser->depth > 0) {
		struct frame *frame = &parser->frames[--parser->depth];

		value_unref(frame->collection);
		free(frame->key);
	}
	value_unref(parser->root);
	if (parser->yajl)
		yajl_free(parser->yajl);
}
DEFINE_CLEANUP_VALUE(struct parser, parser_done)

int json_parse(const char *text, size_t length, const char *name, struct value **ret,
	       struct error *err)
{
	_cleanup_(parser_done) struct parser parser = {
		.name = name, .text = text, .length = length, .err = err
	};
	size_t lone;

	if (length > TEXT_MAX)
		return error_set(err, ERROR_NETWORK, -EFBIG, "%s: more than 8 MiB of JSON", name);
	parser.yajl = yajl_alloc(&callbacks, NULL, &parser);
	if (!parser.yajl)
		abort();
	lone = find_lone_surrogate(text, length);
	if (lone < length) {
		unsigned line, column;

		place_of(&parser, lone, &line, &column);
		return error_set(err, ERROR_NETWORK, -EBADMSG,
				 "%s:%u:%u: half of a surrogate pair in a string", name, line,
				 column);
	}
	if (yajl_parse(parser.yajl, (const unsigned char *)text, length) != yajl_status_ok)
		return parse_error(&parser, yajl_get_bytes_consumed(parser.yajl));
	if (yajl_complete_parse(parser.yajl) != yajl_status_ok)
		return parse_error(&parser, length);
	*ret = TAKE_PTR(parser.root);
	return 0;
}

static void print(void *context, const char *text, size_t length)
{
	(void)buf_append(context, text, length);
}

static yajl_gen_status generate(yajl_gen gen, const struct value *value)
{
	bool is_map = value_type(value) == VALUE_MAP;
	yajl_gen_status status;

	switch (value_type(value)) {
	case VALUE_NULL:
		return yajl_gen_null(gen);
	case VALUE_BOOL:
		return yajl_gen_bool(gen, value_is_true(value));
	case VALUE_NUMBER:
		return yajl_gen_number(gen, value_number_text(value),
				       strlen(value_number_text(value)));
	case VALUE_STRING:
		return yajl_gen_string(gen, (const unsigned char *)value_string(value),
				       value_string_length(value));
	case VALUE_LIST:
	case VALUE_MAP:
		break;
	}
	/* A number is written as it is; with indent, yajl would spread these over three lines. */
	if (value_count(value) == 0)
		return yajl_gen_number(gen, is_map ? "{}" : "[]", 2);

	status = is_map ? yajl_gen_map_open(gen) : yajl_gen_array_open(gen);
	VALUE_FOREACH(i, value) {
		const char *key = value_key(value, i);

		if (status == yajl_gen_status_ok && key)
			status = yajl_gen_string(gen, (const unsigned char *)key, strlen(key));
		if (status == yajl_gen_status_ok)
			status = generate(gen, value_item(value, i));
	}
	if (status != yajl_gen_status_ok)
		return status;
	return is_map ? yajl_gen_map_close(gen) : yajl_gen_array_close(gen);
}

int json_write(const struct value *value, unsigned indent, struct buf *buf)
{
	static const char spaces[] = "        ";
	size_t before = buf->length;
	yajl_gen gen = yajl_gen_alloc(NULL);
	yajl_gen_status status;

	if (!gen)
		abort();
	(void)yajl_gen_config(gen, yajl_gen_validate_utf8, 1);
	(void)yajl_gen_config(gen, yajl_gen_print_callback, print, buf);
	if (indent > 0) {
		indent = MIN(indent, (unsigned)sizeof(spaces) - 1);
		(void)yajl_gen_config(gen, yajl_gen_beautify, 1);
		(void)yajl_gen_config(gen, yajl_gen_indent_string,
				      spaces + sizeof(spaces) - 1 - indent);
	}
	status = generate(gen, value);
	yajl_gen_free(gen);
	if (status == yajl_gen_status_ok && !buf->overflow)
		return 0;

	buf_truncate(buf, before);
	if (buf->overflow)
		return -EFBIG;
	return status == yajl_gen_invalid_string ? -EILSEQ : -EINVAL;
}
