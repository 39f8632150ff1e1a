/* YAML to values and back, by libyaml's events and emitter (the only includer of yaml.h).
 *
 * Reading: plain scalars resolve as kubeadm's do (YAML 1.1: yes/no/on/off are booleans, 017 is
 * octal, ~ is null), quoted ones are strings. Refused with name:line:col: aliases and anchors, tags
 * but the core ones, merge keys, duplicate keys (naming the first), keys that are no strings, depth
 * over 32, 10,000 values, 256 KiB, bytes that are not UTF-8, NUL. */
#pragma once

#include <stddef.h>

#include "common/buf.h"
#include "common/error.h"
#include "common/value.h"

/* Calls for each document of a text. *ret is a list of documents (empty ones left out). Errors are
 * ERROR_CONFIG. */
int yaml_parse(const char *text, size_t length, const char *name, struct value **ret,
	       struct error *err);
/* The text of exactly one document. */
int yaml_parse_one(const char *text, size_t length, const char *name, struct value **ret,
		   struct error *err);
/* Appends a document in the form of Go's sigs.k8s.io/yaml: two spaces, lists not indented below
 * their key, `|` for text of several lines, quotes only where a reader could take a string for
 * something else. One difference: Go folds a text with blanks in it at column 80, here lines stay
 * whole, and a reader sees the same. Keys are written in their order (value_sort_keys() gives
 * kubeadm's). -EFBIG when buf is full, -EILSEQ when a string is not UTF-8; buf is then as before.
 */
int yaml_write(const struct value *value, struct buf *buf);
