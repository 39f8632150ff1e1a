/* JSON to values and back, by yajl's callbacks and yajl_gen (the only includer of yajl; never
 * yajl_tree, whose free overflows the stack). */
#pragma once

#include <stddef.h>

#include "common/buf.h"
#include "common/error.h"
#include "common/value.h"

/* Parses one document. Refuses more than 8 MiB, depth over 64, more than 400,000 values, a key
 * twice in a map, a NUL or half a surrogate pair in a string, trailing text; errors are
 * ERROR_NETWORK with name:line:column. */
int json_parse(const char *text, size_t length, const char *name, struct value **ret,
	       struct error *err);
/* Appends. indent 0 = compact, else spaces per level and a newline at the end. -EFBIG when buf is
 * full, -EILSEQ when a string is not UTF-8, -EINVAL when the value is nested deeper than 120; buf
 * is then as before. */
int json_write(const struct value *value, unsigned indent, struct buf *buf);
