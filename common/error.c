/* The error value; see error.h. */
#include "common/error.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "common/names.h"

static const char *const class_names[] = {
	[ERROR_NETWORK] = "network", [ERROR_THROTTLED] = "throttled", [ERROR_DENIED] = "denied",
	[ERROR_TRUST] = "trust",     [ERROR_PENDING] = "pending",     [ERROR_BUS] = "bus",
	[ERROR_STORAGE] = "storage", [ERROR_CONFIG] = "config",	      [ERROR_BUG] = "bug",
};

static void set(struct error *err, enum error_class class, int code, const char *format,
		va_list args)
{
	assert(code < 0);
	*err = (struct error){ .code = code, .class = class };
	(void)vsnprintf(err->message, sizeof(err->message), format, args);
}

int error_set(struct error *err, enum error_class class, int code, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	set(err, class, code, format, args);
	va_end(args);
	return code;
}

int error_errno(struct error *err, enum error_class class, int code, const char *format, ...)
{
	va_list args;
	size_t used;

	va_start(args, format);
	set(err, class, code, format, args);
	va_end(args);
	used = strlen(err->message);
	(void)snprintf(err->message + used, sizeof(err->message) - used, ": %s",
		       strerrordesc_np(-code) ? strerrordesc_np(-code) : "unknown error");
	return code;
}

int error_wrap(struct error *err, int code, const char *format, ...)
{
	char message[2 * sizeof(err->message)];
	va_list args;
	size_t used;

	assert(code < 0 && err->code < 0);
	va_start(args, format);
	(void)vsnprintf(message, sizeof(err->message), format, args);
	va_end(args);
	used = strlen(message);
	(void)snprintf(message + used, sizeof(message) - used, ": %s", err->message);
	/* A message that no longer fits is cut at its end: the objects in front say where. */
	memcpy(err->message, message, sizeof(err->message) - 1);
	return code;
}

enum error_class error_class_of_errno(int code)
{
	switch (-code) {
	case ENOSPC:
	case EROFS:
	case EIO:
	case EDQUOT:
	case EMFILE:
	case ENFILE:
	/* Something else stands where the file belongs, or somebody made it immutable: that ends
	 * without the role having to change. */
	case EBUSY:
	case EEXIST:
	case EISDIR:
	case ENOTDIR:
	case ENOTEMPTY:
	case EPERM:
		return ERROR_STORAGE;
	default:
		return ERROR_CONFIG;
	}
}

const char *error_class_name(enum error_class class)
{
	return names_text(class_names, ARRAY_SIZE(class_names), (int)class);
}
