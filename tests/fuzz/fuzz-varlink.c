/* Any bytes from a client of the control socket, through the connection, the frames, the JSON and
 * the methods. The first byte says what the peer may, and how the stream is cut.
 *
 * Whatever comes: every reply is well formed, there are no more replies than messages, nothing is
 * changed for a peer that may not change anything, and no secret is in what a reader gets. */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "agentd/inputs/methods.h"
#include "common/clock.h"
#include "common/loop.h"
#include "common/op.h"
#include "common/varlink.h"
#include "tests/fuzz/fuzz.h"

#define SECRET "0123456789abcdef"

struct fuzz {
	struct loop *loop;
	bool allowed[2];
	struct methods_call *call;
	bool closed;
	size_t messages, replies;
	struct buf got;
};

static struct value *status(void *userdata)
{
	FUZZ_CHECK(((struct fuzz *)userdata)->allowed[METHODS_READ]);
	return value_put(value_new_map(), "role", value_new_string("none"));
}

static struct value *plan(void *userdata)
{
	FUZZ_CHECK(((struct fuzz *)userdata)->allowed[METHODS_READ]);
	return value_new_list();
}

static struct value *explain(const char *name, void *userdata)
{
	FUZZ_CHECK(((struct fuzz *)userdata)->allowed[METHODS_READ]);
	if (strcmp(name, "kubelet-unit") != 0)
		return NULL;
	return value_put(value_new_map(), "name", value_new_string(name));
}

static bool reconcile(void *userdata)
{
	FUZZ_CHECK(((struct fuzz *)userdata)->allowed[METHODS_CHANGE]);
	return true;
}

static int role_get(struct buf *buf, void *userdata)
{
	FUZZ_CHECK(((struct fuzz *)userdata)->allowed[METHODS_READ]);
	return buf_append_string(buf, "role: none\n") < 0 ? -EFBIG : 1;
}

static int role_set(const char *text, size_t length, const char *name, void *userdata,
		    struct error *err)
{
	FUZZ_CHECK(((struct fuzz *)userdata)->allowed[METHODS_CHANGE]);
	FUZZ_CHECK(strlen(text) == length && *name);
	for (const char *c = name; *c; c++)
		FUZZ_CHECK((unsigned char)*c >= ' ');
	return length % 2 ? error_set(err, ERROR_CONFIG, -EINVAL, "%s: odd", name) : 0;
}

static struct value *token(void)
{
	struct value *map = value_new_map();

	map = value_put(map, "token", value_new_string("abcdef." SECRET));
	return value_put(map, "id", value_new_string("abcdef"));
}

static struct op *token_create(const struct methods_token *params, void *userdata,
			       struct error *err)
{
	struct fuzz *fuzz = userdata;

	FUZZ_CHECK(fuzz->allowed[METHODS_CHANGE] && params->ttl_s >= -1);
	STRV_FOREACH(usage, &params->usages)
		FUZZ_CHECK(usage);
	return op_new_done(fuzz->loop, token());
}

static struct op *token_list(void *userdata, struct error *err)
{
	struct fuzz *fuzz = userdata;

	FUZZ_CHECK(fuzz->allowed[METHODS_READ]);
	return op_new_done(fuzz->loop, value_append(value_new_list(), token()));
}

static struct op *dns_status(void *userdata, struct error *err)
{
	struct fuzz *fuzz = userdata;

	FUZZ_CHECK(fuzz->allowed[METHODS_READ]);
	return op_new_done(fuzz->loop, value_new_map());
}

static struct op *dns_rebalance(void *userdata, struct error *err)
{
	struct fuzz *fuzz = userdata;

	FUZZ_CHECK(fuzz->allowed[METHODS_CHANGE]);
	return op_new_done(fuzz->loop, value_new_map());
}

static void done(struct methods_call *call, void *userdata)
{
	struct fuzz *fuzz = userdata;

	fuzz->call = methods_call_free(fuzz->call);
}

static void on_call(struct varlink_connection *connection, const struct varlink_call *call,
		    void *userdata)
{
	struct fuzz *fuzz = userdata;
	const struct methods_hooks hooks = {
		.status = status,
		.plan = plan,
		.explain = explain,
		.reconcile = reconcile,
		.role_get = role_get,
		.role_set = role_set,
		.token_create = token_create,
		.token_list = token_list,
		.dns_status = dns_status,
		.dns_rebalance = dns_rebalance,
		.userdata = fuzz,
	};
	static struct methods_hooks kept;

	FUZZ_CHECK(!fuzz->call && value_type(call->parameters) == VALUE_MAP);
	fuzz->messages++;
	kept = hooks;
	fuzz->call = methods_serve(&kept, connection, call, fuzz->allowed, done, fuzz);
}

static void on_closed(struct varlink_connection *connection, const char *reason, void *userdata)
{
	struct fuzz *fuzz = userdata;

	FUZZ_CHECK(!fuzz->closed && *reason);
	fuzz->closed = true;
}

/* The replies that came whole. */
static void check_replies(struct fuzz *fuzz)
{
	const char *end;

	while ((end = memchr(fuzz->got.data, '\0', fuzz->got.length)) != NULL) {
		_cleanup_(varlink_reply_done) struct varlink_reply reply = { 0 };
		struct error err = ERROR_INIT;
		size_t length = (size_t)(end - fuzz->got.data);

		FUZZ_CHECK(varlink_reply_parse(fuzz->got.data, length, &reply, &err) == 0);
		/* Errors repeat what the client said. */
		if (!fuzz->allowed[METHODS_CHANGE] && !reply.error)
			FUZZ_CHECK(!strstr(fuzz->got.data, SECRET));
		if (!fuzz->allowed[METHODS_READ])
			FUZZ_CHECK(reply.error &&
				   strcmp(reply.error, VARLINK_PERMISSION_DENIED) == 0);
		fuzz->replies++;
		buf_consume(&fuzz->got, length + 1);
	}
}

static void run(struct fuzz *fuzz, int client)
{
	char bytes[8192];
	ssize_t n;

	do {
		for (unsigned i = 0; i < 3; i++)
			loop_once(fuzz->loop, false);
		n = recv(client, bytes, sizeof(bytes), MSG_DONTWAIT);
		if (n > 0)
			FUZZ_CHECK(buf_append(&fuzz->got, bytes, (size_t)n) == 0);
		check_replies(fuzz);
	} while (n > 0);
}

static void send_stream(struct fuzz *fuzz, int client, const uint8_t *bytes, size_t length,
			size_t chunk)
{
	while (length > 0 && !fuzz->closed) {
		ssize_t n = send(client, bytes, chunk < length ? chunk : length,
				 MSG_DONTWAIT | MSG_NOSIGNAL);

		/* A stream that nobody ends leaves the calls behind it where they are. */
		if (n < 0)
			break;
		bytes += n;
		length -= (size_t)n;
		run(fuzz, client);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
	static const struct varlink_connection_hooks hooks = { on_call, on_closed };
	static struct clock_fake clock;
	static struct loop *loop;
	struct fuzz fuzz = { .got = BUF_INIT(4 * MIB) };
	struct varlink_connection *connection;
	int fds[2];

	if (length == 0 || length > 64 * KIB)
		return 0;
	if (!loop) {
		clock_fake_init(&clock, 1000000);
		loop = loop_new(&clock.clock);
	}
	fuzz.loop = loop;
	fuzz.allowed[METHODS_READ] = bytes[0] & 3;
	fuzz.allowed[METHODS_CHANGE] = bytes[0] & 2;
	FUZZ_CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds) == 0);
	connection = varlink_connection_new(loop, fds[1], 16 * KIB, &hooks, &fuzz);

	send_stream(&fuzz, fds[0], bytes + 1, length - 1,
		    bytes[0] & 4 ? 1 + (bytes[0] >> 3) : 4096);
	(void)shutdown(fds[0], SHUT_WR);
	run(&fuzz, fds[0]);
	FUZZ_CHECK(fuzz.replies <= fuzz.messages);

	methods_call_free(fuzz.call);
	varlink_connection_free(connection);
	(void)close(fds[0]);
	buf_done(&fuzz.got);
	return 0;
}
