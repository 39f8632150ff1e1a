/* Runs one discovery and says what came of it, for tests/integration/test_discovery.py. */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <string.h>

#include "common/alloc.h"
#include "discovery/discover.h"
#include "pki/cert.h"
#include "pki/pin.h"

static const char usage[] =
    "Usage: discover-probe --endpoint HOST:PORT --token TOKEN [--pin PIN]... [--unsafe-skip]\n"
    "       discover-probe --file KUBECONFIG\n"
    "Both take --speed N: the clock runs N times as fast.\n";

/* The system's clock, but faster, so that nobody waits for half a minute. */
struct fast_clock {
	struct clock clock;
	uint64_t speed;
};

static uint64_t fast_monotonic(struct clock *clock)
{
	return clock_ns(clock_system()) * container_of(clock, struct fast_clock, clock)->speed;
}

static int64_t fast_wall(struct clock *clock)
{
	return clock_wall(clock_system());
}

struct probe {
	struct loop *loop;
	struct token token;
	struct strv pins;
	struct discover_request request;
	struct fast_clock clock;
};

static int parse_token(const char *text, struct probe *probe, struct error *err)
{
	_cleanup_(secret_unref) struct secret *secret = secret_new(text, strlen(text));

	return token_parse(secret, &probe->token, err);
}

static int parse_options(int argc, char **argv, struct probe *probe, struct error *err)
{
	static const struct option options[] = {
		{ "endpoint", required_argument, NULL, 'e' },
		{ "token", required_argument, NULL, 't' },
		{ "pin", required_argument, NULL, 'p' },
		{ "unsafe-skip", no_argument, NULL, 'u' },
		{ "file", required_argument, NULL, 'f' },
		{ "speed", required_argument, NULL, 's' },
		{},
	};
	int c, r;

	while ((c = getopt_long(argc, argv, "", options, NULL)) >= 0)
		switch (c) {
		case 'e':
			probe->request.endpoint = optarg;
			break;
		case 't':
			r = parse_token(optarg, probe, err);
			if (r < 0)
				return r;
			break;
		case 'p':
			strv_add(&probe->pins, optarg);
			break;
		case 'u':
			probe->request.unsafe_skip = true;
			break;
		case 'f':
			probe->request.file_path = optarg;
			break;
		case 's':
			probe->clock.speed = strtoull(optarg, NULL, 10);
			break;
		default:
			return error_set(err, ERROR_CONFIG, -EINVAL, "%s", usage);
		}
	if (!probe->request.file_path && (!probe->request.endpoint || !probe->token.secret))
		return error_set(err, ERROR_CONFIG, -EINVAL, "%s", usage);
	return 0;
}

static void done(struct op *op, void *userdata)
{
	loop_quit(userdata, 0);
}

static int report(const struct clusterinfo *info, struct error *err)
{
	_cleanup_(cert_list_done) struct cert_list certs = { 0 };
	int r;

	r = cert_list_from_pem(info->ca_pem, strlen(info->ca_pem), &certs, err);
	if (r < 0)
		return r;
	(void)printf("server: %s\n", info->server);
	for (size_t i = 0; i < certs.count; i++) {
		char pin[72];

		pin_of(certs.items[i], pin);
		(void)printf("trusted: %s\n", pin);
	}
	return 0;
}

static int run(struct probe *probe, struct error *err)
{
	_cleanup_(op_drop) struct op *op = NULL;
	int r;

	probe->request.token = &probe->token;
	probe->request.pins = &probe->pins;
	op = discover_start(probe->loop, &probe->request, err);
	if (!op)
		return err->code;
	op_watch(op, done, probe->loop);
	(void)loop_run(probe->loop);
	r = op_result(op, err);
	if (r < 0) {
		const struct clusterinfo *info = discover_result(op);

		assert(!info->server && !info->ca_pem && !info->kubeconfig);
		return r;
	}
	return report(discover_result(op), err);
}

int main(int argc, char **argv)
{
	struct probe probe = {
		.clock = { .clock = { .monotonic_ns = fast_monotonic, .wall_s = fast_wall },
			   .speed = 1 },
	};
	struct error err = ERROR_INIT;
	int r;

	r = parse_options(argc, argv, &probe, &err);
	if (r >= 0) {
		probe.loop = loop_new(&probe.clock.clock);
		r = run(&probe, &err);
		loop_free(probe.loop);
	}
	if (r < 0)
		(void)printf("%s: %s\n", error_class_name(err.class), err.message);
	token_done(&probe.token);
	strv_done(&probe.pins);
	return r < 0 ? 1 : 0;
}
