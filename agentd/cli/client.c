/* One call to the daemon (client.h), and its errors in words and statuses. */
#include "agentd/cli/client.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "common/alloc.h"
#include "common/log.h"
#include "common/varlink.h"

struct client {
	const struct options *options;
	struct varlink_client *varlink;
	uint64_t deadline_ns;
};

static uint64_t deadline_of(const struct options *options)
{
	if (options->timeout_ns == 0)
		return UINT64_MAX;
	return clock_ns(clock_system()) + (uint64_t)options->timeout_ns;
}

/* Prints text that came from elsewhere, so that it cannot speak to the terminal. */
static void complain(const char *before, const char *text)
{
	_cleanup_(buf_done) struct buf safe = BUF_INIT(4 * MIB);

	log_escape(text, &safe);
	fprintf(stderr, "%s%s\n", before, safe.data);
}

static int connection_failed(const struct error *err)
{
	complain("agentctl: ", err->message);
	switch (-err->code) {
	case ETIMEDOUT:
		return STATUS_TIMEOUT;
	case EACCES:
		fputs("Root may ask agentd everything, members of the group agentd may read: use "
		      "sudo, or join the group and log in again.\n",
		      stderr);
		return STATUS_UNREACHABLE;
	case ENOENT:
	case ECONNREFUSED:
		fputs("agentd does not run: systemctl status agentd\n", stderr);
		return STATUS_UNREACHABLE;
	default:
		return STATUS_UNREACHABLE;
	}
}

/* What is said of an error of the daemon, and the status it means. */
struct error_row {
	const char *name;
	int status;
	const char *text;      /* before what the reply says */
	const char *parameter; /* of the reply; NULL = nothing */
	const char *advice;    /* on a line of its own; may be NULL */
};
/* clang-format off */
static const struct error_row error_rows[] = {
	{ CLIENT_INTERFACE ".RoleRefused", STATUS_FAILED, "", "message",
	  "Nothing was changed." },
	{ CLIENT_INTERFACE ".Failed", STATUS_FAILED, "agentctl: ", "message" },
	{ CLIENT_INTERFACE ".NotFound", STATUS_FAILED, "agentctl: there is no resource ", "name",
	  "agentctl status --all lists them." },
	{ CLIENT_INTERFACE ".NoRole", STATUS_NO_ROLE, "agentctl: ", "message",
	  "Give it one: agentctl role set FILE, or /etc/agentd/role.yaml." },
	{ CLIENT_INTERFACE ".Busy", STATUS_UNREACHABLE,
	  "agentctl: agentd has too many clients, try again later", NULL },
	{ VARLINK_PERMISSION_DENIED, STATUS_FAILED,
	  "agentctl: permission denied", NULL,
	  "Root may do everything, members of the group agentd may read; processes of pods may "
	  "do nothing." },
	{ VARLINK_INVALID_PARAMETER, STATUS_USAGE, "agentctl: agentd does not take this ",
	  "parameter" },
	{ VARLINK_METHOD_NOT_FOUND, STATUS_FAILED, "agentctl: agentd is older and has no method ",
	  "method" },
	{},
};
/* clang-format on */

static int call_failed(const struct varlink_reply *reply)
{
	const struct error_row *row = error_rows;
	const char *said;

	while (row->name && strcmp(row->name, reply->error) != 0)
		row++;
	if (!row->name) {
		complain("agentctl: agentd says ", reply->error);
		return STATUS_FAILED;
	}
	said =
	    row->parameter ? value_string_or(value_get(reply->parameters, row->parameter), "") : "";
	complain(row->text, said);
	if (row->advice)
		fprintf(stderr, "%s\n", row->advice);
	return row->status;
}

int client_call(const struct options *options, const char *method, struct value *parameters,
		bool more, struct client **ret)
{
	_cleanup_(client_free) struct client *client = NEW(struct client);
	_cleanup_(varlink_call_done) struct varlink_call call = { .parameters = parameters };
	struct error err = ERROR_INIT;
	int r;

	client->options = options;
	client->deadline_ns = deadline_of(options);
	call.method = xasprintf(CLIENT_INTERFACE ".%s", method);
	call.more = more;
	r = varlink_client_connect(options->socket, clock_system(), client->deadline_ns,
				   &client->varlink, &err);
	if (r >= 0)
		r = varlink_client_send(client->varlink, &call, client->deadline_ns, &err);
	if (r < 0)
		return connection_failed(&err);
	*ret = TAKE_PTR(client);
	return 0;
}

int client_receive(struct client *client, struct value **ret)
{
	_cleanup_(varlink_reply_done) struct varlink_reply reply = { 0 };
	struct error err = ERROR_INIT;
	int r;

	r = varlink_client_receive(client->varlink, client->deadline_ns, &reply, &err);
	if (r < 0) {
		(void)error_wrap(&err, r, "%s", client->options->socket);
		return connection_failed(&err);
	}
	if (reply.error)
		return call_failed(&reply);
	client->deadline_ns = UINT64_MAX;
	*ret = TAKE_PTR(reply.parameters);
	return 0;
}

struct client *client_free(struct client *client)
{
	if (!client)
		return NULL;
	varlink_client_free(client->varlink);
	free(client);
	return NULL;
}

int client_ask(const struct options *options, const char *method, struct value *parameters,
	       struct value **ret)
{
	_cleanup_(client_free) struct client *client = NULL;
	int status;

	status = client_call(options, method, parameters, false, &client);
	if (status != 0)
		return status;
	return client_receive(client, ret);
}
