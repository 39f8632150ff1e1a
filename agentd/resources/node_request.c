/* What rows read of certificate requests, and how they answer one; see node_request.h. */
#include "agentd/resources/node_request.h"

#include <string.h>

#include "common/alloc.h"
#include "common/parse.h"
#include "pki/hmac.h"

const char *node_request_name(const struct value *request)
{
	return value_string_or(value_at(request, "metadata", "name"), "");
}

const char *node_request_user(const struct value *request)
{
	return value_string_or(value_at(request, "spec", "username"), "");
}

const char *node_request_signer(const struct value *request)
{
	return value_string_or(value_at(request, "spec", "signerName"), "");
}

const struct value *node_request_condition(const struct value *request, const char *type)
{
	const struct value *conditions = value_at(request, "status", "conditions");

	VALUE_FOREACH(i, conditions) {
		const struct value *condition = value_item(conditions, i);

		if (strcmp(value_string_or(value_get(condition, "type"), ""), type) == 0)
			return condition;
	}
	return NULL;
}

bool node_request_is_pending(const struct value *request)
{
	return !node_request_condition(request, "Approved") &&
	       !node_request_condition(request, "Denied") &&
	       !node_request_condition(request, "Failed") &&
	       !value_string(value_at(request, "status", "certificate"));
}

bool node_request_pem(const struct value *request, struct buf *ret)
{
	const char *encoded = value_string_or(value_at(request, "spec", "request"), "");

	return hmac_base64_decode(encoded, strlen(encoded), ret) >= 0;
}

struct op *node_request_answer(struct kube *kube, const struct value *request, const char *type,
			       const char *message, int64_t now)
{
	_cleanup_free_ char *path = xasprintf(KUBE_CSRS "/%s/approval", node_request_name(request));
	const struct value *old = value_at(request, "status", "conditions");
	struct value *conditions = value_new_list(), *condition = value_new_map();
	_cleanup_(value_unref) struct value *answer = NULL;
	char time[32];

	format_time(now, time);
	condition = value_put(condition, "type", value_new_string(type));
	condition = value_put(condition, "status", value_new_string("True"));
	condition = value_put(condition, "reason", value_new_stringf("AgentdHas%s", type));
	condition = value_put(condition, "message", value_new_string(message));
	condition = value_put(condition, "lastUpdateTime", value_new_string(time));
	VALUE_FOREACH(i, old) {
		conditions = value_append(conditions, value_ref(value_item(old, i)));
	}
	conditions = value_append(conditions, condition);
	answer = value_put_at(value_ref(request), conditions, "status", "conditions");
	return kube_replace(kube, path, answer, KUBE_MANAGER);
}
