/* Requests of common/http.c, one after the other by one client, for test_http.py. Prints a line of
 * JSON for each: {"status": …, "body": …, "certificate": …} or {"error": …, "class": …,
 * "message": …}. */
#include <getopt.h>
#include <stdio.h>
#include <string.h>

#include "common/alloc.h"
#include "common/file.h"
#include "common/http.h"
#include "common/json.h"

static const char usage[] =
    "Usage: http-probe [--ca FILE] [--cert FILE --key FILE] [--token TEXT] [--insecure]\n"
    "           [--certificate] URL...\n";

struct probe {
	struct loop *loop;
	struct http *http;
	bool want_certificate;
};

/* The text of a file, or of nothing if the file cannot be read. */
static char *read_text(const char *path)
{
	_cleanup_(buf_done) struct buf text = BUF_INIT(MIB);
	struct error err = ERROR_INIT;

	if (file_read(path, &text, &err) < 0)
		fprintf(stderr, "http-probe: %s\n", err.message);
	return buf_take(&text);
}

static struct value *describe_error(const struct error *error)
{
	struct value *v = value_new_map();

	v = value_put(v, "error", value_new_string(strerrorname_np(-error->code)));
	v = value_put(v, "class", value_new_string(error_class_name(error->class)));
	return value_put(v, "message", value_new_string(error->message));
}

static struct value *describe_reply(const struct http_reply *reply)
{
	struct value *v = value_new_map();

	v = value_put(v, "status", value_new_int(reply->status));
	v = value_put(v, "body", value_new_string(reply->body.data));
	return value_put(v, "certificate", value_new_string(reply->server_certificate));
}

static struct value *ask(struct probe *probe, const char *url)
{
	struct http_request request = {
		.method = "GET",
		.url = url,
		.want_certificate = probe->want_certificate,
	};
	_cleanup_(op_drop) struct op *op = NULL;
	struct error err = ERROR_INIT;

	op = http_send(probe->http, &request, &err);
	if (!op)
		return describe_error(&err);
	while (!op_is_done(op))
		loop_once(probe->loop, true);
	if (op_error(op))
		return describe_error(op_error(op));
	return describe_reply(http_reply(op));
}

static int run(struct probe *probe, char **urls)
{
	for (; *urls; urls++) {
		_cleanup_(value_unref) struct value *v = ask(probe, *urls);
		_cleanup_(buf_done) struct buf text = BUF_INIT(MIB);

		if (json_write(v, 0, &text) < 0)
			return 1;
		puts(text.data);
	}
	return 0;
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{ "ca", required_argument, NULL, 'a' },
		{ "cert", required_argument, NULL, 'c' },
		{ "key", required_argument, NULL, 'k' },
		{ "token", required_argument, NULL, 't' },
		{ "insecure", no_argument, NULL, 'i' },
		{ "certificate", no_argument, NULL, 's' },
		{},
	};
	_cleanup_(secret_unref) struct secret *key = NULL, *token = NULL;
	_cleanup_free_ char *ca = NULL, *cert = NULL;
	struct http_identity identity = { 0 };
	struct probe probe = { 0 };
	char *text;
	int c, status;

	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		text = c == 'a' || c == 'c' || c == 'k' ? read_text(optarg) : NULL;
		if (c == 'a')
			identity.ca_pem = ca = text;
		else if (c == 'c')
			identity.certificate_pem = cert = text;
		else if (c == 'k')
			identity.key_pem = key = secret_new_take(text, strlen(text));
		else if (c == 't')
			identity.bearer = token = secret_new(optarg, strlen(optarg));
		else if (c == 'i')
			identity.insecure = true;
		else if (c == 's')
			probe.want_certificate = true;
		else
			return fputs(usage, stderr), 2;
	}
	if (optind == argc)
		return fputs(usage, stderr), 2;
	probe.loop = loop_new(clock_system());
	probe.http = http_new(probe.loop, &identity);
	status = run(&probe, argv + optind);
	http_free(probe.http);
	loop_free(probe.loop);
	return status;
}
