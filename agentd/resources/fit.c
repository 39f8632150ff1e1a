/* Whether a node can take one more pod; see fit.h. Resources are in fit_resources.c. */
#include "agentd/resources/fit.h"

#include <string.h>

#include "agentd/kube/names.h"
#include "agentd/resources/fit_resources.h"
#include "common/parse.h"

static const char *text_of(const struct value *map, const char *key)
{
	return value_string_or(value_get(map, key), "");
}

static bool is_text(const struct value *map, const char *key, const char *text)
{
	return strcmp(text_of(map, key), text) == 0;
}

static const struct value *labels_of(const struct value *object)
{
	return value_at(object, "metadata", "labels");
}

bool fit_has_condition(const struct value *object, const char *type)
{
	const struct value *conditions = value_at(object, "status", "conditions");

	VALUE_FOREACH(i, conditions)
		if (is_text(value_item(conditions, i), "type", type))
			return is_text(value_item(conditions, i), "status", "True");
	return false;
}

/* Selectors. */

static bool is_one_of(const struct value *list, const char *text)
{
	VALUE_FOREACH(i, list)
		if (strcmp(value_string_or(value_item(list, i), ""), text) == 0)
			return true;
	return false;
}

static bool compares(const char *operator, const char * actual, const struct value *values)
{
	const char *text = value_string_or(value_item(values, 0), "");
	int64_t left, right;

	if (parse_i64(actual, &left) < 0 || parse_i64(text, &right) < 0)
		return false;
	return strcmp(operator, "Gt") == 0 ? left > right : left < right;
}

/* One expression over what a key has; NULL = the key is not there. */
static bool expression_holds(const struct value *expression, const char *actual)
{
	const char *operator= text_of(expression, "operator");
	const struct value *values = value_get(expression, "values");

	if (strcmp(operator, "In") == 0)
		return actual && is_one_of(values, actual);
	if (strcmp(operator, "NotIn") == 0)
		return !actual || !is_one_of(values, actual);
	if (strcmp(operator, "Exists") == 0)
		return actual != NULL;
	if (strcmp(operator, "DoesNotExist") == 0)
		return actual == NULL;
	if (strcmp(operator, "Gt") == 0 || strcmp(operator, "Lt") == 0)
		return actual && compares(operator, actual, values);
	return false;
}

static bool expressions_hold(const struct value *expressions, const struct value *labels)
{
	VALUE_FOREACH(i, expressions) {
		const struct value *expression = value_item(expressions, i);
		const struct value *label = value_get(labels, text_of(expression, "key"));

		if (!expression_holds(expression, value_string(label)))
			return false;
	}
	return true;
}

static bool labels_are(const struct value *wanted, const struct value *labels)
{
	VALUE_FOREACH(i, wanted) {
		const char *actual = value_string(value_get(labels, value_key(wanted, i)));

		if (!actual || strcmp(value_string_or(value_item(wanted, i), ""), actual) != 0)
			return false;
	}
	return true;
}

bool fit_selects(const struct value *selector, const struct value *labels)
{
	return labels_are(value_get(selector, "matchLabels"), labels) &&
	       expressions_hold(value_get(selector, "matchExpressions"), labels);
}

/* What the Node itself tells. */

static bool fields_hold(const struct value *expressions, const struct value *node)
{
	VALUE_FOREACH(i, expressions) {
		const struct value *expression = value_item(expressions, i);

		/* The only field that there is. */
		if (!is_text(expression, "key", "metadata.name") ||
		    !expression_holds(expression, value_string(value_at(node, "metadata", "name"))))
			return false;
	}
	return true;
}

static bool node_affinity_holds(const struct value *spec, const struct value *node)
{
	const struct value *required = value_at(spec, "affinity", "nodeAffinity",
						"requiredDuringSchedulingIgnoredDuringExecution");
	const struct value *terms = value_get(required, "nodeSelectorTerms");

	if (!required)
		return true;
	VALUE_FOREACH(i, terms) {
		const struct value *expressions =
		    value_get(value_item(terms, i), "matchExpressions");
		const struct value *fields = value_get(value_item(terms, i), "matchFields");

		/* A term that says nothing is for no node. */
		if (value_count(expressions) + value_count(fields) > 0 &&
		    expressions_hold(expressions, labels_of(node)) && fields_hold(fields, node))
			return true;
	}
	return false;
}

static bool tolerates(const struct value *toleration, const struct value *taint)
{
	const char *key = text_of(toleration, "key");
	const char *effect = text_of(toleration, "effect");
	const char *operator= value_string_or(value_get(toleration, "operator"), "Equal");

	if (*effect && !is_text(taint, "effect", effect))
		return false;
	if (strcmp(operator, "Exists") == 0)
		return !*key || is_text(taint, "key", key);
	return strcmp(operator, "Equal") == 0 && is_text(taint, "key", key) &&
	       is_text(taint, "value", text_of(toleration, "value"));
}

/* The first taint that keeps the pod away; NULL if there is none. */
static const struct value *find_taint(const struct value *spec, const struct value *node)
{
	const struct value *taints = value_at(node, "spec", "taints");
	const struct value *tolerations = value_get(spec, "tolerations");

	VALUE_FOREACH(i, taints) {
		bool is_tolerated = false;

		VALUE_FOREACH(j, tolerations)
			is_tolerated |=
			    tolerates(value_item(tolerations, j), value_item(taints, i));
		if (!is_tolerated)
			return value_item(taints, i);
	}
	return NULL;
}

static bool refuse_taint(const struct value *taint, struct why *why)
{
	const char *value = text_of(taint, "value");

	why_set(why, "has the taint %s%s%s:%s", text_of(taint, "key"), *value ? "=" : "", value,
		text_of(taint, "effect"));
	return false;
}

static bool refuse(struct why *why, const char *text)
{
	why_set(why, "%s", text);
	return false;
}

bool fit_node(const struct fit_pod *pod, const struct value *node, struct why *why)
{
	const struct value *spec = value_get(pod->template, "spec");
	const struct value *taint;

	if (value_string(value_at(node, "metadata", "deletionTimestamp")))
		return refuse(why, "is being deleted");
	if (!fit_has_condition(node, "Ready"))
		return refuse(why, "is not Ready");
	if (value_is_true(value_at(node, "spec", "unschedulable")))
		return refuse(why, "is cordoned");
	taint = find_taint(spec, node);
	if (taint)
		return refuse_taint(taint, why);
	if (!labels_are(value_get(spec, "nodeSelector"), labels_of(node)))
		return refuse(why, "has not the labels that nodeSelector wants");
	if (!node_affinity_holds(spec, node))
		return refuse(why, "is not one that the required node affinity wants");
	return true;
}

/* What pods tell. */

static const struct value *required_terms(const struct value *pod, const char *kind)
{
	return value_at(pod, "spec", "affinity", kind,
			"requiredDuringSchedulingIgnoredDuringExecution");
}

/* Whether a term of a pod of a namespace is about a pod with these labels in another one. A
 * selector of namespaces would take a look at them, and may be about any. */
static bool term_is_about(const struct value *term, const char *from, const char *namespace,
			  const struct value *labels)
{
	const struct value *namespaces = value_get(term, "namespaces");
	bool same = value_count(namespaces) == 0 && strcmp(from, namespace) == 0;

	if (!same && !is_one_of(namespaces, namespace) && !value_get(term, "namespaceSelector"))
		return false;
	/* None at all is about no pod; an empty one about all. */
	return value_get(term, "labelSelector") &&
	       fit_selects(value_get(term, "labelSelector"), labels);
}

bool fit_is_over(const struct value *pod)
{
	const char *phase = value_string_or(value_at(pod, "status", "phase"), "");

	return strcmp(phase, "Succeeded") == 0 || strcmp(phase, "Failed") == 0;
}

/* Whether a pod on the node wants to be alone, without one like ours. */
static bool keeps_away(const struct value *other, const struct fit_pod *pod)
{
	const struct value *terms = required_terms(other, "podAntiAffinity");
	const char *from = value_string_or(value_at(other, "metadata", "namespace"), "");

	VALUE_FOREACH(i, terms)
		if (term_is_about(value_item(terms, i), from, pod->namespace,
				  labels_of(pod->template)))
			return true;
	return false;
}

bool fit_pods(const struct fit_pod *pod, const struct value *node, const struct value *pods,
	      struct why *why)
{
	VALUE_FOREACH(i, pods) {
		const struct value *other = value_item(pods, i);

		if (fit_is_over(other) || !keeps_away(other, pod))
			continue;
		why_set(why, "has the pod %s, whose anti-affinity keeps it away",
			value_string_or(value_at(other, "metadata", "name"), "?"));
		return false;
	}
	return fit_resources(pod, node, pods, why);
}

/* Whether a pod that a term is about is in the same domain as the node. */
static bool domain_has(const struct value *term, const struct fit_pod *pod, const char *domain,
		       const struct fit_neighbour *neighbours, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		const char *namespace =
		    value_string_or(value_at(neighbours[i].pod, "metadata", "namespace"), "");
		const char *other = value_string(
		    value_get(labels_of(neighbours[i].node), text_of(term, "topologyKey")));

		if (other && strcmp(other, domain) == 0 &&
		    term_is_about(term, pod->namespace, namespace, labels_of(neighbours[i].pod)))
			return true;
	}
	return false;
}

bool fit_neighbours(const struct fit_pod *pod, const struct value *node,
		    const struct fit_neighbour *neighbours, size_t count, struct why *why)
{
	const struct value *away = required_terms(pod->template, "podAntiAffinity");
	const struct value *near = required_terms(pod->template, "podAffinity");

	VALUE_FOREACH(i, away) {
		const struct value *term = value_item(away, i);
		const char *key = text_of(term, "topologyKey");
		const char *domain = value_string(value_get(labels_of(node), key));

		if (!domain)
			continue;
		if (domain_has(term, pod, domain, neighbours, count))
			return refuse(why,
				      "is too near to another one for the required anti-affinity");
		/* Others' pods are known of this node only. */
		if (strcmp(key, KUBE_LABEL_HOSTNAME) != 0 &&
		    !term_is_about(term, pod->namespace, pod->namespace, labels_of(pod->template)))
			return refuse(why,
				      "may be too near to others for the required anti-affinity");
	}
	VALUE_FOREACH(i, near) {
		const struct value *term = value_item(near, i);
		const char *domain =
		    value_string(value_get(labels_of(node), text_of(term, "topologyKey")));

		if (!domain || !domain_has(term, pod, domain, neighbours, count))
			return refuse(why, "is not near to what the required affinity wants");
	}
	return true;
}
