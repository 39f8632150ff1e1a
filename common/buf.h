/* A growing buffer of bytes with a hard cap.
 *
 * Invariants: `data` is never NULL and always terminated by a NUL that `length` does not count, so
 * that it may be used as a string; going over the cap is an error of the writer, never an abort.
 * Memory is wiped when it is given back: a private key or a token may have passed through it. */
#pragma once

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>

#include "common/macros.h"

struct buf {
	char *data;
	size_t length;
	size_t allocated; /* 0: data is the shared empty string */
	size_t cap;	  /* most bytes that length may reach */
	bool overflow;	  /* an append did not fit; sticky until buf_reset() */
};

extern char buf_empty_[1];
#define BUF_INIT(limit) ((struct buf){ .data = buf_empty_, .cap = (limit) })

void buf_done(struct buf *buf); /* frees, leaves a valid empty buffer */
DEFINE_CLEANUP_VALUE(struct buf, buf_done)

/* Empties without giving memory back. */
void buf_reset(struct buf *buf);
/* Appends. Returns 0, or -EFBIG when the cap would be passed (nothing is appended, overflow set).
 */
int buf_append(struct buf *buf, const void *bytes, size_t length);
int buf_append_string(struct buf *buf, const char *text);
int buf_append_char(struct buf *buf, char c);
int buf_printf(struct buf *buf, const char *format, ...) PRINTF_LIKE(2, 3);
int buf_vprintf(struct buf *buf, const char *format, va_list args);
/* Drops the first count bytes. */
void buf_consume(struct buf *buf, size_t count);
/* Drops what is beyond the first length bytes. */
void buf_truncate(struct buf *buf, size_t length);
/* Hands the text over (caller frees); the buffer is empty afterwards. Never NULL. */
char *buf_take(struct buf *buf);
