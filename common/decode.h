/* Rows that decode a map value into a struct, with errors that name file, line, column and path.
 *
 * The same rows are read by `explain`, by documentation and by the comparison of two roles, so a
 *row says everything about its field. Key absent or null: the field is left as the caller prepared
 *it (zero, or a default). A key that is there replaces and frees what the field held.
 *
 *	static const struct decode_row networking_rows[] = {
 *		{ "podSubnet", DECODE_STRING, DECODE_FIELD(struct net, pod_subnet),
 *		  .check = check_subnets, .flags = DECODE_FIXED, .help = "Addresses of pods" },
 *		{},
 *	}; */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/buf.h"
#include "common/error.h"
#include "common/secret.h"
#include "common/strv.h"
#include "common/value.h"

/* What a row wants, and the type of its field. */
enum decode_kind {
	DECODE_NOTHING,	     /* no field: the key is known and ignored */
	DECODE_STRING,	     /* char *, from the heap */
	DECODE_BOOL,	     /* bool */
	DECODE_TRISTATE,     /* enum decode_tristate */
	DECODE_INT,	     /* integer of 1, 2, 4 or 8 bytes; .minimum and .maximum */
	DECODE_DURATION,     /* int64_t nanoseconds, from Go's form "1h30m"; not negative */
	DECODE_SECONDS,	     /* int64_t seconds, from the same text; fractions are cut */
	DECODE_ENUM,	     /* int-sized: index of the text in .choices */
	DECODE_STRINGS,	     /* struct strv; .check is for each item */
	DECODE_MAP,	     /* a struct inside the target; .rows */
	DECODE_OPTIONAL_MAP, /* pointer to a struct of .item_size bytes, made for the key; .rows */
	DECODE_LIST,	     /* pointer to an array of such structs; .rows, .count_offset */
	DECODE_VALUE,	     /* struct value *: kept as it is; .value_type if one is wanted */
	DECODE_SECRET,	     /* struct secret *, from a string; never printed */
	DECODE_CUSTOM,	     /* .decode and .free know */
	_DECODE_KIND_MAX,
};

enum decode_tristate { DECODE_UNSET, DECODE_FALSE, DECODE_TRUE };

enum decode_flags {
	DECODE_REQUIRED = 1 << 0,
	/* Refused with "not supported yet", unless it is null, "", {} or [], or says what is done
	 * anyway (.standard). */
	DECODE_NOT_SUPPORTED = 1 << 1,
	/* Its text never appears in a message; DECODE_SECRET implies it. */
	DECODE_NOT_PRINTED = 1 << 2,
	DECODE_NOT_EMPTY = 1 << 3, /* "" and [] are refused */
	DECODE_FIXED = 1 << 4,	   /* may not change once applied; for the schema, not for decode */
	DECODE_USER = 1 << 8,	   /* this bit and higher ones are the table's own */
};

struct decode_row {
	const char *key;
	enum decode_kind kind;
	size_t offset, width; /* of the field: DECODE_FIELD(type, member) */
	unsigned flags;
	const char *help;     /* one line for people */
	const char *standard; /* the default as text, for `explain`; NULL = none */

	int64_t minimum, maximum;      /* of _INT; both 0 = whatever fits the field */
	const char *const *choices;    /* of _STRING, _STRINGS, _ENUM: texts allowed, then NULL */
	enum value_type value_type;    /* of _VALUE: VALUE_NULL = any */
	const struct decode_row *rows; /* of _MAP, _OPTIONAL_MAP, _LIST */
	size_t item_size;	       /* of _OPTIONAL_MAP, _LIST */
	size_t count_offset;	       /* of _LIST: a size_t in the target */
	unsigned maximum_items;	       /* of _LIST, _STRINGS; 0 = 1000 */
	void (*prepare)(void *item);   /* of _OPTIONAL_MAP, _LIST: fills in defaults; may be NULL */
	size_t present_offset;	       /* a bool that becomes true with the key; 0 = none */
	/* Of _STRING, _STRINGS, _SECRET: says what is wrong with a text ("is not an address") by
	 * error_set(); decode puts the path in front. */
	int (*check)(const char *text, struct error *err);
	/* Of _CUSTOM: fills the field; decode puts the path in front of its error. */
	int (*decode)(const struct decode_row *row, const struct value *value, void *field,
		      void *userdata, struct error *err);
	void (*free)(const struct decode_row *row, void *field);
};

/* clang-format off */
#define DECODE_FIELD(type, member) \
	.offset = offsetof(type, member), .width = sizeof(((type *)0)->member)
/* A list kept as { type *items; size_t count; } in member. */
#define DECODE_ITEMS(type, member) \
	.offset = offsetof(type, member.items), .width = sizeof(void *), \
	.count_offset = offsetof(type, member.count), \
	.item_size = sizeof(*((type *)0)->member.items)
/* clang-format on */

struct decode_options {
	const char *name;	/* what messages begin with, such as the file; NULL = no place */
	const char *root;	/* what the whole is called: "ClusterConfiguration"; may be NULL */
	bool strict;		/* unknown keys are errors */
	enum error_class class; /* of errors that decode itself finds */
	void *userdata;		/* for DECODE_CUSTOM */
};

/* Decodes a map. Rows end with {}. Errors (-EINVAL) read
 *	NAME:LINE:COL: unknown field "podSubnett" in networking, did you mean "podSubnet"?
 *	NAME:LINE:COL: networking.podSubnet must be a string, not a number
 * On an error the target may be half filled: it is the caller's to free with decode_free(). */
int decode_map(const struct decode_row *rows, const struct value *map,
	       const struct decode_options *options, void *target, struct error *err);
/* Frees what the rows' fields own and zeroes these fields. */
void decode_free(const struct decode_row *rows, void *target);
/* The row at a path such as "networking.podSubnet" or "apiServer.extraArgs.name"; NULL if none. */
const struct decode_row *decode_find(const struct decode_row *rows, const char *path);
/* "string", "list of strings": what a row wants, for `explain`. */
const char *decode_kind_name(enum decode_kind kind);
