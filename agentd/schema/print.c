/* A role as YAML documents: for people without its secrets, for the state directory with them; see
 * role.h. */
#include "agentd/schema/schema.h"
#include "common/yaml.h"

static struct value *with_fields(enum schema_kind kind, const void *target,
				 enum schema_secrets secrets)
{
	struct value *document = schema_new_document(kind);
	struct value *fields = schema_encode(schema_documents[kind].rows, target, secrets);

	VALUE_FOREACH(i, fields)
		document =
		    value_put(document, value_key(fields, i), value_ref(value_item(fields, i)));
	value_unref(fields);
	return document;
}

/* A kubelet that fetches pods from an URL may have to say a password there. */
static struct value *kubelet_document(const struct role *role, enum schema_secrets secrets)
{
	struct value *document = value_ref(role->kubelet);

	if (secrets == SCHEMA_REDACTED && value_get(document, "staticPodURLHeader"))
		document =
		    value_put(document, "staticPodURLHeader", value_new_string("<redacted>"));
	return document;
}

static struct value *document_of(const struct role *role, enum schema_kind kind,
				 enum schema_secrets secrets)
{
	struct schema_role flat = { .role = (int)role->kind,
				    .replace_node = role->join.replace_node,
				    .policy = role->policy,
				    .renewal = role->renewal };

	switch (kind) {
	case SCHEMA_ROLE:
		return with_fields(kind, &flat, secrets);
	case SCHEMA_INIT:
		return role_is_control_plane(role) ? with_fields(kind, role, secrets) : NULL;
	case SCHEMA_CLUSTER:
		return role_is_control_plane(role) ? with_fields(kind, &role->cluster, secrets)
						   : NULL;
	case SCHEMA_JOIN:
		return role_is_worker(role) ? with_fields(kind, role, secrets) : NULL;
	case SCHEMA_KUBELET:
		return kubelet_document(role, secrets);
	case SCHEMA_KUBE_PROXY:
		return value_ref(role->kube_proxy);
	case _SCHEMA_KIND_MAX:
		break;
	}
	return NULL;
}

static int print(const struct role *role, enum schema_secrets secrets, struct buf *buf)
{
	int r;

	for (int kind = 0; kind < _SCHEMA_KIND_MAX; kind++) {
		_cleanup_(value_unref) struct value *document = document_of(role, kind, secrets);

		if (!document)
			continue;
		if (kind > 0) {
			r = buf_append_string(buf, "---\n");
			if (r < 0)
				return r;
		}
		r = yaml_write(document, buf);
		if (r < 0)
			return r;
	}
	return 0;
}

int role_print(const struct role *role, struct buf *buf)
{
	return print(role, SCHEMA_REDACTED, buf);
}

int role_write(const struct role *role, struct buf *buf)
{
	return print(role, SCHEMA_IN_CLEAR, buf);
}
