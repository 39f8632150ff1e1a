/* What a plain YAML scalar means, by the rules of Go's yaml.v2 as kubeadm and the kubelet apply
 * them (YAML 1.1 with Go's numbers). Pure text, without libyaml. */
#pragma once

#include <stdbool.h>

enum yaml_meaning {
	YAML_MEANS_STRING,
	YAML_MEANS_NULL,
	YAML_MEANS_TRUE,
	YAML_MEANS_FALSE,
	YAML_MEANS_NUMBER,
	YAML_MEANS_NO_NUMBER, /* .inf and .nan, which JSON does not know */
	YAML_MEANS_TIME,      /* read as a string, but quoted when a string is written */
	YAML_MEANS_MERGE,     /* << */
};

/* *ret_number gets the number in JSON's form (caller frees), only with YAML_MEANS_NUMBER; the
 * parameter may be NULL. */
enum yaml_meaning yaml_scalar_meaning(const char *text, char **ret_number);
/* Whether a string may be written without quotes as far as its meaning goes. */
bool yaml_scalar_is_plain_string(const char *text);
