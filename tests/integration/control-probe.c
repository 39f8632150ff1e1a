/* A daemon that is only a control socket: control.c and the methods, with canned answers, for
 * test_socket.py and test_agentctl.py.
 *
 * Usage: control-probe ROOT GROUP [STATUS-FILE]. Prints "ready" once it serves. What it is told
 * (reconcile, a role) is counted in the status; a role whose text is "refuse" is refused, a token
 * whose description is "slow" takes long. STATUS-FILE is JSON that takes the place of the status.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agentd/inputs/control.h"
#include "common/alloc.h"
#include "common/file.h"
#include "common/json.h"
#include "common/log.h"
#include "common/op.h"

#define SECRET "0123456789abcdef"

struct probe {
	struct loop *loop;
	struct control *control;
	struct value *status; /* of the file */
	char *role;	      /* NULL = none */
	int64_t changes;      /* reconciles and roles */
	unsigned rebalances;
	int64_t cancelled; /* tokens that nobody waited for */
};

static struct value *status(void *userdata)
{
	const struct probe *probe = userdata;
	struct value *map = probe->status ? value_ref(probe->status) : value_new_map();

	if (!probe->status) {
		map = value_put(map, "version", value_new_string("probe"));
		map = value_put(map, "role", value_new_string(probe->role ? "worker" : "none"));
		map = value_put_at(map, value_new_int(probe->changes), "generation", "wanted");
		map = value_put_at(map, value_new_int(probe->changes), "generation", "reached");
		map = value_put(map, "conditions", value_new_list());
		map = value_put(map, "rows", value_new_list());
		map = value_put(map, "hints", value_new_list());
		map = value_put(map, "holds", value_new_list());
	}
	map = value_put_at(map, value_new_int(probe->changes), "counters", "requests");
	return value_put_at(map, value_new_int(probe->cancelled), "counters", "wakeups");
}

static struct value *plan(void *userdata)
{
	const struct probe *probe = userdata;
	struct value *change = value_new_map();

	if (!probe->role)
		return value_unref(change);
	change = value_put(change, "name", value_new_string("kubelet-unit"));
	change = value_put(change, "verdict", value_new_string("drifted"));
	change = value_put(change, "reason", value_new_string("the unit is stopped"));
	change = value_put(change, "stages",
			   value_append(value_new_list(), value_new_string("start kubelet")));
	return value_append(value_new_list(), change);
}

static struct value *explain(const char *name, void *userdata)
{
	struct value *map = value_new_map();

	if (strcmp(name, "kubelet-unit") != 0)
		return value_unref(map);
	map = value_put(map, "name", value_new_string(name));
	map = value_put(map, "title", value_new_string("the kubelet runs"));
	map = value_put(map, "inRole", value_new_bool(true));
	map = value_put(map, "verdict", value_new_string("in-sync"));
	map = value_put(map, "needs", value_new_list());
	map = value_put(map, "triggers",
			value_append(value_new_list(), value_new_string("unit kubelet.service")));
	return value_put(map, "stages",
			 value_append(value_new_list(), value_new_string("start kubelet")));
}

static void changed(struct probe *probe)
{
	probe->changes++;
	control_changed(probe->control);
}

static bool reconcile(void *userdata)
{
	changed(userdata);
	return true;
}

static int hold(const struct methods_hold *params, void *userdata, struct value **ret,
		struct error *err)
{
	struct value *map = value_new_map();

	if (strcmp(params->what, "nothing") == 0) {
		value_unref(map);
		return error_set(err, ERROR_CONFIG, -ENOENT, "nothing is called nothing");
	}
	changed(userdata);
	map = value_put(map, "what", value_new_string(params->what));
	map = value_put(map, "since", value_new_string("2026-01-02T03:04:05Z"));
	if (params->seconds > 0)
		map = value_put(map, "until", value_new_string("2930-01-02T03:04:05Z"));
	*ret = value_put(map, "resources",
			 value_append(value_new_list(), value_new_string("kubelet-unit")));
	return 0;
}

static int release(const char *what, void *userdata, struct value **ret, struct error *err)
{
	const struct methods_hold params = { .what = (char *)what };

	return hold(&params, userdata, ret, err);
}

static int role_get(struct buf *buf, void *userdata)
{
	const struct probe *probe = userdata;

	if (!probe->role)
		return 0;
	return buf_append_string(buf, probe->role) < 0 ? -EFBIG : 1;
}

static int role_set(const char *text, size_t length, const char *name, void *userdata,
		    struct error *err)
{
	struct probe *probe = userdata;

	if (strcmp(text, "refuse") == 0)
		return error_set(err, ERROR_CONFIG, -EINVAL, "%s:1:1: this is not a role", name);
	if (strcmp(text, "disk full") == 0)
		return error_set(err, ERROR_STORAGE, -ENOSPC, "cannot keep the role");
	free(probe->role);
	probe->role = xstrndup(text, length);
	changed(probe);
	return 0;
}

static struct value *token(const char *description)
{
	struct value *map = value_new_map();

	map = value_put(map, "token", value_new_string("abcdef." SECRET));
	map = value_put(map, "id", value_new_string("abcdef"));
	map = value_put(map, "expiration", value_new_string("2030-01-02T03:04:05Z"));
	map = value_put(map, "description", value_new_string(description));
	map = value_put(map, "usages", value_append(value_new_list(), value_new_string("signing")));
	map = value_put(map, "endpoint", value_new_string("[fd00::1]:6443"));
	return value_put(map, "caCertHashes",
			 value_append(value_new_list(), value_new_string("sha256:00ff")));
}

static void slow_cancelled(void *impl)
{
	struct probe *probe = impl;

	probe->cancelled++;
}
static const struct op_kind slow_kind = { .name = "slow", .cancel = slow_cancelled };

static struct op *token_create(const struct methods_token *params, void *userdata,
			       struct error *err)
{
	struct probe *probe = userdata;

	if (params->ttl_s == 1) {
		error_set(err, ERROR_NETWORK, -EIO, "the API server is away");
		return NULL;
	}
	if (params->description && strcmp(params->description, "slow") == 0)
		return op_new(probe->loop, &slow_kind, probe);
	return op_new_done(probe->loop, token(params->description));
}

static struct op *token_list(void *userdata, struct error *err)
{
	struct probe *probe = userdata;

	return op_new_done(probe->loop, value_append(value_new_list(), token("for a test")));
}

/* Three of them: a server that shows another one, a client, and a CA. */
static struct value *certificate(const char *name, const char *kind, const char *served,
				 const char *next)
{
	struct value *map = value_put(value_new_map(), "name", value_new_string(name));

	map = value_put(map, "kind", value_new_string(kind));
	map = value_put(map, "signer", value_new_string("kubernetes"));
	map = value_put(map, "path", value_new_string("/etc/kubernetes/pki/of.crt"));
	map = value_put(map, "serial", value_new_string("0abc"));
	map = value_put(map, "expires", value_new_string("2027-01-01T00:00:00Z"));
	map = value_put(map, "daysLeft", value_new_int(17));
	if (served)
		map = value_put(map, "served", value_new_string(served));
	if (served)
		map = value_put(map, "servedAt", value_new_string("2020-01-01T00:00:00Z"));
	if (next)
		map = value_put(map, "nextRenewal", value_new_string(next));
	return value_put(map, "renewedBy", value_new_string(next ? "agentd" : "nobody"));
}

static struct op *certificate_list(void *userdata, struct error *err)
{
	struct probe *probe = userdata;
	struct value *list = value_new_list();

	list = value_append(list, certificate("ca", "ca", NULL, NULL));
	list =
	    value_append(list, certificate("apiserver", "server", "0def", "2026-11-01T00:00:00Z"));
	list =
	    value_append(list, certificate("admin.conf", "client", "0abc", "2026-11-02T00:00:00Z"));
	return op_new_done(probe->loop, list);
}

static struct op *certificate_renew(const struct methods_renewal *params, void *userdata,
				    struct error *err)
{
	struct probe *probe = userdata;
	struct value *list = value_new_list();

	STRV_FOREACH(name, &params->names)
		list = value_append(list, certificate(name, "server", "0abc",
						      params->force ? "forced" : "unforced"));
	if (params->all)
		list = value_append(list, certificate("all", "client", "0abc", "all of them"));
	return op_new_done(probe->loop, list);
}

static struct op *dns_status(void *userdata, struct error *err)
{
	struct probe *probe = userdata;
	struct value *replica = value_new_map(), *node = value_new_map(), *map = value_new_map();

	(void)err;
	replica = value_put(replica, "pod", value_new_string("coredns-1"));
	replica = value_put(replica, "node", value_new_string("cp1"));
	replica = value_put(replica, "ready", value_new_bool(true));
	node = value_put(node, "name", value_new_string("w1"));
	node = value_put(node, "replicas", value_new_int(0));
	node = value_put(node, "against", value_new_string("is cordoned"));
	map = value_put(map, "verdict", value_new_string("nowhere"));
	map =
	    value_put(map, "reason", value_new_string("2 replicas share node cp1; w1 is cordoned"));
	map = value_put(map, "wanted", value_new_int(2));
	map = value_put(map, "replicas", value_append(value_new_list(), replica));
	map = value_put(map, "nodes", value_append(value_new_list(), node));
	map = value_put_at(map, value_new_string("coredns-0"), "lastMove", "pod");
	map = value_put_at(map, value_new_string("w1"), "lastMove", "from");
	map = value_put_at(map, value_new_string("cp1"), "lastMove", "to");
	map = value_put_at(map, value_new_string("2026-01-02T03:04:05Z"), "lastMove", "time");
	map = value_put_at(map, value_new_bool(false), "lastMove", "helped");
	return op_new_done(probe->loop, map);
}

/* Every other time a replica is moved. */
static struct op *dns_rebalance(void *userdata, struct error *err)
{
	struct probe *probe = userdata;
	bool moved = probe->rebalances++ % 2 == 0;
	struct value *map = value_put(value_new_map(), "moved", value_new_bool(moved));

	(void)err;
	map = value_put(map, "verdict", value_new_string(moved ? "move" : "waiting"));
	map = value_put(map, "reason", value_new_string("2 replicas share node cp1"));
	map = value_put(map, "pod", moved ? value_new_string("coredns-1") : NULL);
	map = value_put(map, "from", moved ? value_new_string("cp1") : NULL);
	map = value_put(map, "to", moved ? value_new_string("w1") : NULL);
	return op_new_done(probe->loop, map);
}

static int read_status(const char *path, struct value **ret)
{
	_cleanup_(buf_done) struct buf text = BUF_INIT(8 * MIB);
	struct error err = ERROR_INIT;

	if (file_read(path, &text, &err) <= 0 ||
	    json_parse(text.data, text.length, path, ret, &err) < 0) {
		fprintf(stderr, "%s: %s\n", path, err.message);
		return -EINVAL;
	}
	return 0;
}

static void quit(void *userdata)
{
	loop_quit(userdata, EXIT_SUCCESS);
}

int main(int argc, char **argv)
{
	struct probe probe = { .loop = loop_new(clock_system()) };
	const struct methods_hooks hooks = {
		.status = status,
		.plan = plan,
		.explain = explain,
		.reconcile = reconcile,
		.hold = hold,
		.release = release,
		.role_get = role_get,
		.role_set = role_set,
		.token_create = token_create,
		.token_list = token_list,
		.certificate_list = certificate_list,
		.certificate_renew = certificate_renew,
		.dns_status = dns_status,
		.dns_rebalance = dns_rebalance,
		.userdata = &probe,
	};
	const struct control_options options = { .root = argv[1], .group = argv[2] };
	struct loop_signal *term;
	struct error err = ERROR_INIT;
	int r;

	if (argc < 3 || (argc > 3 && read_status(argv[3], &probe.status) < 0))
		return EXIT_FAILURE;
	log_setup(LOG_DEBUG, true);
	term = loop_signal_new(probe.loop, SIGTERM, quit, probe.loop);
	if (control_new(probe.loop, &options, &hooks, &probe.control, &err) < 0) {
		fprintf(stderr, "%s\n", err.message);
		return EXIT_FAILURE;
	}
	puts("ready");
	(void)fflush(stdout);
	r = loop_run(probe.loop);
	control_free(probe.control);
	loop_signal_free(term);
	loop_free(probe.loop);
	value_unref(probe.status);
	free(probe.role);
	return r;
}
