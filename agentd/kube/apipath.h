/* What a path of the Kubernetes API names:
 * "/apis/apps/v1/namespaces/kube-system/deployments/coredns" is the Deployment coredns of apps/v1.
 * So that a reply can be held against what was asked. */
#pragma once

#include <stdbool.h>

#include "common/macros.h"

struct apipath {
	char *api_version; /* "v1", "apps/v1" */
	char *namespace;   /* NULL if cluster-scoped or across namespaces */
	char *resource;	   /* "deployments" */
	char *name;	   /* NULL for a collection */
	char *subresource; /* "approval", or NULL */
};
void apipath_done(struct apipath *path);
DEFINE_CLEANUP_VALUE(struct apipath, apipath_done)

/* False for a path that names no object or collection, such as /readyz; *ret is empty then. */
bool apipath_parse(const char *text, struct apipath *ret);
/* "Deployment"; NULL for a resource that agentd does not know. */
const char *apipath_kind(const struct apipath *path);
/* "COLLECTION/NAME", the name escaped where a URL needs it; the caller frees. */
char *apipath_join(const char *collection, const char *name);
/* A value for a query, with everything escaped that is not unreserved; the caller frees. */
char *apipath_escape(const char *text);
