/* Finds and trusts a cluster: a stage table behind an op; see discover.h. */
#include "discovery/discover.h"

#include <errno.h>
#include <string.h>

#include "common/alloc.h"
#include "common/clock.h"
#include "common/http.h"
#include "common/json.h"
#include "common/task.h"
#include "discovery/kubeconfig.h"
#include "pki/cert.h"

#define CLUSTER_INFO_PATH "/api/v1/namespaces/kube-public/configmaps/cluster-info"

enum { REPLY_MAX = 64 * 1024, REQUEST_TIMEOUT_MS = 5000, ASK_AGAIN_MS = 500, STAGE_TIMEOUT_S = 60 };
enum { HTTP_UNAUTHORIZED = 401, HTTP_FORBIDDEN = 403, HTTP_NOT_FOUND = 404 };

/* How long a cluster-info may be without our signature, or closed, before that is an error. */
static const uint64_t patience_ns = 30 * NSEC_PER_SEC;

struct discover {
	char *server; /* https:// and the endpoint that we were given, or the file's server */
	struct token token;
	struct strv pins;
	bool unsafe_skip;
	char *file_path;

	struct http *anybody,
	    *verified; /* connections to whoever answers, and to a proven server */
	bool waiting;
	uint64_t waiting_since_ns;
	struct clusterinfo candidate; /* believed so far, but not compared yet */
	struct clusterinfo found;
};

static void discover_free(void *context)
{
	struct discover *d = context;

	http_free(d->anybody);
	http_free(d->verified);
	token_done(&d->token);
	strv_done(&d->pins);
	clusterinfo_done(&d->candidate);
	clusterinfo_done(&d->found);
	free(d->server);
	free(d->file_path);
	free(d);
}

static struct discover *discover_of(struct task *task)
{
	return task_context(task);
}

/* GET of cluster-info, without a credential. */
static struct op *get_cluster_info(struct discover *d, struct http *http, struct error *err)
{
	static const char *const headers[] = { "Accept: application/json", NULL };
	size_t length = strlen(d->server);
	bool has_slash = length > 0 && d->server[length - 1] == '/';
	_cleanup_free_ char *url =
	    xasprintf("%.*s" CLUSTER_INFO_PATH, (int)length - has_slash, d->server);
	struct http_request request = {
		.method = "GET",
		.url = url,
		.headers = headers,
		.timeout_ms = REQUEST_TIMEOUT_MS,
		.reply_cap = REPLY_MAX,
	};

	return http_send(http, &request, err);
}

/* The last stage's last step: from here on others may see it. */
static int find(struct discover *d)
{
	d->found = d->candidate;
	d->candidate = (struct clusterinfo){ 0 };
	return STAGE_END;
}

/* Asks again for half a minute, then fails with this code and reason. */
static int wait_for(struct task *task, int code, struct error *err, const char *format, ...)
    PRINTF_LIKE(4, 5);

static int wait_for(struct task *task, int code, struct error *err, const char *format, ...)
{
	struct discover *d = discover_of(task);
	uint64_t now = clock_ns(loop_clock(task_loop(task)));
	_cleanup_free_ char *reason = NULL;
	va_list args;

	if (!d->waiting) {
		d->waiting = true;
		d->waiting_since_ns = now;
	}
	if (now - d->waiting_since_ns < patience_ns)
		return STAGE_AGAIN;
	va_start(args, format);
	reason = xvasprintf(format, args);
	va_end(args);
	return error_set(err, ERROR_PENDING, code, "%s", reason);
}

static bool is_closed(const struct http_reply *reply)
{
	return reply->status == HTTP_UNAUTHORIZED || reply->status == HTTP_FORBIDDEN ||
	       reply->status == HTTP_NOT_FOUND;
}

static int wait_for_opening(struct task *task, unsigned status, struct error *err)
{
	return wait_for(task, status == HTTP_FORBIDDEN ? -EKEYEXPIRED : -ETIMEDOUT, err,
			"%s answers %u when asked for cluster-info: it is not there, or closed to"
			" strangers because no token is valid; make a token with"
			" `agentctl token create` on a control plane, or wait for the control plane"
			" to come up",
			discover_of(task)->server, status);
}

static int parse_reply(const struct http_reply *reply, struct value **ret, struct error *err)
{
	int r;

	r = http_status_error(reply, "GET of cluster-info", err);
	if (r < 0)
		return r;
	return json_parse(reply->body.data, reply->body.length, "cluster-info", ret, err);
}

static struct op *fetch_start(struct task *task, struct error *err)
{
	struct discover *d = discover_of(task);
	struct http_identity identity = { .insecure = true };

	if (!d->anybody)
		d->anybody = http_new(task_loop(task), &identity);
	return get_cluster_info(d, d->anybody, err);
}

static int fetch_finish(struct task *task, struct op *op, struct error *err)
{
	struct discover *d = discover_of(task);
	const struct http_reply *reply = http_reply(op);
	_cleanup_(value_unref) struct value *config_map = NULL;
	bool is_signed = false;
	int r;

	if (is_closed(reply))
		return wait_for_opening(task, reply->status, err);
	r = parse_reply(reply, &config_map, err);
	if (r < 0)
		return error_wrap(err, r, "%s", d->server);

	r = clusterinfo_decide(config_map, &d->token, &d->pins, d->unsafe_skip, &is_signed,
			       &d->candidate, err);
	if (r < 0)
		return error_wrap(err, r, "%s", d->server);
	if (!is_signed)
		return wait_for(task, -EKEYEXPIRED, err,
				"cluster-info of %s is not signed for token %s: the token may have"
				" expired, or be of another cluster; make a new one with"
				" `agentctl token create` on a control plane",
				d->server, d->token.id);
	return STAGE_NEXT;
}

static struct op *compare_start(struct task *task, struct error *err)
{
	struct discover *d = discover_of(task);
	struct http_identity identity = { .ca_pem = d->candidate.ca_pem };

	if (!d->verified)
		d->verified = http_new(task_loop(task), &identity);
	return get_cluster_info(d, d->verified, err);
}

/* The op's failure, with what may be behind it if it is one of trust. */
static int explain_failure(struct discover *d, const struct op *op, struct error *err)
{
	struct error cause = ERROR_INIT;
	int r = op_result(op, &cause);

	if (cause.class != ERROR_TRUST) {
		*err = cause;
		return r;
	}
	return error_set(
	    err, ERROR_TRUST, r,
	    "%.280s; check that this host name is among certSANs of the API server,"
	    " that its certificate is in date and this host's clock right, and that %s of"
	    " this cluster",
	    cause.message, d->file_path ? "the discovery file is" : "caCertHashes are");
}

static int compare_finish(struct task *task, struct op *op, struct error *err)
{
	struct discover *d = discover_of(task);
	_cleanup_(value_unref) struct value *config_map = NULL;
	const struct http_reply *reply;
	const char *text;
	int r;

	if (op_error(op))
		return explain_failure(d, op, err);
	reply = http_reply(op);
	if (is_closed(reply))
		return wait_for_opening(task, reply->status, err);
	r = parse_reply(reply, &config_map, err);
	if (r < 0)
		return error_wrap(err, r, "%s", d->server);

	text = value_string_or(value_at(config_map, "data", "kubeconfig"), "");
	if (strcmp(text, d->candidate.kubeconfig) != 0)
		return error_set(
		    err, ERROR_TRUST, -EKEYREJECTED,
		    "%s gives another cluster-info to those who verify it than to those"
		    " who do not: it was changed just now, or somebody is in between",
		    d->server);
	return find(d);
}

static const struct stage token_stages[] = {
	{ "fetch cluster-info", fetch_start, fetch_finish, .again_ms = ASK_AGAIN_MS,
	  .timeout_s = STAGE_TIMEOUT_S },
	{ "compare cluster-info over verified TLS", compare_start, compare_finish,
	  .again_ms = ASK_AGAIN_MS, .timeout_s = STAGE_TIMEOUT_S, .may_fail = true },
	{},
};

/* What the file must say to be of use. */
static int check_file(const struct kubeconfig *config, struct error *err)
{
	_cleanup_(cert_list_done) struct cert_list certs = { 0 };

	if (!clusterinfo_server_is_valid(config->server))
		return error_set(err, ERROR_CONFIG, -EINVAL,
				 "the server \"%.128s\" is not of the form https://HOST:PORT",
				 config->server);
	if (!config->ca_pem)
		return error_set(
		    err, ERROR_CONFIG, -ENODATA,
		    "its cluster has neither certificate-authority-data nor"
		    " certificate-authority, and the certificates that this host trusts"
		    " for other purposes are not used");
	return cert_list_from_pem(config->ca_pem, strlen(config->ca_pem), &certs, err);
}

static int read_file_finish(struct task *task, struct op *op, struct error *err)
{
	struct discover *d = discover_of(task);
	_cleanup_(kubeconfig_done) struct kubeconfig config = { 0 };
	int r;

	r = kubeconfig_read(d->file_path, &config, err);
	if (r == 0)
		return error_set(
		    err, ERROR_CONFIG, -ENOENT,
		    "discovery file %s does not exist: copy a kubeconfig of the cluster"
		    " there, such as kube-public/cluster-info's",
		    d->file_path);
	if (r > 0)
		r = check_file(&config, err);
	if (r < 0)
		return error_wrap(err, r, "discovery file %s", d->file_path);

	d->server = xstrdup(config.server);
	d->candidate = (struct clusterinfo){
		.server = TAKE_PTR(config.server),
		.ca_pem = TAKE_PTR(config.ca_pem),
	};
	return STAGE_NEXT;
}

/* A server that proves by its certificate to be the file's is enough, even if it keeps cluster-info
 * to itself. */
static int verify_finish(struct task *task, struct op *op, struct error *err)
{
	struct discover *d = discover_of(task);
	const struct http_reply *reply;
	int r;

	if (op_error(op))
		return explain_failure(d, op, err);
	reply = http_reply(op);
	if (reply->status == HTTP_NOT_FOUND)
		return wait_for_opening(task, reply->status, err);
	if (!is_closed(reply)) {
		r = http_status_error(reply, "GET of cluster-info", err);
		if (r < 0)
			return error_wrap(err, r, "%s", d->server);
	}
	return find(d);
}

static const struct stage file_stages[] = {
	{ "read discovery file", NULL, read_file_finish },
	{ "verify the API server", compare_start, verify_finish, .again_ms = ASK_AGAIN_MS,
	  .timeout_s = STAGE_TIMEOUT_S, .may_fail = true },
	{},
};

static int check_request(const struct discover_request *request, struct error *err)
{
	_cleanup_free_ char *server = NULL;

	if (request->file_path)
		return 0;
	if (!request->endpoint || !request->token)
		return error_set(
		    err, ERROR_CONFIG, -EINVAL,
		    "to find a cluster takes an endpoint and a token, or a discovery"
		    " file; `agentctl token create --role-file` on a control plane prints"
		    " a role with both");
	server = xasprintf("https://%s", request->endpoint);
	if (strchr(request->endpoint, '/') || !clusterinfo_server_is_valid(server))
		return error_set(
		    err, ERROR_CONFIG, -EINVAL,
		    "the endpoint \"%.128s\" is not of the form HOST:PORT or [IPV6]:PORT",
		    request->endpoint);
	if (request->pins->count == 0 && !request->unsafe_skip)
		return error_set(
		    err, ERROR_CONFIG, -EINVAL,
		    "caCertHashes is empty: `agentctl token create --print-join-command`"
		    " on a control plane prints what belongs there");
	return 0;
}

struct op *discover_start(struct loop *loop, const struct discover_request *request,
			  struct error *err)
{
	struct discover *d;

	if (check_request(request, err) < 0)
		return NULL;
	d = NEW(struct discover);
	d->unsafe_skip = request->unsafe_skip;
	d->file_path = xstrdup(request->file_path);
	if (!request->file_path) {
		d->server = xasprintf("https://%s", request->endpoint);
		memcpy(d->token.id, request->token->id, sizeof(d->token.id));
		d->token.secret = secret_ref(request->token->secret);
		strv_copy(&d->pins, request->pins);
	}
	return task_op_new(loop, request->file_path ? file_stages : token_stages, d, discover_free);
}

const struct clusterinfo *discover_result(const struct op *op)
{
	const struct discover *d = op_impl(op);

	return &d->found;
}
