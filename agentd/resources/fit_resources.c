/* Requests of pods against what a node has; see fit_resources.h. Amounts are thousandths. */
#include "agentd/resources/fit_resources.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "common/parse.h"
#include "common/strv.h"

static int64_t plus(int64_t a, int64_t b)
{
	int64_t sum;

	return __builtin_add_overflow(a, b, &sum) ? INT64_MAX : sum;
}

/* A quantity as it may be written: text, or a plain number. */
static int64_t amount(const struct value *value)
{
	const char *text = value_string(value);
	int64_t thousandths = 0;

	if (!text)
		text = value_number_text(value);
	if (!text || parse_quantity(text, &thousandths) < 0)
		return 0;
	return thousandths;
}

/* What a container asks for; a limit alone is a request too. */
static int64_t container_request(const struct value *container, const char *resource)
{
	const struct value *request = value_at(container, "resources", "requests", resource);

	return amount(request ? request : value_at(container, "resources", "limits", resource));
}

static bool is_sidecar(const struct value *container)
{
	return strcmp(value_string_or(value_get(container, "restartPolicy"), ""), "Always") == 0;
}

/* Containers and sidecars run together; each other init container runs beside the sidecars before
 * it, and the greatest counts. */
static int64_t containers_request(const struct value *spec, const char *resource)
{
	const struct value *containers = value_get(spec, "containers");
	const struct value *inits = value_get(spec, "initContainers");
	int64_t all = 0, sidecars = 0, peak = 0;

	VALUE_FOREACH(i, containers)
		all = plus(all, container_request(value_item(containers, i), resource));
	VALUE_FOREACH(i, inits) {
		int64_t own = container_request(value_item(inits, i), resource);

		if (is_sidecar(value_item(inits, i)))
			sidecars = plus(sidecars, own);
		else
			peak = MAX(peak, plus(sidecars, own));
	}
	return MAX(plus(all, sidecars), peak);
}

static int64_t pod_request(const struct value *spec, const char *resource)
{
	const struct value *whole = value_at(spec, "resources", "requests", resource);
	int64_t request = whole ? amount(whole) : containers_request(spec, resource);

	return plus(request, amount(value_at(spec, "overhead", resource)));
}

static int64_t used(const struct value *pods, const char *resource)
{
	int64_t sum = 0;

	VALUE_FOREACH(i, pods)
		if (!fit_is_over(value_item(pods, i)))
			sum = plus(sum,
				   pod_request(value_get(value_item(pods, i), "spec"), resource));
	return sum;
}

/* An amount for people. */
static void format(const char *resource, int64_t thousandths, char ret[static 32])
{
	if (strcmp(resource, "cpu") == 0)
		(void)snprintf(ret, 32, "%" PRId64 "m", thousandths);
	else if (strcmp(resource, "memory") == 0 || strcmp(resource, "ephemeral-storage") == 0)
		(void)snprintf(ret, 32, "%" PRId64 "Mi", thousandths / 1000 / (int64_t)MIB);
	else
		(void)snprintf(ret, 32, "%" PRId64, thousandths / 1000);
}

static bool has_enough(const char *resource, int64_t wanted, int64_t allocatable, int64_t taken,
		       struct why *why)
{
	char want[32], left[32];

	if (wanted == 0 || wanted <= allocatable - MIN(taken, allocatable))
		return true;
	format(resource, wanted, want);
	format(resource, allocatable - MIN(taken, allocatable), left);
	why_set(why, "has %s of %s left and %s are wanted", left, resource, want);
	return false;
}

/* The names of all that the pod asks for. */
static void collect_names(const struct value *spec, struct strv *names)
{
	static const char *const kinds[] = { "requests", "limits" };
	static const char *const lists[] = { "containers", "initContainers" };

	for (size_t kind = 0; kind < ARRAY_SIZE(kinds); kind++) {
		const struct value *whole = value_at(spec, "resources", kinds[kind]);

		VALUE_FOREACH(i, whole)
			strv_add_unique(names, value_key(whole, i));
		for (size_t list = 0; list < ARRAY_SIZE(lists); list++) {
			const struct value *containers = value_get(spec, lists[list]);

			VALUE_FOREACH(i, containers) {
				const struct value *asked =
				    value_at(value_item(containers, i), "resources", kinds[kind]);

				VALUE_FOREACH(j, asked)
					strv_add_unique(names, value_key(asked, j));
			}
		}
	}
}

/* Host ports. */

static bool same_port(const struct value *a, const struct value *b)
{
	int64_t left = 0, right = 0;

	return value_to_int(value_get(a, "hostPort"), &left) &&
	       value_to_int(value_get(b, "hostPort"), &right) && left == right && left != 0 &&
	       strcmp(value_string_or(value_get(a, "protocol"), "TCP"),
		      value_string_or(value_get(b, "protocol"), "TCP")) == 0;
}

static bool has_port(const struct value *spec, const struct value *port)
{
	const struct value *containers = value_get(spec, "containers");

	VALUE_FOREACH(i, containers) {
		const struct value *ports = value_get(value_item(containers, i), "ports");

		VALUE_FOREACH(j, ports)
			if (same_port(value_item(ports, j), port))
				return true;
	}
	return false;
}

static bool ports_clash(const struct value *spec, const struct value *other)
{
	const struct value *containers = value_get(spec, "containers");

	VALUE_FOREACH(i, containers) {
		const struct value *ports = value_get(value_item(containers, i), "ports");

		VALUE_FOREACH(j, ports)
			if (has_port(other, value_item(ports, j)))
				return true;
	}
	return false;
}

bool fit_resources(const struct fit_pod *pod, const struct value *node, const struct value *pods,
		   struct why *why)
{
	const struct value *spec = value_get(pod->template, "spec");
	const struct value *allocatable = value_at(node, "status", "allocatable");
	_cleanup_(strv_done) struct strv names = STRV_INIT;
	int64_t count = 0;

	VALUE_FOREACH(i, pods) {
		const struct value *other = value_item(pods, i);

		if (fit_is_over(other))
			continue;
		count++;
		if (ports_clash(spec, value_get(other, "spec"))) {
			why_set(why, "has the pod %s on a host port that is wanted",
				value_string_or(value_at(other, "metadata", "name"), "?"));
			return false;
		}
	}
	if (!has_enough("pods", 1000, amount(value_get(allocatable, "pods")), count * 1000, why))
		return false;
	collect_names(spec, &names);
	STRV_FOREACH(name, &names)
		if (!has_enough(name, pod_request(spec, name), amount(value_get(allocatable, name)),
				used(pods, name), why))
			return false;
	return true;
}
