/* Usage, dump and completion of agentctl (help.h). */
#include "agentd/cli/help.h"

#include <string.h>

#include "agentd/cli/client.h"
#include "agentd/cli/options.h"
#include "agentd/cli/verbs.h"
#include "common/alloc.h"
#include "common/strv.h"

static bool takes(const struct verb *verb, const struct option_row *row)
{
	return row->verbs == OPTIONS_ANY || (verb->options & row->verbs) != 0;
}

static void print_option(const struct option_row *row, FILE *to)
{
	_cleanup_free_ char *name = xasprintf("--%s%s%s", row->name, row->argument ? "=" : "",
					      row->argument ? row->argument : "");

	if (row->letter)
		fprintf(to, "  -%c, %-22s %s\n", row->letter, name, row->help);
	else
		fprintf(to, "      %-22s %s\n", name, row->help);
}

static void print_options(const struct verb *verb, FILE *to)
{
	fputs("\nOptions:\n", to);
	for (const struct option_row *row = option_rows; row->name; row++)
		if (row->verbs != OPTIONS_HIDDEN && (!verb || takes(verb, row)))
			print_option(row, to);
}

static void print_verb(const struct verb *verb, FILE *to)
{
	_cleanup_free_ char *usage = xasprintf("%s%s%s", verb->name, verb->argument ? " " : "",
					       verb->argument ? verb->argument : "");

	fprintf(to, "  %-20s %s\n", usage, verb->help);
}

static void print_all(FILE *to)
{
	fputs("Usage: agentctl [OPTION...] VERB\n"
	      "Shows and changes what agentd makes of this host.\n"
	      "\n"
	      "Verbs:\n",
	      to);
	for (const struct verb *verb = verb_table; verb->name; verb++)
		print_verb(verb, to);
	print_options(NULL, to);
	fputs("\nIt ends with\n", to);
	for (const struct status_row *row = status_rows; row->meaning; row++)
		fprintf(to, "  %3d  %s\n", row->status, row->meaning);
	fputs("\nagentctl help VERB says which options a verb takes; the rest is in agentctl(1).\n",
	      to);
}

static void print_one(const struct verb *verb, FILE *to)
{
	fprintf(to, "Usage: agentctl [OPTION...] %s%s%s\n%c%s.\n", verb->name,
		verb->argument ? " " : "", verb->argument ? verb->argument : "",
		verb->help[0] - 'a' + 'A', verb->help + 1);
	print_options(verb, to);
}

int help_print(const char *name, FILE *to)
{
	size_t length = name ? strlen(name) : 0;
	bool found = false;

	if (!name) {
		print_all(to);
		return STATUS_OK;
	}
	for (const struct verb *verb = verb_table; verb->name; verb++) {
		if (strcmp(verb->name, name) == 0) {
			print_one(verb, to);
			return STATUS_OK;
		}
		if (strncmp(verb->name, name, length) == 0 && verb->name[length] == ' ') {
			print_verb(verb, to);
			found = true;
		}
	}
	if (found)
		return STATUS_OK;
	fprintf(stderr, "agentctl: there is no verb %s\n", name);
	return STATUS_USAGE;
}

static char *options_of(const struct verb *verb)
{
	struct strv names = STRV_INIT;
	char *text;

	for (const struct option_row *row = option_rows; row->name; row++)
		if (takes(verb, row))
			strv_addf(&names, "--%s", row->name);
	text = strv_join(&names, ",");
	strv_done(&names);
	return text;
}

static char *choices_of(const struct option_row *row, const char *separator)
{
	struct strv choices = STRV_INIT;
	char *text;

	for (size_t i = 0; row->choices && row->choices[i]; i++)
		strv_add(&choices, row->choices[i]);
	text = strv_join(&choices, separator);
	strv_done(&choices);
	return text;
}

void help_dump(FILE *to)
{
	for (const struct verb *verb = verb_table; verb->name; verb++) {
		_cleanup_free_ char *options = options_of(verb);

		fprintf(to, "verb\t%s\t%s\t%s\t%s\n", verb->name,
			verb->argument ? verb->argument : "", verb->method ? verb->method : "",
			options);
	}
	for (const struct option_row *row = option_rows; row->name; row++) {
		_cleanup_free_ char *choices = choices_of(row, ",");
		const char letter[] = { row->letter ? '-' : '\0', row->letter, '\0' };

		fprintf(to, "%s\t--%s\t%s\t%s\t%s\n",
			row->verbs == OPTIONS_HIDDEN ? "hidden" : "option", row->name, letter,
			row->argument ? row->argument : "", choices);
	}
	for (const struct verb *verb = verb_table; verb->name; verb++)
		if (verb->method && !verb->more)
			fprintf(to, "method\t" CLIENT_INTERFACE ".%s\n", verb->method);
	for (const struct status_row *row = status_rows; row->meaning; row++)
		fprintf(to, "status\t%d\t%s\n", row->status, row->meaning);
}

/* The words that may stand at a place: verbs' first words, or the second ones of a first. */
static void print_words(const char *first, FILE *to)
{
	_cleanup_(strv_done) struct strv words = STRV_INIT;
	_cleanup_free_ char *text = NULL;

	for (const struct verb *verb = verb_table; verb->name; verb++) {
		size_t length = strcspn(verb->name, " ");

		if (!first) {
			_cleanup_free_ char *word = xstrndup(verb->name, length);

			strv_add_unique(&words, word);
		} else if (strncmp(verb->name, first, strlen(first)) == 0 &&
			   length == strlen(first) && verb->name[length]) {
			strv_add(&words, verb->name + length + 1);
		}
	}
	text = strv_join(&words, " ");
	fputs(text, to);
}

static void print_option_values(FILE *to)
{
	for (const struct option_row *row = option_rows; row->name; row++) {
		_cleanup_free_ char *choices = choices_of(row, " ");

		if (!row->argument || row->verbs == OPTIONS_HIDDEN)
			continue;
		fprintf(to, "\t--%s%s%c) ", row->name, row->letter ? " | -" : "",
			row->letter ? row->letter : ' ');
		if (row->choices)
			fprintf(to, "COMPREPLY=($(compgen -W '%s' -- \"$cur\")) ;;\n", choices);
		else if (strcmp(row->argument, "PATH") == 0)
			fputs("COMPREPLY=($(compgen -f -- \"$cur\")) ;;\n", to);
		else
			fputs(";;\n", to);
	}
}

/* Cases of the words typed so far: the options of a verb, and what its argument may be. */
static void print_verbs(FILE *to)
{
	for (const struct verb *verb = verb_table; verb->name; verb++) {
		fprintf(to, "\t'%s') options='", verb->name);
		for (const struct option_row *row = option_rows; row->name; row++)
			if (row->verbs != OPTIONS_HIDDEN && takes(verb, row))
				fprintf(to, "--%s ", row->name);
		fputs("'", to);
		if (verb->argument && strcmp(verb->argument, "[VERB]") == 0) {
			fputs(" words='", to);
			print_words(NULL, to);
			fputs("'", to);
		}
		if (verb->argument && strcmp(verb->argument, "FILE") == 0)
			fputs(" files=yes", to);
		else if (verb->argument && strncmp(verb->argument + (verb->argument[0] == '['),
						   "RESOURCE", strlen("RESOURCE")) == 0)
			fputs(" words=$(_agentctl_resources)", to);
		fputs(" ;;\n", to);
	}
	for (const struct verb *verb = verb_table; verb->name; verb++) {
		_cleanup_free_ char *first = xstrndup(verb->name, strcspn(verb->name, " "));

		if (strlen(first) == strlen(verb->name) ||
		    (verb > verb_table && strncmp((verb - 1)->name, first, strlen(first)) == 0))
			continue;
		fprintf(to, "\t'%s') words='", first);
		print_words(first, to);
		fputs("' ;;\n", to);
	}
	fputs("\t'') words='", to);
	print_words(NULL, to);
	fputs("' ;;\n", to);
}

static const char completion_head[] =
    "# bash completion for agentctl(1). Made by `make completion` of its tables: do not edit.\n"
    "\n"
    "_agentctl_resources()\n"
    "{\n"
    "\tagentctl status --all --no-headers --color=never --timeout=2s 2>/dev/null |\n"
    "\t\tsed -n 's/^\\([a-z][a-z0-9-]*\\) \\{1,\\}\\(in-sync\\|drifted\\|blocked\\|unknown\\) "
    ".*/\\1/p'\n"
    "}\n"
    "\n"
    "_agentctl()\n"
    "{\n"
    "\tlocal cur prev verb='' words='' options='' files='' i\n"
    "\tcur=${COMP_WORDS[COMP_CWORD]}\n"
    "\tprev=${COMP_WORDS[COMP_CWORD - 1]}\n"
    "\tif [ \"$prev\" = '=' ]; then\n"
    "\t\tprev=${COMP_WORDS[COMP_CWORD - 2]}\n"
    "\telif [ \"$cur\" = '=' ]; then\n"
    "\t\tcur=''\n"
    "\tfi\n"
    "\n"
    "\tcase $prev in\n";

static const char completion_middle[] = "\t*) prev='' ;;\n"
					"\tesac\n"
					"\t[ -z \"$prev\" ] || return 0\n"
					"\n"
					"\tfor ((i = 1; i < COMP_CWORD; i++)); do\n"
					"\t\tcase ${COMP_WORDS[i]} in\n"
					"\t\t-* | =) ;;\n"
					"\t\t*)\n"
					"\t\t\tcase ${COMP_WORDS[i - 1]} in\n";

static const char completion_values[] = "\t\t\t\t;;\n"
					"\t\t\t*) verb=\"${verb:+$verb }${COMP_WORDS[i]}\" ;;\n"
					"\t\t\tesac\n"
					"\t\t\t;;\n"
					"\t\tesac\n"
					"\tdone\n"
					"\n"
					"\tcase $verb in\n";

static const char completion_tail[] = "\tesac\n"
				      "\tif [[ $cur == -* ]]; then\n"
				      "\t\tCOMPREPLY=($(compgen -W \"$options\" -- \"$cur\"))\n"
				      "\telif [ -n \"$files\" ]; then\n"
				      "\t\tCOMPREPLY=($(compgen -f -- \"$cur\"))\n"
				      "\telse\n"
				      "\t\tCOMPREPLY=($(compgen -W \"$words\" -- \"$cur\"))\n"
				      "\tfi\n"
				      "}\n"
				      "complete -o filenames -F _agentctl agentctl\n";

/* What is an option's value and no word of the verb. */
static void print_skipped(FILE *to)
{
	const char *separator = "\t\t\t";

	for (const struct option_row *row = option_rows; row->name; row++) {
		if (!row->argument)
			continue;
		fprintf(to, "%s--%s", separator, row->name);
		if (row->letter)
			fprintf(to, " | -%c", row->letter);
		separator = " | ";
	}
	fprintf(to, "%s=)\n", separator);
}

void help_completion(FILE *to)
{
	fputs(completion_head, to);
	print_option_values(to);
	fputs(completion_middle, to);
	print_skipped(to);
	fputs(completion_values, to);
	print_verbs(to);
	fputs(completion_tail, to);
}
