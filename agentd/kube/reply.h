/* Replies of an API server: what they must be, and what refusals mean. For agentd/kube only. */
#pragma once

#include <stdbool.h>

#include "agentd/kube/apipath.h"
#include "common/error.h"
#include "common/http.h"
#include "common/value.h"

enum reply_answer {
	REPLY_OBJECT,	/* the object of the path, or a Status of success */
	REPLY_LIST,	/* a list of the path's kind */
	REPLY_ANYTHING, /* any object of the API */
	REPLY_TEXT,	/* plain text, which is not kept */
};

/* Reads the body of a 2xx reply and holds it against the path; *ret NULL for text. */
int reply_read(const struct http_reply *reply, enum reply_answer answer, const struct apipath *path,
	       struct value **ret, struct error *err);
/* Whether an object is what the path names; list: the path's kind with "List". A path that names no
 * object, or a resource that is not known by kind, takes any. */
int reply_check(const struct value *object, const struct apipath *path, bool list,
		struct error *err);
/* Whether this 404 is the API's own word that the path's object is missing, and not that of a
 * proxy, of another server in its place, or that it does not serve such objects. */
bool reply_says_missing(const struct http_reply *reply, const struct apipath *path);
/* The error of a reply that is not 2xx, with the server's message. */
int reply_refusal(const struct http_reply *reply, struct error *err);
/* The same from a Status object, such as that of a watch's ERROR event. */
int reply_status_error(const struct value *status, struct error *err);
