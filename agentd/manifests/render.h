/* The manifests of the tree, embedded at build: readable YAML, found by kind, namespace and name.
 * There are no text templates: what depends on the role is set by path in the parsed value. */
#pragma once

#include "common/value.h"

struct manifest {
	const char *kind, *namespace, *name; /* namespace "" for what has none */
	const char *text;
};
extern const struct manifest manifests[]; /* ends with {0} */

/* The parsed document, owned by the caller. Asking for one that is not in the tree aborts. */
struct value *render_manifest(const char *kind, const char *namespace, const char *name);
/* A ConfigMap without data. */
struct value *render_config_map(const char *namespace, const char *name);
