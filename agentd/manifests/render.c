/* Finds and parses embedded manifests; see render.h. */
#include "agentd/manifests/render.h"

#include <string.h>

#include "common/error.h"
#include "common/yaml.h"

struct value *render_manifest(const char *kind, const char *namespace, const char *name)
{
	for (const struct manifest *manifest = manifests; manifest->kind; manifest++) {
		struct error err = ERROR_INIT;
		struct value *value = NULL;

		if (strcmp(manifest->kind, kind) != 0 || strcmp(manifest->name, name) != 0 ||
		    strcmp(manifest->namespace, namespace) != 0)
			continue;
		/* A manifest that does not parse is a bug of this build. */
		if (yaml_parse_one(manifest->text, strlen(manifest->text), name, &value, &err) < 0)
			abort();
		return value;
	}
	abort();
}

struct value *render_config_map(const char *namespace, const char *name)
{
	struct value *map = value_new_map();

	map = value_put(map, "apiVersion", value_new_string("v1"));
	map = value_put(map, "kind", value_new_string("ConfigMap"));
	map = value_put_at(map, value_new_string(name), "metadata", "name");
	return value_put_at(map, value_new_string(namespace), "metadata", "namespace");
}
