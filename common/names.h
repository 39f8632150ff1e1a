/* Tables between an enum and its text: an array of strings indexed by the enum value. */
#pragma once

#include "common/macros.h"

const char *names_text(const char *const *table, int count, int value); /* "?" if out of range */
int names_value(const char *const *table, int count, const char *text); /* -1 if there is none */
/* The nearest name within two edits, for "did you mean"; NULL if none is near. */
const char *names_nearest(const char *const *table, int count, const char *text);

/* Defines `const char *PREFIX_name(enum E)` and `int PREFIX_from_name(const char *)`. */
#define DEFINE_NAMES(prefix, enum_type, table)                           \
	const char *prefix##_name(enum_type value)                       \
	{                                                                \
		return names_text(table, ARRAY_SIZE(table), (int)value); \
	}                                                                \
	int prefix##_from_name(const char *text)                         \
	{                                                                \
		return names_value(table, ARRAY_SIZE(table), text);      \
	}
