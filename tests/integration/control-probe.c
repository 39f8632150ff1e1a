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
	int64_t cancelled;    /* tokens that nobody waited for */
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

static struct value *history(const struct methods_history *params, void *userdata)
{
	struct value *map = value_new_map();

	(void)userdata;
	if (params->has_seconds && params->seconds == 1)
		return value_unref(map), value_new_list();
	map = value_put(map, "time", value_new_string("2026-01-02T03:04:05Z"));
	map = value_put(map, "firstTime", value_new_string("2026-01-02T03:00:00Z"));
	map = value_put(map, "type", value_new_string("Repaired"));
	map = value_put(map, "resource",
			value_new_string(params->resource ? params->resource : "kubelet-config"));
	map = value_put(map, "message", value_new_string("mode 0644, not 0600"));
	map = value_put(map, "count", value_new_int(2));
	return value_append(value_new_list(), map);
}

static struct value *version(int64_t id)
{
	struct value *map = value_put(value_new_map(), "id", value_new_int(id));

	map = value_put(map, "time", value_new_string("2026-01-02T03:04:05Z"));
	map = value_put(map, "kind", value_new_string("file"));
	map = value_put(map, "name", value_new_string("/etc/kubernetes/manifests/etcd.yaml"));
	map = value_put(map, "change", value_new_string("content"));
	map = value_put(map, "secret", value_new_bool(id == 2));
	map = value_put_at(map, value_new_int(0), "about", "uid");
	return value_put_at(map, value_new_string("2026-01-02T03:04:00Z"), "about", "changed");
}

static struct value *list_drift(void *userdata)
{
	(void)userdata;
	return value_append(value_append(value_new_list(), version(2)), version(1));
}

static struct value *show_drift(uint64_t id, void *userdata, struct error *err)
{
	static const char diff[] = "--- a (agentd's)\n+++ a (kept)\n@@ -1 +1 @@\n-a:\t1\n"
				   "+a:\t\x1b[31m2\n";

	(void)userdata;
	if (id > 2) {
		error_set(err, ERROR_CONFIG, -ENOENT, "there is no kept version %d", (int)id);
		return NULL;
	}
	return id == 2 ? version(2) : value_put(version(1), "diff", value_new_string(diff));
}

static struct op *restore_drift(const struct methods_drift *params, void *userdata,
				struct error *err)
{
	struct probe *probe = userdata;

	if (params->id > 2) {
		error_set(err, ERROR_CONFIG, -ENOENT, "there is no kept version %d",
			  (int)params->id);
		return NULL;
	}
	changed(probe);
	return op_new_done(probe->loop, NULL);
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
		.history = history,
		.drift_list = list_drift,
		.drift_show = show_drift,
		.drift_restore = restore_drift,
		.role_get = role_get,
		.role_set = role_set,
		.token_create = token_create,
		.token_list = token_list,
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
