/* From a struct back to a document, by the same rows that decoded it; see schema.h. */
#include <string.h>

#include "agentd/schema/schema.h"
#include "common/alloc.h"
#include "common/parse.h"

#define REDACTED "<redacted>"

static uint64_t read_number(const void *field, size_t width)
{
	uint64_t number = 0;

	/* Little endian or not: the field is read as the type that it has. */
	switch (width) {
	case 1:
		return *(const uint8_t *)field;
	case 2:
		return *(const uint16_t *)field;
	case 4:
		return *(const uint32_t *)field;
	default:
		memcpy(&number, field, sizeof(number));
		return number;
	}
}

static struct value *encode_duration(int64_t seconds)
{
	_cleanup_(buf_done) struct buf buf = BUF_INIT(KIB);

	format_duration(seconds * (int64_t)NSEC_PER_SEC, &buf);
	return value_new_string(buf.data);
}

static struct value *encode_strings(const struct strv *list)
{
	struct value *value = value_new_list();

	for (size_t i = 0; i < list->count; i++)
		value = value_append(value, value_new_string(list->items[i]));
	return value;
}

static struct value *encode_list(const struct decode_row *row, const char *target,
				 enum schema_secrets secrets)
{
	const char *items = *(const char *const *)(const void *)(target + row->offset);
	size_t count = *(const size_t *)(const void *)(target + row->count_offset);
	bool present = row->present_offset && *(const bool *)(target + row->present_offset);
	struct value *list;

	if (row->present_offset ? !present : count == 0)
		return NULL;
	list = value_new_list();
	for (size_t i = 0; i < count; i++)
		list = value_append(list,
				    schema_encode(row->rows, items + i * row->item_size, secrets));
	return list;
}

static struct value *encode_secret(const struct secret *secret, enum schema_secrets secrets)
{
	if (!secret)
		return NULL;
	if (secrets == SCHEMA_REDACTED)
		return value_new_string(REDACTED);
	return value_new_string_length(secret_bytes(secret), secret_length(secret));
}

/* NULL for an empty field. */
static struct value *encode_field(const struct decode_row *row, const char *target,
				  enum schema_secrets secrets)
{
	const void *field = target + row->offset;
	bool always = row->flags & SCHEMA_ALWAYS;

	switch (row->kind) {
	case DECODE_STRING: {
		const char *text = *(const char *const *)field;

		return text && (*text || always) ? value_new_string(text) : NULL;
	}
	case DECODE_BOOL:
		return *(const bool *)field ? value_new_bool(true) : NULL;
	case DECODE_INT: {
		uint64_t number = read_number(field, row->width);

		return number ? value_new_int((int64_t)number) : NULL;
	}
	case DECODE_SECONDS: {
		int64_t seconds = *(const int64_t *)field;

		return seconds || always ? encode_duration(seconds) : NULL;
	}
	case DECODE_ENUM:
		return value_new_string(row->choices[*(const int *)field]);
	case DECODE_STRINGS: {
		const struct strv *list = field;

		return list->count > 0 ? encode_strings(list) : NULL;
	}
	case DECODE_MAP: {
		struct value *map = schema_encode(row->rows, field, secrets);

		return value_count(map) > 0 || always ? map : value_unref(map);
	}
	case DECODE_LIST:
		return encode_list(row, target, secrets);
	case DECODE_SECRET:
		return encode_secret(*(const struct secret *const *)field, secrets);
	case DECODE_CUSTOM:
		return row->decode == schema_decode_policy ? schema_encode_policy(field) : NULL;
	case DECODE_NOTHING:
		return NULL;
	case DECODE_TRISTATE:
	case DECODE_DURATION:
	case DECODE_OPTIONAL_MAP:
	case DECODE_VALUE:
	case _DECODE_KIND_MAX:
		break;
	}
	/* No table of the schema has a field of such a kind. */
	assert(!row->width);
	return NULL;
}

struct value *schema_encode(const struct decode_row *rows, const void *target,
			    enum schema_secrets secrets)
{
	struct value *map = value_new_map();

	for (const struct decode_row *row = rows; row->key; row++) {
		struct value *value = NULL;

		if (!(row->flags & DECODE_NOT_SUPPORTED))
			value = encode_field(row, target, secrets);
		if (value)
			map = value_put(map, row->key, value);
	}
	return map;
}
