/* A component's configuration: the document of a user over what kubeadm writes without one; see
 * component.h. */
#include "agentd/schema/component.h"

#include <errno.h>
#include <string.h>

#include "common/alloc.h"
#include "common/parse.h"
#include "common/yaml.h"

#define ZERO_DURATION "0s"

struct value *component_base(const struct component *component)
{
	struct value *base = NULL;
	struct error err = ERROR_INIT;
	int r;

	r = yaml_parse_one(component->base, strlen(component->base), "base", &base, &err);
	assert(r == 0);
	return base;
}

static bool is_listed(const char *const *paths, const char *path)
{
	for (; paths && *paths; paths++)
		if (strcmp(*paths, path) == 0)
			return true;
	return false;
}

static bool is_duration(const struct component *component, const struct value *base,
			const char *path)
{
	return strcmp(value_string_or(base, ""), ZERO_DURATION) == 0 ||
	       is_listed(component->durations, path);
}

/* What a Go field with omitempty leaves out. */
static bool is_left_out(const struct component *component, const struct value *value,
			const char *path)
{
	int64_t number = 1;

	switch (value_type(value)) {
	case VALUE_NULL:
		return true;
	case VALUE_STRING:
		return !component->keeps_empty && value_string_length(value) == 0;
	case VALUE_LIST:
		return !component->keeps_empty && value_count(value) == 0;
	case VALUE_MAP:
		return value_count(value) == 0;
	case VALUE_BOOL:
		return !value_is_true(value) && is_listed(component->omitted, path);
	case VALUE_NUMBER:
		return value_to_int(value, &number) && number == 0 &&
		       is_listed(component->omitted, path);
	}
	return false;
}

static struct value *normal_duration(const struct value *value)
{
	_cleanup_(buf_done) struct buf buf = BUF_INIT(KIB);
	int64_t ns;

	if (!value_string(value) || parse_duration(value_string(value), &ns) < 0)
		return value_ref(value);
	format_duration(ns, &buf);
	return value_new_string(buf.data);
}

/* The document as Go would read and write it again. */
static struct value *normal(const struct component *component, const struct value *base,
			    const struct value *document, const char *path)
{
	struct value *map = value_new_map();

	VALUE_FOREACH(i, document) {
		const char *key = value_key(document, i);
		const struct value *value = value_item(document, i);
		const struct value *standard = value_get(base, key);
		_cleanup_free_ char *inner = xasprintf("%s%s%s", path, *path ? "." : "", key);

		if (is_left_out(component, value, inner))
			continue;
		if (value_type(value) == VALUE_MAP && value_type(standard) == VALUE_MAP)
			map = value_put(map, key, normal(component, standard, value, inner));
		else if (is_duration(component, standard, inner))
			map = value_put(map, key, normal_duration(value));
		else
			map = value_put(map, key, value_ref(value));
	}
	return map;
}

struct value *component_merge(const struct component *component, struct value *base,
			      const struct value *document)
{
	_cleanup_(value_unref) struct value *patch = normal(component, base, document, "");

	return value_sort_keys(value_merge_patch(base, patch));
}

static int check(const struct component *component, const struct value *base,
		 const struct value *document, const char *path, const struct value **ret_at,
		 struct error *err)
{
	int r;

	VALUE_FOREACH(i, document) {
		const struct value *value = value_item(document, i);
		const struct value *standard = value_get(base, value_key(document, i));
		_cleanup_free_ char *inner =
		    xasprintf("%s%s%s", path, *path ? "." : "", value_key(document, i));
		int64_t ns;

		if (value_type(value) == VALUE_NULL)
			continue;
		*ret_at = value;
		/* A field that is null in the base may have any type, and logging.flushFrequency
		 * is a number or a duration. */
		if (value_type(standard) != VALUE_NULL &&
		    value_type(value) != value_type(standard) &&
		    !(value_type(standard) == VALUE_NUMBER && value_type(value) == VALUE_STRING))
			return error_set(err, ERROR_CONFIG, -EINVAL, "%s must be %s, not %s", inner,
					 value_type_name(value_type(standard)),
					 value_type_name(value_type(value)));
		if (is_duration(component, standard, inner) &&
		    (!value_string(value) || parse_duration(value_string(value), &ns) < 0))
			return error_set(err, ERROR_CONFIG, -EINVAL,
					 "%s is not a duration such as 30s", inner);
		if (value_type(standard) != VALUE_MAP)
			continue;
		r = check(component, standard, value, inner, ret_at, err);
		if (r < 0)
			return r;
	}
	return 0;
}

int component_check(const struct component *component, const struct value *document,
		    const struct value **ret_at, struct error *err)
{
	_cleanup_(value_unref) struct value *base = component_base(component);

	return check(component, base, document, "", ret_at, err);
}
