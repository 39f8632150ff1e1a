/* Varlink's messages: cutting a stream into frames, and calls and replies to and from JSON
 * (varlink.h). varlink-connection.c serves them, varlink-client.c sends them. */
#include "common/varlink.h"

#include <errno.h>
#include <string.h>

#include "common/alloc.h"
#include "common/json.h"
#include "common/secret.h"

void varlink_frames_done(struct varlink_frames *frames)
{
	secret_wipe(frames->bytes.data, frames->bytes.length);
	buf_done(&frames->bytes);
	frames->scanned = 0;
}

size_t varlink_frames_room(const struct varlink_frames *frames)
{
	return frames->bytes.cap - frames->bytes.length;
}

size_t varlink_frames_feed(struct varlink_frames *frames, const void *bytes, size_t length)
{
	size_t taken = MIN(length, varlink_frames_room(frames));
	int r;

	r = buf_append(&frames->bytes, bytes, taken);
	assert(r == 0);
	return taken;
}

int varlink_frames_peek(struct varlink_frames *frames, const char **ret_text, size_t *ret_length)
{
	const struct buf *bytes = &frames->bytes;
	const char *end;

	end = memchr(bytes->data + frames->scanned, '\0', bytes->length - frames->scanned);
	if (!end) {
		frames->scanned = bytes->length;
		return varlink_frames_room(frames) == 0 ? -EMSGSIZE : 0;
	}

	frames->scanned = (size_t)(end - bytes->data);
	*ret_text = bytes->data;
	*ret_length = frames->scanned;
	return 1;
}

void varlink_frames_drop(struct varlink_frames *frames)
{
	size_t before = frames->bytes.length;

	assert(frames->scanned < before && frames->bytes.data[frames->scanned] == '\0');
	buf_consume(&frames->bytes, frames->scanned + 1);
	/* Consuming moves the rest to the front; behind it there still are the old bytes. */
	secret_wipe(frames->bytes.data + frames->bytes.length, before - frames->bytes.length);
	frames->scanned = 0;
	if (frames->bytes.length == 0)
		buf_done(&frames->bytes);
}

bool varlink_frames_is_empty(const struct varlink_frames *frames)
{
	return frames->bytes.length == 0;
}

static bool is_letter(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* One label of an interface's name: [A-Za-z0-9](-*[A-Za-z0-9])*, the first begins with a letter. */
static bool label_is_valid(const char *label, size_t length, bool first)
{
	if (length == 0 || label[0] == '-' || label[length - 1] == '-')
		return false;
	for (size_t i = 0; i < length; i++)
		if (!is_letter(label[i]) && !is_digit(label[i]) && label[i] != '-')
			return false;
	return !first || is_letter(label[0]);
}

static bool member_is_valid(const char *member)
{
	if (*member < 'A' || *member > 'Z')
		return false;
	while (is_letter(*member) || is_digit(*member))
		member++;
	return *member == '\0';
}

bool varlink_name_is_valid(const char *text, size_t *ret_interface)
{
	const char *label = text;
	size_t labels = 0;

	for (const char *dot; (dot = strchr(label, '.')) != NULL; label = dot + 1, labels++)
		if (!label_is_valid(label, (size_t)(dot - label), labels == 0))
			return false;
	if (labels < 2 || !member_is_valid(label))
		return false;

	*ret_interface = (size_t)(label - 1 - text);
	return true;
}

/* Reads a key that is a boolean, where absent and null mean false. */
static int get_flag(const struct value *map, const char *key, bool *ret, struct error *err)
{
	const struct value *flag = value_get(map, key);

	if (value_type(flag) != VALUE_NULL && value_type(flag) != VALUE_BOOL)
		return error_set(err, ERROR_NETWORK, -EPROTO, "%s must be a boolean, not %s", key,
				 value_type_name(value_type(flag)));

	*ret = value_is_true(flag);
	return 0;
}

/* Reads the parameters: a new reference, a map also where there are none. */
static int get_parameters(const struct value *map, struct value **ret, struct error *err)
{
	const struct value *parameters = value_get(map, "parameters");

	if (value_type(parameters) == VALUE_MAP)
		*ret = value_ref(parameters);
	else if (value_type(parameters) == VALUE_NULL)
		*ret = value_new_map();
	else
		return error_set(err, ERROR_NETWORK, -EPROTO, "parameters must be a map, not %s",
				 value_type_name(value_type(parameters)));
	return 0;
}

static int parse_message(const char *text, size_t length, const char *name, struct value **ret,
			 struct error *err)
{
	_cleanup_(value_unref) struct value *message = NULL;
	int r;

	r = json_parse(text, length, name, &message, err);
	if (r < 0)
		return r;

	if (value_type(message) != VALUE_MAP)
		return error_set(err, ERROR_NETWORK, -EPROTO, "%s: must be a map, not %s", name,
				 value_type_name(value_type(message)));
	*ret = TAKE_PTR(message);
	return 0;
}

void varlink_call_done(struct varlink_call *call)
{
	free(call->method);
	value_unref(call->parameters);
	*call = (struct varlink_call){ 0 };
}

static int read_call(const struct value *message, struct varlink_call *ret, struct error *err)
{
	const char *method = value_string(value_get(message, "method"));
	struct varlink_call call = { 0 };
	bool upgrade = false;
	size_t interface;
	int r;

	if (!method || strlen(method) != value_string_length(value_get(message, "method")) ||
	    !varlink_name_is_valid(method, &interface))
		return error_set(err, ERROR_NETWORK, -EPROTO, "method must be INTERFACE.METHOD");

	r = get_flag(message, "more", &call.more, err);
	if (r < 0)
		return r;

	r = get_flag(message, "oneway", &call.oneway, err);
	if (r < 0)
		return r;

	r = get_flag(message, "upgrade", &upgrade, err);
	if (r < 0)
		return r;
	if (upgrade)
		return error_set(err, ERROR_NETWORK, -EPROTO, "upgrade is not supported");

	r = get_parameters(message, &call.parameters, err);
	if (r < 0)
		return r;

	call.method = xstrdup(method);
	*ret = call;
	return 0;
}

int varlink_call_parse(const char *text, size_t length, struct varlink_call *ret, struct error *err)
{
	_cleanup_(value_unref) struct value *message = NULL;
	int r;

	r = parse_message(text, length, "call", &message, err);
	if (r < 0)
		return r;

	r = read_call(message, ret, err);
	if (r < 0)
		return error_wrap(err, r, "call");
	return 0;
}

/* Parameters as they are sent: an empty map is left out. */
static struct value *put_parameters(struct value *message, const struct value *parameters)
{
	if (value_count(parameters) == 0)
		return message;
	return value_put(message, "parameters", value_ref(parameters));
}

/* Appends a message and its NUL. Consumes the message. */
static int write_message(struct value *message, struct buf *buf)
{
	int r;

	r = json_write(message, 0, buf);
	value_unref(message);
	if (r < 0)
		return r;
	return buf_append_char(buf, '\0');
}

int varlink_call_write(const struct varlink_call *call, struct buf *buf)
{
	struct value *message = value_new_map();

	message = value_put(message, "method", value_new_string(call->method));
	message = put_parameters(message, call->parameters);
	if (call->more)
		message = value_put(message, "more", value_new_bool(true));
	if (call->oneway)
		message = value_put(message, "oneway", value_new_bool(true));
	return write_message(message, buf);
}

void varlink_reply_done(struct varlink_reply *reply)
{
	free(reply->error);
	value_unref(reply->parameters);
	*reply = (struct varlink_reply){ 0 };
}

static int read_reply(const struct value *message, struct varlink_reply *ret, struct error *err)
{
	const struct value *name = value_get(message, "error");
	struct varlink_reply reply = { 0 };
	size_t interface;
	int r;

	if (value_type(name) != VALUE_NULL &&
	    (!value_string(name) || !varlink_name_is_valid(value_string(name), &interface)))
		return error_set(err, ERROR_NETWORK, -EPROTO, "error must be INTERFACE.ERROR");

	r = get_flag(message, "continues", &reply.continues, err);
	if (r < 0)
		return r;

	r = get_parameters(message, &reply.parameters, err);
	if (r < 0)
		return r;

	reply.error = xstrdup(value_string(name));
	*ret = reply;
	return 0;
}

int varlink_reply_parse(const char *text, size_t length, struct varlink_reply *ret,
			struct error *err)
{
	_cleanup_(value_unref) struct value *message = NULL;
	int r;

	r = parse_message(text, length, "reply", &message, err);
	if (r < 0)
		return r;

	r = read_reply(message, ret, err);
	if (r < 0)
		return error_wrap(err, r, "reply");
	return 0;
}

int varlink_reply_write(const struct varlink_reply *reply, struct buf *buf)
{
	struct value *message = value_new_map();

	if (reply->error)
		message = value_put(message, "error", value_new_string(reply->error));
	message = put_parameters(message, reply->parameters);
	if (reply->continues)
		message = value_put(message, "continues", value_new_bool(true));
	return write_message(message, buf);
}
