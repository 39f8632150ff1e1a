/* What every row shares: the names of verdicts, reasons in words, a task's state. */
#include "agentd/engine/resource.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "common/names.h"

static const char *const verdict_names[] = {
	[IN_SYNC] = "in-sync",
	[DRIFTED] = "drifted",
	[BLOCKED] = "blocked",
	[UNKNOWN] = "unknown",
};

static const char *const verdict_reasons[] = {
	[IN_SYNC] = "InSync",
	[DRIFTED] = "Drifted",
	[BLOCKED] = "Blocked",
	[UNKNOWN] = "Unknown",
};

const char *verdict_name(enum verdict verdict)
{
	return names_text(verdict_names, ARRAY_SIZE(verdict_names), (int)verdict);
}

const char *verdict_reason(enum verdict verdict)
{
	return names_text(verdict_reasons, ARRAY_SIZE(verdict_reasons), (int)verdict);
}

void why_set(struct why *why, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	(void)vsnprintf(why->text, sizeof(why->text), format, args);
	va_end(args);
}

void why_add(struct why *why, const char *format, ...)
{
	size_t used = strlen(why->text);
	va_list args;

	if (used > 0 && used + 2 < sizeof(why->text)) {
		(void)strncat(why->text, "; ", sizeof(why->text) - used - 1);
		used += 2;
	}
	va_start(args, format);
	(void)vsnprintf(why->text + used, sizeof(why->text) - used, format, args);
	va_end(args);
}

void why_reason(struct why *why, const char *reason)
{
	(void)snprintf(why->reason, sizeof(why->reason), "%s", reason);
}

void why_planned(struct why *why)
{
	why->planned = true;
}

void run_keep(struct task *task, void *state, void (*free_state)(void *state))
{
	struct run *run = run_of(task);

	if (run->state && run->free_state)
		run->free_state(run->state);
	run->state = state;
	run->free_state = free_state;
}
