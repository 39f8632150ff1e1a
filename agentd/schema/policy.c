/* RoleConfiguration.policy: what agentd mends and what it only reports, in one word or by classes
 * of resources; see schema.h. */
#include <errno.h>
#include <string.h>

#include "agentd/schema/schema.h"
#include "common/alloc.h"
#include "common/names.h"

static const char *const words[] = { "enforce", "observe", NULL };

/* clang-format off */
#define CLASS(key, text) { key, DECODE_ENUM, .choices = words, .standard = "enforce", .help = text }

/* In the order of enum resource_class, which begins with the one that has no policy. */
const struct decode_row schema_policy_rows[] = {
	CLASS("certificates", "Keys and certificates in certificatesDir and caCertPath"),
	CLASS("kubeconfigs", "Kubeconfigs of the control plane's components and of the administrator"),
	CLASS("staticPods", "Manifests of the control plane's static pods"),
	CLASS("kubelet", "The kubelet's files, its identity and its unit"),
	CLASS("clusterObjects", "Roles, bindings and ConfigMaps of the cluster, agentd's own rights too"),
	CLASS("addons", "kube-proxy and CoreDNS"),
	CLASS("node", "Labels and taints of the Node"),
	CLASS("tokens", "Bootstrap tokens"),
	{},
};
/* clang-format on */

static int decode_word(const struct value *value, bool *ret, struct error *err)
{
	const char *text = value_string(value);

	for (int i = 0; text && words[i]; i++)
		if (strcmp(text, words[i]) == 0) {
			*ret = i == 1;
			return 0;
		}
	return error_set(err, ERROR_CONFIG, -EINVAL, "must be enforce or observe");
}

static int class_of(const char *key, enum resource_class *ret, struct error *err)
{
	const char *names[_CLASS_MAX - 1];
	const char *nearest;

	for (int class = 1; class < _CLASS_MAX; class ++) {
		names[class - 1] = resource_class_name(class);
		if (strcmp(key, names[class - 1]) == 0) {
			*ret = class;
			return 0;
		}
	}
	nearest = names_nearest(names, ARRAY_SIZE(names), key);
	return error_set(err, ERROR_CONFIG, -EINVAL, "has no class \"%s\"%s%s%s", key,
			 nearest ? ", did you mean \"" : "", nearest ? nearest : "",
			 nearest ? "\"?" : "");
}

int schema_decode_policy(const struct decode_row *row, const struct value *value, void *field,
			 void *userdata, struct error *err)
{
	struct role_policy policy = { .observed = { false } };
	bool observed = false;
	int r;

	if (value_type(value) != VALUE_MAP) {
		r = decode_word(value, &observed, err);
		if (r < 0)
			return error_set(err, ERROR_CONFIG, r,
					 "must be enforce, observe, or a map of classes");
		for (int class = CLASS_NONE + 1; class < _CLASS_MAX; class ++)
			policy.observed[class] = observed;
	}
	if (value_type(value) == VALUE_MAP)
		VALUE_FOREACH(i, value) {
			enum resource_class class;

			r = class_of(value_key(value, i), &class, err);
			if (r < 0)
				return r;
			r = decode_word(value_item(value, i), &policy.observed[class], err);
			if (r < 0)
				return error_set(err, ERROR_CONFIG, r,
						 "has %s, which must be enforce or observe",
						 value_key(value, i));
		}
	*(struct role_policy *)field = policy;
	return 0;
}

struct value *schema_encode_policy(const struct role_policy *policy)
{
	struct value *map = value_new_map();
	size_t count = 0;

	for (int class = CLASS_NONE + 1; class < _CLASS_MAX; class ++) {
		if (!policy->observed[class])
			continue;
		map = value_put(map, resource_class_name(class), value_new_string(words[1]));
		count++;
	}
	if (count > 0 && count < _CLASS_MAX - 1)
		return map;
	value_unref(map);
	return count > 0 ? value_new_string(words[1]) : NULL;
}
