/* Paths of the context; see context.h. */
#include "agentd/context.h"

#include <stdarg.h>

#include "common/alloc.h"

char *context_path(const struct context *ctx, const char *format, ...)
{
	_cleanup_free_ char *path = NULL;
	va_list args;

	va_start(args, format);
	path = xvasprintf(format, args);
	va_end(args);
	return xasprintf("%s%s", ctx->settings->root, path);
}

char *context_state_path(const struct context *ctx, const char *format, ...)
{
	_cleanup_free_ char *path = NULL;
	va_list args;

	va_start(args, format);
	path = xvasprintf(format, args);
	va_end(args);
	return xasprintf("%s/var/lib/agentd/%s", ctx->settings->root, path);
}
