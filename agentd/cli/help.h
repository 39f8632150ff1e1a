/* Texts that are made of the tables of verbs and options. */
#pragma once

#include <stdio.h>

/* How to use a verb ("token create"), all verbs of a word ("token"), or agentctl (NULL). Returns
 * the status to end with. */
int help_print(const char *name, FILE *to);
/* The tables, one row per line, fields separated by tabs, for lints and tests:
 *	verb NAME ARGUMENT METHOD OPTION,...
 *	option --NAME -LETTER ARGUMENT CHOICE,...
 *	method NAME
 *	status NUMBER MEANING */
void help_dump(FILE *to);
/* The completion for bash. */
void help_completion(FILE *to);
