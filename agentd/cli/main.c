/* agentctl: shows and changes what agentd makes of this host, over its control socket. The verbs
 * stand in verbs.c, the options in options.c. */
#include <langinfo.h>
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "agentd/cli/help.h"
#include "agentd/cli/options.h"
#include "agentd/cli/render.h"
#include "agentd/cli/verbs.h"
#include "common/clock.h"
#include "config.h"

static int usage_error(void)
{
	fputs("Try \"agentctl --help\".\n", stderr);
	return STATUS_USAGE;
}

/* What the environment says about standard output. */
static struct render find_render(const struct options *options)
{
	const char *no_color = getenv("NO_COLOR");
	const char *terminal = getenv("TERM");
	bool is_terminal = isatty(STDOUT_FILENO);
	struct render render = {
		.out = stdout,
		.output = options->output,
		.headers = !options->no_headers,
		.utf8 = strcmp(nl_langinfo(CODESET), "UTF-8") == 0,
		.now = clock_wall(clock_system()),
	};
	struct winsize size;

	render.color = options->color == COLOR_ALWAYS ||
		       (options->color == COLOR_AUTO && is_terminal && !(no_color && *no_color) &&
			terminal && strcmp(terminal, "dumb") != 0);
	if (is_terminal && ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0)
		render.width = size.ws_col;
	return render;
}

static int unknown_verb(const struct strv *words)
{
	char *name = strv_join(words, " ");
	const char *nearest = verbs_nearest(name);

	fprintf(stderr, "agentctl: there is no verb \"%s\"", name);
	if (nearest)
		fprintf(stderr, ", did you mean \"%s\"?", nearest);
	fputc('\n', stderr);
	free(name);
	return usage_error();
}

/* The argument of a verb: the words behind its name. */
static int find_argument(const struct verb *verb, const struct strv *words, size_t used, char **ret)
{
	struct strv rest = STRV_INIT;
	bool is_optional = verb->argument && verb->argument[0] == '[';
	bool is_one = words->count == used + 1;

	if (words->count == used && (!verb->argument || is_optional))
		return 0;
	/* "help token create" is about one verb. */
	if (!verb->argument || (!is_one && !is_optional)) {
		fprintf(stderr, "agentctl: usage: agentctl %s%s%s\n", verb->name,
			verb->argument ? " " : "", verb->argument ? verb->argument : "");
		return usage_error();
	}
	for (size_t i = used; i < words->count; i++)
		strv_add(&rest, words->items[i]);
	*ret = strv_join(&rest, " ");
	strv_done(&rest);
	return 0;
}

static int check_options(const struct verb *verb, const struct options *options)
{
	unsigned wrong = options->given & ~(verb->options | OPTIONS_ANY);

	for (const struct option_row *row = option_rows; row->name && wrong; row++)
		if (row->verbs & wrong) {
			fprintf(stderr, "agentctl: %s does not take --%s or options of its kind\n",
				verb->name, row->name);
			return usage_error();
		}
	return 0;
}

static int run(const struct options *options)
{
	struct render render = find_render(options);
	struct verb_call call = { .options = options, .render = &render };
	_cleanup_free_ char *argument = NULL;
	size_t used = 0;
	int r;

	if (options->words.count == 0) {
		(void)help_print(NULL, stderr);
		return STATUS_USAGE;
	}
	call.verb = verbs_find(&options->words, &used);
	if (!call.verb)
		return unknown_verb(&options->words);
	if (options->help)
		return help_print(call.verb->name, stdout);
	r = check_options(call.verb, options);
	if (r != 0)
		return r;
	r = find_argument(call.verb, &options->words, used, &argument);
	if (r != 0)
		return r;
	call.argument = argument;
	return call.verb->run(&call);
}

int main(int argc, char **argv)
{
	_cleanup_(options_done) struct options options = { 0 };
	int status;

	(void)setlocale(LC_ALL, "");
	if (options_parse(argc, argv, &options) < 0)
		return usage_error();
	if (options.version) {
		puts("agentctl " AGENTD_VERSION);
		return STATUS_OK;
	}
	if (options.help && options.words.count == 0)
		return help_print(NULL, stdout);
	status = run(&options);
	/* Who prints into a full disk wants to know. */
	if (fflush(stdout) != 0 || ferror(stdout)) {
		perror("agentctl: standard output");
		return STATUS_FAILED;
	}
	return status;
}
