/* Keeps what another hand made of a thing before a row overwrites it (agentd/drift.h), and tells it
 * from what agentd itself made: the ledger notes what was last applied. */
#pragma once

#include "agentd/context.h"
#include "common/file.h"

/* Called before a file is replaced: keeps what is there, or notes that it was deleted, unless that
 * is what agentd made last, or what it is about to make. What cannot be kept must not be replaced.
 */
int keep_file(const struct context *ctx, const struct file_content *ours, struct error *err);
/* Called after it was replaced. */
void keep_note_file(const struct context *ctx, const struct file_content *ours);

/* Called before a unit is put right: keeps that it was stopped, disabled or masked. */
int keep_unit(const struct context *ctx, const struct resource *row, const char *unit,
	      struct error *err);

/* A stage of rows whose data is a struct object, before the one that mends: reads the object anew
 * and keeps it as it is in the cluster, or that it was deleted, if another hand did that. */
struct op *keep_object_read(struct task *task, struct error *err);
int keep_object(struct task *task, struct op *op, struct error *err);
