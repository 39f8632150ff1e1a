/* The command line of agentd, from one table; see settings.h. */
#include "agentd/settings.h"

#include "config.h"

#include <errno.h>
#include <getopt.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "common/macros.h"
#include "common/parse.h"

enum option_kind {
	OPTION_TEXT,
	OPTION_PATH,
	OPTION_PORT,
	OPTION_DURATION,
	OPTION_FLAG,
	OPTION_HELP,
	OPTION_VERSION
};

struct setting_row {
	const char *name;
	enum option_kind kind;
	size_t offset;
	const char *argument; /* its name in the usage text */
	const char *help;
};

/* clang-format off */
static const struct setting_row rows[] = {
	{ "root", OPTION_TEXT, offsetof(struct settings, root), "DIR",
	  "put DIR in front of every path (for tests)" },
	{ "kubelet-binary", OPTION_TEXT, offsetof(struct settings, kubelet_binary), "FILE",
	  "the kubelet whose version counts (/usr/bin/kubelet)" },
	{ "bus-address", OPTION_TEXT, offsetof(struct settings, bus_address), "ADDRESS",
	  "D-Bus address of systemd (the system bus)" },
	{ "round", OPTION_DURATION, offsetof(struct settings, round_ns), "DURATION",
	  "look at everything again so often (10m)" },
	{ "metrics-file", OPTION_PATH, offsetof(struct settings, metrics_file), "FILE",
	  "Prometheus text for a textfile collector; none: no file" },
	{ "metrics-port", OPTION_PORT, offsetof(struct settings, metrics_port), "PORT",
	  "serve the same on loopback (off)" },
	{ "debug", OPTION_FLAG, offsetof(struct settings, debug), NULL,
	  "log at debug level" },
	{ "help", OPTION_HELP, 0, NULL, "print this text" },
	{ "version", OPTION_VERSION, 0, NULL, "print the version" },
};
/* clang-format on */

static void print_usage(FILE *to)
{
	fputs("Usage: agentd [OPTION...]\n"
	      "Makes this host what its role file says, and keeps it so.\n\n",
	      to);
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		fprintf(to, "  --%s%s%-*s %s\n", rows[i].name, rows[i].argument ? "=" : "",
			24 - (int)strlen(rows[i].name) - (rows[i].argument ? 1 : 0),
			rows[i].argument ? rows[i].argument : "", rows[i].help);
	fputs("\nThe role file is described in agentd.role(5), the daemon in agentd(8).\n", to);
}

static int usage_error(void)
{
	fputs("Try \"agentd --help\".\n", stderr);
	return -EINVAL;
}

static int wrong(const struct setting_row *row, const char *argument, const char *wanted)
{
	fprintf(stderr, "agentd: --%s: \"%s\" is not %s\n", row->name, argument, wanted);
	return usage_error();
}

/* Takes what one option says. Returns as settings_parse() does. */
static int take(const struct setting_row *row, const char *argument, struct settings *settings)
{
	void *field = (char *)settings + row->offset;

	switch (row->kind) {
	case OPTION_TEXT:
		*(const char **)field = argument;
		return 1;
	case OPTION_PATH:
		if (strcmp(argument, "none") == 0)
			argument = "";
		else if (*argument != '/')
			return wrong(row, argument, "an absolute path or \"none\"");
		*(const char **)field = argument;
		return 1;
	case OPTION_PORT:
		if (parse_port(argument, field) < 0)
			return wrong(row, argument, "a port from 1 to 65535");
		return 1;
	case OPTION_DURATION:
		if (parse_duration(argument, field) < 0 ||
		    *(int64_t *)field < (int64_t)NSEC_PER_SEC)
			return wrong(row, argument, "a duration of at least a second, such as 10m");
		return 1;
	case OPTION_FLAG:
		*(bool *)field = true;
		return 1;
	case OPTION_HELP:
		print_usage(stdout);
		return 0;
	case OPTION_VERSION:
		puts("agentd " AGENTD_VERSION);
		return 0;
	}
	return -EINVAL;
}

int settings_parse(int argc, char **argv, struct settings *ret)
{
	struct settings settings = {
		.root = "",
		.kubelet_binary = "/usr/bin/kubelet",
		.round_ns = 10 * 60 * (int64_t)NSEC_PER_SEC,
	};
	struct option options[ARRAY_SIZE(rows) + 1] = { 0 };
	int index = 0, c, r;

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		options[i] = (struct option){
			.name = rows[i].name,
			.has_arg = rows[i].argument ? required_argument : no_argument,
		};
	/* 0 instead of 1 makes glibc forget an earlier parse. */
	optind = 0;
	while ((c = getopt_long(argc, argv, "", options, &index)) != -1) {
		if (c != 0)
			return usage_error();
		r = take(&rows[index], optarg, &settings);
		if (r <= 0)
			return r;
	}
	if (optind < argc) {
		fprintf(stderr, "agentd: unexpected argument \"%s\"\n", argv[optind]);
		return usage_error();
	}
	if (*settings.root && *settings.root != '/') {
		fputs("agentd: --root must be an absolute path\n", stderr);
		return usage_error();
	}
	/* "/" is the host itself: paths are put behind the root as they are. */
	if (strcmp(settings.root, "/") == 0)
		settings.root = "";
	*ret = settings;
	return 1;
}
