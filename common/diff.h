/* The difference of two texts, line by line, as `diff -u` writes it. */
#pragma once

#include <stddef.h>

#include "common/buf.h"

/* Appends a unified diff with three lines around each change, under the two names; nothing where
 * the texts are equal. Texts that differ in more than a few thousand lines are shown as one change
 * from the first to the last of them. -EFBIG when buf is full; it is then as before. */
int diff_unified(const char *a, size_t a_length, const char *a_name, const char *b, size_t b_length,
		 const char *b_name, struct buf *buf);
