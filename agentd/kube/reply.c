/* Replies of an API server; see reply.h. */
#include "agentd/kube/reply.h"

#include <ctype.h>
#include <errno.h>
#include <string.h>

#include "common/alloc.h"
#include "common/json.h"

/* Status.message is for people; more than this of it helps nobody. */
#define MESSAGE_MAX 300

int reply_check(const struct value *object, const struct apipath *path, bool list,
		struct error *err)
{
	const char *kind = value_string(value_get(object, "kind"));
	const char *version = value_string(value_get(object, "apiVersion"));
	const char *wanted = apipath_kind(path);
	size_t length;

	if (value_type(object) != VALUE_MAP || (path->resource && (!kind || !version)))
		return error_set(err, ERROR_NETWORK, -EBADMSG,
				 "the reply is not an object of the API");
	if (!path->resource || !wanted)
		return 0;

	length = strlen(wanted);
	if (strncmp(kind, wanted, length) != 0 || strcmp(kind + length, list ? "List" : "") != 0)
		return error_set(err, ERROR_NETWORK, -EBADMSG, "the reply is a %.60s, not a %s%s",
				 kind, wanted, list ? "List" : "");
	if (strcmp(version, path->api_version) != 0)
		return error_set(err, ERROR_NETWORK, -EBADMSG, "the reply is of %.60s, not of %s",
				 version, path->api_version);
	return 0;
}

/* Name and namespace must be those of the path as well. */
static int check_identity(const struct value *object, const struct apipath *path, struct error *err)
{
	const char *name = value_string_or(value_at(object, "metadata", "name"), "");
	const char *namespace = value_string_or(value_at(object, "metadata", "namespace"), "");
	_cleanup_free_ char *at = apipath_join("", name); /* as the path spells it */

	if (path->name && strcmp(at + 1, path->name) != 0)
		return error_set(err, ERROR_NETWORK, -EBADMSG,
				 "the reply is about \"%.100s\", not \"%s\"", name, path->name);
	if (path->namespace && strcmp(namespace, path->namespace) != 0)
		return error_set(err, ERROR_NETWORK, -EBADMSG,
				 "the reply is of namespace \"%.100s\", not \"%s\"", namespace,
				 path->namespace);
	return 0;
}

static bool is_status(const struct value *object)
{
	return strcmp(value_string_or(value_get(object, "kind"), ""), "Status") == 0;
}

static bool is_success(const struct value *status)
{
	return strcmp(value_string_or(value_get(status, "status"), ""), "Success") == 0;
}

int reply_read(const struct http_reply *reply, enum reply_answer answer, const struct apipath *path,
	       struct value **ret, struct error *err)
{
	_cleanup_(value_unref) struct value *object = NULL;
	int r;

	if (answer == REPLY_TEXT) {
		*ret = NULL;
		return 0;
	}
	r = json_parse(reply->body.data, reply->body.length, "reply", &object, err);
	if (r < 0)
		return r;

	/* Deleting and subresources may be answered by a Status. */
	if (is_status(object) && is_success(object) &&
	    (answer == REPLY_ANYTHING || path->subresource)) {
		*ret = TAKE_PTR(object);
		return 0;
	}
	r = reply_check(object, path, answer == REPLY_LIST, err);
	if (r < 0)
		return r;
	if (answer == REPLY_OBJECT) {
		r = check_identity(object, path, err);
		if (r < 0)
			return r;
	}

	*ret = TAKE_PTR(object);
	return 0;
}

/* The Status in a reply's body; NULL if there is none. */
static struct value *status_of(const struct http_reply *reply)
{
	_cleanup_(value_unref) struct value *object = NULL;
	struct error ignored = ERROR_INIT;

	if (json_parse(reply->body.data, reply->body.length, "reply", &object, &ignored) < 0 ||
	    !is_status(object))
		return NULL;
	return TAKE_PTR(object);
}

/* Whether a Status is about the object of the path. Of a resource that it does not serve, the API
 * says NotFound as well, but names nothing. */
static bool says_missing(const struct value *status, const struct apipath *path)
{
	const char *name = value_string(value_at(status, "details", "name"));
	_cleanup_free_ char *at = name ? apipath_join("", name) : NULL; /* as the path spells it */

	return strcmp(value_string_or(value_get(status, "reason"), ""), "NotFound") == 0 && at &&
	       path->name && strcmp(at + 1, path->name) == 0;
}

bool reply_says_missing(const struct http_reply *reply, const struct apipath *path)
{
	_cleanup_(value_unref) struct value *status = status_of(reply);

	return says_missing(status, path);
}

/* The first line of what a server says that does not speak the API's language. */
static char *first_line(const struct buf *body)
{
	size_t length = strcspn(body->data, "\r\n");
	char *text = xstrndup(body->data, MIN(length, (size_t)MESSAGE_MAX));

	for (char *p = text; *p; p++)
		if (iscntrl((unsigned char)*p))
			*p = ' ';
	return text;
}

/* What the API answers to a JSON patch whose test has failed, and to nothing else. */
static const char patch_failed[] = "the server rejected our request due to an error in our request";

/* Whether the object has another uid than the request, so that it is another object by now. */
static bool is_about_uid(const struct value *status)
{
	const struct value *causes = value_at(status, "details", "causes");

	VALUE_FOREACH(i, causes) {
		const struct value *field = value_get(value_item(causes, i), "field");

		if (strcmp(value_string_or(field, ""), "metadata.uid") == 0)
			return true;
	}
	return false;
}

/* What the HTTP status alone does not say: the object has changed since it was looked at. */
static int refine(const struct value *status, int r, struct error *err)
{
	const char *reason = value_string_or(value_get(status, "reason"), "");
	const char *message = value_string_or(value_get(status, "message"), "");

	if ((r == -EEXIST && strcmp(reason, "Conflict") == 0) ||
	    (r == -EINVAL && (strcmp(message, patch_failed) == 0 || is_about_uid(status)))) {
		err->code = r = -EAGAIN;
		err->class = ERROR_PENDING;
	}
	return r;
}

int reply_refusal(const struct http_reply *reply, struct error *err)
{
	_cleanup_(value_unref) struct value *status = status_of(reply);
	const char *message = value_string(value_get(status, "message"));
	_cleanup_free_ char *text =
	    message ? xstrndup(message, MESSAGE_MAX) : first_line(&reply->body);
	int r;

	r = http_status_error(reply, text, err);
	/* Something that will be there (a namespace of a new cluster), or another server in its
	 * place that knows nothing about objects. */
	if (reply->status == 404)
		err->class = value_at(status, "details", "name") ? ERROR_PENDING : ERROR_NETWORK;
	return refine(status, r, err);
}

int reply_status_error(const struct value *status, struct error *err)
{
	struct http_reply reply = { .body = BUF_INIT(0) };
	int64_t code = 0, seconds = 0;

	(void)value_to_int(value_get(status, "code"), &code);
	(void)value_to_int(value_at(status, "details", "retryAfterSeconds"), &seconds);
	reply.status = code >= 400 && code < 600 ? (unsigned)code : 500;
	reply.retry_after_s = seconds > 0 && seconds < 3600 ? (unsigned)seconds : 0;
	return refine(status,
		      http_status_error(
			  &reply, value_string_or(value_get(status, "message"), "no message"), err),
		      err);
}
