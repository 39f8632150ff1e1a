/* The options of agentctl (options.h): their table, and how one is taken. */
#include "agentd/cli/options.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <string.h>

#include "common/parse.h"

#define SOCKET_PATH "/run/agentd/io.agentd.Node"
#define TIMEOUT_NS  (30 * (int64_t)NSEC_PER_SEC)

static const char *const output_choices[] = { "table", "wide", "json", "yaml", NULL };
static const char *const color_choices[] = { "auto", "always", "never", NULL };

/* clang-format off */
#define FIELD(member) offsetof(struct options, member)
const struct option_row option_rows[] = {
	{ "output", 'o', OPTION_CHOICE, FIELD(output), OPTIONS_OUTPUT, "FORMAT",
	  "table, wide (all rows and columns), json or yaml (the daemon's own answer)",
	  output_choices },
	{ "all", 'a', OPTION_FLAG, FIELD(all), OPTIONS_ALL, NULL,
	  "show what is in sync, too" },
	{ "no-headers", 0, OPTION_FLAG, FIELD(no_headers), OPTIONS_HEADERS, NULL,
	  "leave out the headers of tables" },
	{ "for", 0, OPTION_TTL, FIELD(hold_for), OPTIONS_HOLD, "DURATION",
	  "how long, such as 2h; without it until it is released" },
	{ "since", 0, OPTION_TTL, FIELD(since), OPTIONS_HISTORY, "DURATION",
	  "only what was in so long, such as 1h" },
	{ "ttl", 0, OPTION_TTL, FIELD(ttl), OPTIONS_TOKEN, "DURATION",
	  "how long the token is good for, such as 2h30m; 0 for ever (24h)" },
	{ "description", 0, OPTION_TEXT, FIELD(description), OPTIONS_TOKEN, "TEXT",
	  "what the token is for" },
	{ "usages", 0, OPTION_LIST, FIELD(usages), OPTIONS_TOKEN, "LIST",
	  "what it may be used for (signing,authentication)" },
	{ "groups", 0, OPTION_LIST, FIELD(groups), OPTIONS_TOKEN, "LIST",
	  "groups that it authenticates as (system:bootstrappers:kubeadm:default-node-token)" },
	{ "print-join-command", 0, OPTION_FLAG, FIELD(print_join_command), OPTIONS_TOKEN, NULL,
	  "print the kubeadm command that joins a node" },
	{ "role-file", 0, OPTION_FLAG, FIELD(role_file), OPTIONS_TOKEN, NULL,
	  "print the role file of a worker" },
	{ "cloud-init", 0, OPTION_FLAG, FIELD(cloud_init), OPTIONS_TOKEN, NULL,
	  "print user-data for cloud-init that puts the role file in place" },
	{ "timeout", 0, OPTION_DURATION, FIELD(timeout_ns), OPTIONS_ANY, "DURATION",
	  "give up after so long; 0 never (30s)" },
	{ "socket", 0, OPTION_TEXT, FIELD(socket), OPTIONS_ANY, "PATH",
	  "the daemon's socket (" SOCKET_PATH ")" },
	{ "color", 0, OPTION_CHOICE, FIELD(color), OPTIONS_ANY, "WHEN",
	  "auto, always or never", color_choices },
	{ "help", 'h', OPTION_FLAG, FIELD(help), OPTIONS_ANY, NULL,
	  "print this text" },
	{ "version", 0, OPTION_FLAG, FIELD(version), OPTIONS_ANY, NULL,
	  "print the version of agentctl" },
	{ "dump", 0, OPTION_FLAG, FIELD(dump), OPTIONS_HIDDEN, NULL,
	  "print the tables that this program is made of" },
	{ "completion", 0, OPTION_FLAG, FIELD(completion), OPTIONS_HIDDEN, NULL,
	  "print the completion for bash" },
	{},
};

const struct status_row status_rows[] = {
	{ STATUS_OK,            "done, or everything is as the role wants it" },
	{ STATUS_FAILED,        "it failed, or was refused; the reason is on standard error" },
	{ STATUS_USAGE,         "wrong usage" },
	{ STATUS_NOT_CONVERGED, "status: not everything is as the role wants it" },
	{ STATUS_NO_ROLE,       "the host has no role" },
	{ STATUS_UNREACHABLE,   "agentd cannot be reached" },
	{ STATUS_TIMEOUT,       "there was no answer in time" },
	{ .meaning = NULL },
};
/* clang-format on */

enum { ROWS_MAX = 32 };

void options_done(struct options *options)
{
	strv_done(&options->usages);
	strv_done(&options->groups);
	strv_done(&options->words);
}

static int wrong(const struct option_row *row, const char *argument, const char *wanted)
{
	fprintf(stderr, "agentctl: --%s: \"%s\" is not %s\n", row->name, argument, wanted);
	return -EINVAL;
}

static int take_choice(const struct option_row *row, const char *argument, int *field)
{
	for (int i = 0; row->choices[i]; i++)
		if (strcmp(row->choices[i], argument) == 0) {
			*field = i;
			return 0;
		}
	return wrong(row, argument, row->help);
}

/* Takes what one option says. */
static int take(const struct option_row *row, const char *argument, struct options *options)
{
	void *field = (char *)options + row->offset;
	int64_t ns;

	options->given |= row->verbs;
	switch (row->kind) {
	case OPTION_FLAG:
		*(bool *)field = true;
		return 0;
	case OPTION_TEXT:
		*(const char **)field = argument;
		return 0;
	case OPTION_CHOICE:
		return take_choice(row, argument, field);
	case OPTION_DURATION:
	case OPTION_TTL:
		if (parse_duration(argument, &ns) < 0 || ns < 0)
			return wrong(row, argument, "a duration such as 90s or 2h30m");
		if (row->kind == OPTION_DURATION)
			*(int64_t *)field = ns;
		else
			*(const char **)field = argument;
		return 0;
	case OPTION_LIST:
		strv_split(field, argument, ',');
		return 0;
	}
	return -EINVAL;
}

/* Makes what getopt wants of the table; returns the number of options. */
static int make_getopt(struct option *long_options, char *letters)
{
	int count = 0;

	for (const struct option_row *row = option_rows; row->name; row++, count++) {
		assert(count < ROWS_MAX);
		long_options[count] = (struct option){
			.name = row->name,
			.has_arg = row->argument ? required_argument : no_argument,
		};
		if (!row->letter)
			continue;
		*letters++ = row->letter;
		if (row->argument)
			*letters++ = ':';
	}
	*letters = '\0';
	return count;
}

static const struct option_row *row_of_letter(int letter)
{
	const struct option_row *row = option_rows;

	while (row->name && row->letter != letter)
		row++;
	return row->name ? row : NULL;
}

int options_parse(int argc, char **argv, struct options *ret)
{
	struct option long_options[ROWS_MAX + 1] = { 0 };
	char letters[2 * ROWS_MAX + 1];
	int index = 0, letter, r;

	*ret = (struct options){ .socket = SOCKET_PATH, .timeout_ns = TIMEOUT_NS };
	(void)make_getopt(long_options, letters);
	/* 0 instead of 1 makes glibc forget an earlier parse. */
	optind = 0;
	while ((letter = getopt_long(argc, argv, letters, long_options, &index)) != -1) {
		const struct option_row *row =
		    letter == 0 ? &option_rows[index] : row_of_letter(letter);

		if (!row)
			return -EINVAL;
		r = take(row, optarg, ret);
		if (r < 0)
			return r;
	}
	for (int i = optind; i < argc; i++)
		strv_add(&ret->words, argv[i]);
	return 0;
}
