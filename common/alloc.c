/* Allocation that aborts instead of failing; see alloc.h. */
#include "common/alloc.h"

#include <stdio.h>
#include <string.h>

static void *or_abort(void *block)
{
	if (!block)
		abort();
	return block;
}

void *xcalloc(size_t count, size_t size)
{
	return or_abort(calloc(count ? count : 1, size ? size : 1));
}

void *xmalloc(size_t size)
{
	return or_abort(malloc(size ? size : 1));
}

void *xreallocarray(void *block, size_t count, size_t size)
{
	return or_abort(reallocarray(block, count ? count : 1, size ? size : 1));
}

char *xstrdup(const char *text)
{
	return text ? or_abort(strdup(text)) : NULL;
}

char *xstrndup(const char *text, size_t length)
{
	return text ? or_abort(strndup(text, length)) : NULL;
}

void *xmemdup(const void *block, size_t size)
{
	if (!block)
		return NULL;
	return memcpy(xmalloc(size), block, size);
}

char *xvasprintf(const char *format, va_list args)
{
	char *text = NULL;

	if (vasprintf(&text, format, args) < 0)
		abort();
	return text;
}

char *xasprintf(const char *format, ...)
{
	va_list args;
	char *text;

	va_start(args, format);
	text = xvasprintf(format, args);
	va_end(args);
	return text;
}
