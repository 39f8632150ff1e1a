/* The daemon's answers for people. */
#pragma once

#include "agentd/cli/render.h"
#include "common/value.h"

/* The status that `agentctl status` ends with. */
int show_exit_status(const struct value *status);
/* all: rows that are in sync, too. */
void show_status(const struct render *render, const struct value *status, bool all);
/* A line for each condition and row that differs. */
void show_changes(const struct render *render, const struct value *before,
		  const struct value *after);
void show_plan(const struct render *render, const struct value *plan);
void show_explanation(const struct render *render, const struct value *explanation);
void show_tokens(const struct render *render, const struct value *tokens);
