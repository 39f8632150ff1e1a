/* What the files of methods share: a call in work, and how it is answered. For agentd/inputs only.
 */
#pragma once

#include "agentd/inputs/methods.h"

struct methods_call;
const struct methods_hooks *methods_call_hooks(const struct methods_call *call);
/* Answers at once, with what the method says or with why not; consumes parameters. */
void methods_call_answer(struct methods_call *call, struct value *parameters);
void methods_call_fail(struct methods_call *call, const struct error *err);
/* Answers when an op is done: by finish, which makes the reply of its value (NULL = empty). op NULL
 * = it failed by err. */
void methods_call_await(struct methods_call *call, struct op *op,
			struct value *(*finish)(const struct value *result),
			const struct error *err);
/* The keys of a map that may be shown; nothing else goes out. keys end with NULL. */
struct value *methods_copy_keys(const struct value *map, const char *const *keys);

/* methods_hold.c */
extern const struct decode_row methods_hold_rows[]; /* of struct methods_hold */
extern const struct decode_row methods_release_rows[];
void methods_hold(struct methods_call *call, const void *target);
void methods_release(struct methods_call *call, const void *target);

/* methods_drift.c */
extern const struct decode_row methods_history_rows[];	     /* of struct methods_history */
extern const struct decode_row methods_drift_rows[];	     /* of struct methods_drift */
extern const struct decode_row methods_drift_restore_rows[]; /* the same */
void methods_history(struct methods_call *call, const void *target);
void methods_drift_list(struct methods_call *call, const void *target);
void methods_drift_show(struct methods_call *call, const void *target);
void methods_drift_restore(struct methods_call *call, const void *target);
