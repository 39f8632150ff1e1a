/* Paths of the Kubernetes API, taken apart and put together; see apipath.h. */
#include "agentd/kube/apipath.h"

#include <ctype.h>
#include <string.h>

#include "common/alloc.h"
#include "common/buf.h"
#include "common/strv.h"

static const struct kind_row {
	const char *resource;
	const char *kind;
} kinds[] = {
	/* clang-format off */
	{ "certificatesigningrequests", "CertificateSigningRequest" },
	{ "clusterrolebindings",	"ClusterRoleBinding" },
	{ "clusterroles",		"ClusterRole" },
	{ "configmaps",			"ConfigMap" },
	{ "daemonsets",			"DaemonSet" },
	{ "deployments",		"Deployment" },
	{ "endpoints",			"Endpoints" },
	{ "endpointslices",		"EndpointSlice" },
	{ "events",			"Event" },
	{ "leases",			"Lease" },
	{ "namespaces",			"Namespace" },
	{ "nodes",			"Node" },
	{ "poddisruptionbudgets",	"PodDisruptionBudget" },
	{ "pods",			"Pod" },
	{ "rolebindings",		"RoleBinding" },
	{ "roles",			"Role" },
	{ "secrets",			"Secret" },
	{ "serviceaccounts",		"ServiceAccount" },
	{ "services",			"Service" },
	/* clang-format on */
};

void apipath_done(struct apipath *path)
{
	free(path->api_version);
	free(path->namespace);
	free(path->resource);
	free(path->name);
	free(path->subresource);
	*path = (struct apipath){ 0 };
}

/* How many parts come before the namespace or the resource; 0 if this is no path of objects. */
static size_t version_parts(const struct strv *parts)
{
	if (parts->count >= 3 && strcmp(parts->items[0], "api") == 0)
		return 2;
	if (parts->count >= 4 && strcmp(parts->items[0], "apis") == 0)
		return 3;
	return 0;
}

bool apipath_parse(const char *text, struct apipath *ret)
{
	_cleanup_(strv_done) struct strv parts = STRV_INIT;
	size_t at;

	*ret = (struct apipath){ 0 };
	strv_split(&parts, text, '/');
	at = version_parts(&parts);
	if (at == 0)
		return false;

	ret->api_version =
	    at == 2 ? xstrdup(parts.items[1]) : xasprintf("%s/%s", parts.items[1], parts.items[2]);
	/* A namespace stands before a resource; /api/v1/namespaces/NAME is an object itself. */
	if (parts.count > at + 2 && strcmp(parts.items[at], "namespaces") == 0) {
		ret->namespace = xstrdup(parts.items[at + 1]);
		at += 2;
	}
	ret->resource = xstrdup(parts.items[at]);
	if (parts.count > at + 1)
		ret->name = xstrdup(parts.items[at + 1]);
	if (parts.count > at + 2)
		ret->subresource = xstrdup(parts.items[at + 2]);
	return true;
}

const char *apipath_kind(const struct apipath *path)
{
	for (size_t i = 0; path->resource && i < ARRAY_SIZE(kinds); i++)
		if (strcmp(kinds[i].resource, path->resource) == 0)
			return kinds[i].kind;
	return NULL;
}

static char *escape(const char *text, const char *allowed)
{
	/* Cannot overflow: every character is at most three. */
	_cleanup_(buf_done) struct buf out = BUF_INIT(3 * strlen(text) + 1);

	for (const char *p = text; *p; p++) {
		if (isalnum((unsigned char)*p) || strchr(allowed, *p))
			(void)buf_append_char(&out, *p);
		else
			(void)buf_printf(&out, "%%%02X", (unsigned char)*p);
	}
	return buf_take(&out);
}

char *apipath_escape(const char *text)
{
	return escape(text, "-._~");
}

char *apipath_join(const char *collection, const char *name)
{
	_cleanup_free_ char *escaped = escape(name, "-._~:@");

	return xasprintf("%s/%s", collection, escaped);
}
