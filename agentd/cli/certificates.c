/* Certificates, listed and renewed (certificates.h). */
#include "agentd/cli/certificates.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "agentd/cli/client.h"
#include "common/alloc.h"
#include "common/strv.h"

enum { SOON_DAYS = 30 };

static const char *text_of(const struct value *map, const char *key)
{
	const char *text = value_string(value_get(map, key));

	return text && *text ? text : NULL;
}

/* What is shown on the wire, or when a client's was last accepted. */
static char *served_of(const struct render *render, const struct value *certificate,
		       enum render_tone *ret_tone)
{
	const char *served = text_of(certificate, "served"), *at = text_of(certificate, "servedAt");
	const char *serial = text_of(certificate, "serial"), *kind = text_of(certificate, "kind");
	bool is_server = kind && strncmp(kind, "server", strlen("server")) == 0;
	char age[32];

	*ret_tone = TONE_PLAIN;
	if (text_of(certificate, "request")) {
		*ret_tone = TONE_BUSY;
		return xstrdup("awaits its signature");
	}
	if (!served)
		return NULL;
	if (!serial || strcmp(served, serial) != 0) {
		*ret_tone = TONE_BUSY;
		return xasprintf("%s, not this one", served);
	}
	if (is_server)
		return xstrdup(served);
	render_age(render, at ? at : "", age);
	return xasprintf("%s ago", age);
}

static void show_left(struct render_table *table, const struct value *certificate)
{
	char text[24];
	int64_t days;

	if (!value_to_int(value_get(certificate, "daysLeft"), &days)) {
		render_table_cell(table, TONE_BAD, "missing");
		return;
	}
	(void)snprintf(text, sizeof(text), "%" PRId64, days);
	render_table_cell(table,
			  days < 0	     ? TONE_BAD
			  : days < SOON_DAYS ? TONE_BUSY
					     : TONE_PLAIN,
			  text);
}

static void show_next(struct render_table *table, const struct value *certificate)
{
	const char *next = text_of(certificate, "nextRenewal");
	const char *by = text_of(certificate, "renewedBy");

	render_table_cell(table, TONE_PLAIN, next ? next : by);
}

static void show(const struct render *render, const struct value *answer)
{
	static const char *const columns[] = { "NAME", "KIND",	 "SIGNER",	 "EXPIRES",
					       "DAYS", "SERVED", "NEXT RENEWAL", NULL };
	_cleanup_(render_table_free) struct render_table *table = NULL;
	const struct value *list = value_get(answer, "certificates");

	table = render_table_new(render, columns);
	VALUE_FOREACH(i, list) {
		const struct value *certificate = value_item(list, i);
		enum render_tone tone;
		_cleanup_free_ char *served = served_of(render, certificate, &tone);

		render_table_cell(table, TONE_PLAIN, text_of(certificate, "name"));
		render_table_cell(table, TONE_PLAIN, text_of(certificate, "kind"));
		render_table_cell(table, TONE_PLAIN, text_of(certificate, "signer"));
		render_table_cell(table, TONE_PLAIN, text_of(certificate, "expires"));
		show_left(table, certificate);
		render_table_cell(table, tone, served);
		show_next(table, certificate);
	}
	render_table_print(table);
}

static int ask_and_show(const struct verb_call *call, struct value *parameters)
{
	_cleanup_(value_unref) struct value *answer = NULL;
	int r;

	r = client_ask(call->options, call->verb->method, parameters, &answer);
	if (r != 0)
		return r;
	if (render_is_for_programs(call->render))
		render_value(call->render, answer);
	else
		show(call->render, answer);
	return STATUS_OK;
}

int certificates_list_run(const struct verb_call *call)
{
	return ask_and_show(call, NULL);
}

int certificates_renew_run(const struct verb_call *call)
{
	_cleanup_(strv_done) struct strv names = STRV_INIT;
	struct value *parameters = value_new_map(), *list = value_new_list();

	if (call->argument)
		strv_split(&names, call->argument, ' ');
	if (call->options->all == (names.count > 0)) {
		fprintf(stderr,
			"agentctl: %s: name certificates, or say --all; agentctl certs list "
			"shows the names\n",
			call->verb->name);
		value_unref(parameters);
		value_unref(list);
		return STATUS_USAGE;
	}
	STRV_FOREACH(name, &names)
		list = value_append(list, value_new_string(name));
	parameters = value_put(parameters, "names", list);
	parameters = value_put(parameters, "all", value_new_bool(call->options->all));
	parameters = value_put(parameters, "force", value_new_bool(call->options->force));
	return ask_and_show(call, parameters);
}
