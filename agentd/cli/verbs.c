/* The verbs of agentctl (verbs.h): what each asks the daemon and how the answer is shown. */
#include "agentd/cli/verbs.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "agentd/cli/client.h"
#include "agentd/cli/drift.h"
#include "agentd/cli/help.h"
#include "agentd/cli/hold.h"
#include "agentd/cli/join.h"
#include "agentd/cli/show.h"
#include "common/alloc.h"
#include "common/buf.h"
#include "common/names.h"
#include "common/secret.h"
#include "config.h"

/* As much as the daemon takes of a role file. */
#define ROLE_TEXT_MAX (256 * KIB)

static struct value *put_text(struct value *map, const char *key, const char *text)
{
	return text ? value_put(map, key, value_new_string(text)) : map;
}

static int status_run(const struct verb_call *call)
{
	_cleanup_(value_unref) struct value *status = NULL;
	int r;

	r = client_ask(call->options, call->verb->method, NULL, &status);
	if (r != 0)
		return r;
	if (render_is_for_programs(call->render))
		render_value(call->render, status);
	else
		show_status(call->render, status, call->options->all);
	return show_exit_status(status);
}

/* One state of a stream, and what was before; NULL at first. */
static void show_state(const struct verb_call *call, const struct value *before,
		       const struct value *status)
{
	call->render->now = clock_wall(clock_system());
	if (render_is_for_programs(call->render))
		render_value_of_stream(call->render, status);
	else if (before)
		show_changes(call->render, before, status);
	else
		show_status(call->render, status, call->options->all);
	(void)fflush(call->render->out);
}

static int watch_run(const struct verb_call *call)
{
	_cleanup_(client_free) struct client *client = NULL;
	_cleanup_(value_unref) struct value *before = NULL;
	int r;

	r = client_call(call->options, call->verb->method, NULL, true, &client);
	while (r == 0) {
		struct value *status = NULL;

		r = client_receive(client, &status);
		if (r != 0)
			break;
		show_state(call, before, status);
		value_unref(before);
		before = status;
	}
	return r;
}

static int plan_run(const struct verb_call *call)
{
	_cleanup_(value_unref) struct value *plan = NULL;
	int r;

	r = client_ask(call->options, call->verb->method, NULL, &plan);
	if (r != 0)
		return r;
	if (render_is_for_programs(call->render))
		render_value(call->render, plan);
	else
		show_plan(call->render, plan);
	return STATUS_OK;
}

static int explain_run(const struct verb_call *call)
{
	_cleanup_(value_unref) struct value *explanation = NULL;
	struct value *parameters = put_text(value_new_map(), "resource", call->argument);
	int r;

	r = client_ask(call->options, call->verb->method, parameters, &explanation);
	if (r != 0)
		return r;
	if (render_is_for_programs(call->render))
		render_value(call->render, explanation);
	else
		show_explanation(call->render, explanation);
	return STATUS_OK;
}

static int reconcile_run(const struct verb_call *call)
{
	_cleanup_(value_unref) struct value *reply = NULL;
	int r;

	r = client_ask(call->options, call->verb->method, NULL, &reply);
	if (r == 0)
		fputs("agentd looks at everything again; agentctl watch follows it.\n",
		      call->render->out);
	return r;
}

static int role_show_run(const struct verb_call *call)
{
	_cleanup_(value_unref) struct value *role = NULL;
	int r;

	r = client_ask(call->options, call->verb->method, NULL, &role);
	if (r != 0)
		return r;
	/* The text is YAML already. */
	if (call->render->output == OUTPUT_JSON)
		render_value(call->render, role);
	else
		fputs(value_string_or(value_get(role, "text"), ""), call->render->out);
	return STATUS_OK;
}

/* Appends a whole file or stream. Returns 0 or a negative errno. */
static int read_all(int fd, struct buf *buf)
{
	char bytes[4096];
	ssize_t n;
	int r = 0;

	do {
		n = read(fd, bytes, sizeof(bytes));
		if (n < 0 && errno == EINTR)
			continue;
		if (n > 0)
			r = buf_append(buf, bytes, (size_t)n);
	} while ((n > 0 || (n < 0 && errno == EINTR)) && r == 0);
	r = n < 0 ? -errno : r;
	secret_wipe(bytes, sizeof(bytes));
	return r;
}

static int read_role(const char *path, struct buf *buf)
{
	_cleanup_close_ int fd = -1;
	int r;

	if (strcmp(path, "-") != 0) {
		fd = open(path, O_RDONLY | O_CLOEXEC);
		if (fd < 0)
			return -errno;
	}
	r = read_all(fd < 0 ? STDIN_FILENO : fd, buf);
	/* It would not survive as a JSON string, and is no YAML either. */
	if (r == 0 && memchr(buf->data, '\0', buf->length))
		r = -EILSEQ;
	return r;
}

static int role_set_run(const struct verb_call *call)
{
	_cleanup_(buf_done) struct buf text = BUF_INIT(ROLE_TEXT_MAX);
	_cleanup_(value_unref) struct value *reply = NULL;
	bool is_stdin = strcmp(call->argument, "-") == 0;
	struct value *parameters = value_new_map();
	int r;

	r = read_role(call->argument, &text);
	if (r < 0) {
		fprintf(stderr, "agentctl: %s: %s\n", call->argument,
			r == -EFBIG ? "more than 256 KiB" : strerrordesc_np(-r));
		value_unref(parameters);
		return STATUS_FAILED;
	}
	parameters = value_put(parameters, "text", value_new_string_length(text.data, text.length));
	parameters = put_text(parameters, "name", is_stdin ? "stdin" : call->argument);
	secret_wipe(text.data, text.length);
	r = client_ask(call->options, call->verb->method, parameters, &reply);
	if (r == 0)
		fputs("The role is accepted; agentctl watch follows what is done.\n",
		      call->render->out);
	return r;
}

static struct value *put_list(struct value *map, const char *key, const struct strv *list)
{
	struct value *items = value_new_list();

	if (list->count == 0) {
		value_unref(items);
		return map;
	}
	STRV_FOREACH(item, list)
		items = value_append(items, value_new_string(item));
	return value_put(map, key, items);
}

static void show_new_token(const struct verb_call *call, const struct value *token)
{
	_cleanup_(buf_done) struct buf text = BUF_INIT(1 * MIB);
	const struct options *options = call->options;

	if (render_is_for_programs(call->render)) {
		render_value(call->render, token);
		return;
	}
	if (options->cloud_init)
		join_user_data(token, &text);
	else if (options->role_file)
		join_role_file(token, &text);
	else if (options->print_join_command)
		join_command(token, &text);
	else
		(void)buf_printf(&text, "%s\n", value_string_or(value_get(token, "token"), ""));
	fputs(text.data, call->render->out);
	secret_wipe(text.data, text.length);
}

static int token_create_run(const struct verb_call *call)
{
	const struct options *options = call->options;
	_cleanup_(value_unref) struct value *token = NULL;
	struct value *parameters = value_new_map();
	int r;

	parameters = put_text(parameters, "ttl", options->ttl);
	parameters = put_text(parameters, "description", options->description);
	parameters = put_list(parameters, "usages", &options->usages);
	parameters = put_list(parameters, "groups", &options->groups);
	r = client_ask(options, call->verb->method, parameters, &token);
	if (r == 0)
		show_new_token(call, token);
	return r;
}

static int token_list_run(const struct verb_call *call)
{
	_cleanup_(value_unref) struct value *tokens = NULL;
	int r;

	r = client_ask(call->options, call->verb->method, NULL, &tokens);
	if (r != 0)
		return r;
	if (render_is_for_programs(call->render))
		render_value(call->render, tokens);
	else
		show_tokens(call->render, tokens);
	return STATUS_OK;
}

static int version_run(const struct verb_call *call)
{
	struct value *versions = put_text(value_new_map(), "agentctl", AGENTD_VERSION);
	_cleanup_(value_unref) struct value *reply = NULL;
	int r;

	r = client_ask(call->options, call->verb->method, NULL, &reply);
	versions = put_text(versions, "agentd", value_string(value_get(reply, "version")));
	if (render_is_for_programs(call->render))
		render_value(call->render, versions);
	else
		VALUE_FOREACH(i, versions) {
			fprintf(call->render->out, "%s ", value_key(versions, i));
			render_text(call->render, TONE_PLAIN,
				    value_string_or(value_item(versions, i), ""));
			fputc('\n', call->render->out);
		}
	value_unref(versions);
	return r;
}

static int help_run(const struct verb_call *call)
{
	if (call->options->dump)
		help_dump(call->render->out);
	else if (call->options->completion)
		help_completion(call->render->out);
	else
		return help_print(call->argument, call->render->out);
	return STATUS_OK;
}

/* clang-format off */
static const char *const none[] = { NULL };
static const char *const explain_parameters[] = { "resource", NULL };
static const char *const drift_parameters[] = { "id", NULL };
static const char *const drift_restore_parameters[] = { "id", "for", NULL };
static const char *const history_parameters[] = { "since", "resource", NULL };
static const char *const hold_parameters[] = { "what", "for", NULL };
static const char *const release_parameters[] = { "what", NULL };
static const char *const role_set_parameters[] = { "text", "name", NULL };
static const char *const token_parameters[] = {
	"ttl", "description", "usages", "groups", NULL
};

const struct verb verb_table[] = {
	{ "status", NULL, "Status", false, none,
	  OPTIONS_OUTPUT | OPTIONS_ALL | OPTIONS_HEADERS, status_run,
	  "show what this host is, what is not as it should be, and what to do next" },
	{ "watch", NULL, "Status", true, none,
	  OPTIONS_OUTPUT | OPTIONS_ALL | OPTIONS_HEADERS, watch_run,
	  "show the status, then every change, until Ctrl-C" },
	{ "plan", NULL, "Plan", false, none,
	  OPTIONS_OUTPUT, plan_run,
	  "show what would be done now, without doing it" },
	{ "explain", "RESOURCE", "Explain", false, explain_parameters,
	  OPTIONS_OUTPUT, explain_run,
	  "show what a resource is, what it needs, and what mends it" },
	{ "reconcile", NULL, "Reconcile", false, none,
	  0, reconcile_run,
	  "look at everything again, and try again at once what failed" },
	{ "hold", "RESOURCE|PATH|OBJECT", "Hold", false, hold_parameters,
	  OPTIONS_OUTPUT | OPTIONS_HOLD, hold_run,
	  "leave resources as they are, for some time or until they are released" },
	{ "release", "RESOURCE|PATH|OBJECT", "Release", false, release_parameters,
	  OPTIONS_OUTPUT, hold_release_run,
	  "end a hold: what differs is mended again" },
	{ "history", "[RESOURCE]", "History", false, history_parameters,
	  OPTIONS_OUTPUT | OPTIONS_HEADERS | OPTIONS_HISTORY, drift_history_run,
	  "show what was done and found on this node" },
	{ "drift list", NULL, "DriftList", false, none,
	  OPTIONS_OUTPUT | OPTIONS_HEADERS, drift_list_run,
	  "list what other hands made of things that agentd keeps" },
	{ "drift show", "ID", "DriftShow", false, drift_parameters,
	  OPTIONS_OUTPUT, drift_show_run,
	  "show what was changed, as a diff" },
	{ "drift restore", "ID", "DriftRestore", false, drift_restore_parameters,
	  OPTIONS_HOLD, drift_restore_run,
	  "put such a version back, and hold it" },
	{ "role show", NULL, "GetRole", false, none,
	  OPTIONS_OUTPUT, role_show_run,
	  "print the role in force, completed and without secrets" },
	{ "role set", "FILE", "SetRole", false, role_set_parameters,
	  0, role_set_run,
	  "give this host a role; - reads standard input" },
	{ "token create", NULL, "TokenCreate", false, token_parameters,
	  OPTIONS_OUTPUT | OPTIONS_TOKEN, token_create_run,
	  "make a bootstrap token for nodes that are to join, and print it" },
	{ "token list", NULL, "TokenList", false, none,
	  OPTIONS_OUTPUT | OPTIONS_HEADERS, token_list_run,
	  "list the bootstrap tokens, without their secrets" },
	{ "version", NULL, "Version", false, none,
	  OPTIONS_OUTPUT, version_run,
	  "print the versions of agentctl and agentd" },
	{ "help", "[VERB]", NULL, false, none,
	  OPTIONS_HIDDEN, help_run,
	  "print how to use agentctl, or one of its verbs" },
	{},
};
/* clang-format on */

/* Whether words begin with those of a name. */
static bool begin_with(const struct strv *words, const char *name, size_t *ret_words)
{
	_cleanup_(strv_done) struct strv parts = STRV_INIT;

	strv_split(&parts, name, ' ');
	if (words->count < parts.count)
		return false;
	for (size_t i = 0; i < parts.count; i++)
		if (strcmp(words->items[i], parts.items[i]) != 0)
			return false;
	*ret_words = parts.count;
	return true;
}

const struct verb *verbs_find(const struct strv *words, size_t *ret_words)
{
	for (const struct verb *verb = verb_table; verb->name; verb++)
		if (begin_with(words, verb->name, ret_words))
			return verb;
	return NULL;
}

const char *verbs_nearest(const char *text)
{
	const char *names[32] = { NULL };
	int count = 0;

	for (const struct verb *verb = verb_table; verb->name; verb++)
		names[count++] = verb->name;
	return names_nearest(names, count, text);
}
