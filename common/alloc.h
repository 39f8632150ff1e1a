/* Allocation that never fails: out of memory aborts the process, systemd starts it again and it
 * converges from what is on disk. Every buffer fed from outside has a cap of its own (buf.h), so
 * that only our own bugs can get here. */
#pragma once

#include <stdarg.h>
#include <stddef.h>

#include "common/macros.h"

/* Zeroed memory for count objects of size bytes; never NULL. */
void *xcalloc(size_t count, size_t size) __attribute__((malloc, returns_nonnull));
void *xmalloc(size_t size) __attribute__((malloc, returns_nonnull));
/* Grows or shrinks a block to count objects of size bytes; overflow aborts. */
void *xreallocarray(void *block, size_t count, size_t size) __attribute__((returns_nonnull));
/* Copies of a string, of its first length bytes, of a block. NULL gives NULL. */
char *xstrdup(const char *text);
char *xstrndup(const char *text, size_t length);
void *xmemdup(const void *block, size_t size);
/* Formats into a new string that the caller frees. */
char *xasprintf(const char *format, ...) PRINTF_LIKE(1, 2) __attribute__((returns_nonnull));
char *xvasprintf(const char *format, va_list args) __attribute__((returns_nonnull));

#define NEW(type)	   ((type *)xcalloc(1, sizeof(type)))
#define NEW_ARRAY(type, n) ((type *)xcalloc((n), sizeof(type)))
