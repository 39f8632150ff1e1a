/* What went wrong, as a value on the caller's stack: nothing to free, nothing to leak.
 *
 * Convention everywhere: `struct error *err` is the last parameter and never NULL; it is untouched
 * on success and always set on failure, where the function returns the same negative errno. An
 * outcome that a caller must expect (not found, not yet) is a return value instead. Statuses of
 * HTTP, D-Bus and OpenSSL are translated once, in their adapter; nobody looks at the text again. */
#pragma once

#include <stdarg.h>
#include <stdbool.h>

#include "common/macros.h"

/* The class decides how a failed row is tried again; each but the last two is a row of the
 * back-off table (backoff.h). */
enum error_class {
	ERROR_NETWORK,	 /* no connection, time-out, 5xx, or a reply that makes no sense */
	ERROR_THROTTLED, /* 429 or 503 with Retry-After; retry_after_ms says when */
	ERROR_DENIED,	 /* 401, 403: the credential is not good for this (now) */
	ERROR_TRUST,	 /* a certificate, pin or signature that must not be trusted */
	ERROR_PENDING,	 /* waiting for somebody else, such as an approver */
	ERROR_BUS,	 /* D-Bus or systemd */
	ERROR_STORAGE,	 /* disk full, read-only, input/output error */
	ERROR_CONFIG,	 /* needs a changed role or host: no use trying before that */
	ERROR_BUG,	 /* a broken promise between our own parts */
	_ERROR_CLASS_MAX,
};

struct error {
	int code; /* negative errno; 0 = no error */
	enum error_class class;
	unsigned retry_after_ms; /* 0, or what the other side asked for */
	char message[512];
};

#define ERROR_INIT ((struct error){ 0 })

/* Starts an error. `code` is a negative errno. Returns code, so that a failing line is one return.
 */
int error_set(struct error *err, enum error_class class, int code, const char *format, ...)
    PRINTF_LIKE(4, 5);
/* The same, and appends ": " and the errno's text. */
int error_errno(struct error *err, enum error_class class, int code, const char *format, ...)
    PRINTF_LIKE(4, 5);
/* Prefixes the object concerned: "role file X: " before the message. Returns code. */
int error_wrap(struct error *err, int code, const char *format, ...) PRINTF_LIKE(3, 4);
/* The class for a plain file error: ENOSPC, EROFS, EIO, EDQUOT are ERROR_STORAGE, else
 * ERROR_CONFIG (a path that is a directory, a permission). */
enum error_class error_class_of_errno(int code);
/* Text of a class for status and journal, such as "network". */
const char *error_class_name(enum error_class class);

static inline bool error_is_set(const struct error *err)
{
	return err->code != 0;
}
