/* What other hands made of things that agentd keeps: their versions, put aside before a repair
 * overwrites them, in /var/lib/agentd/drift (0700, one file of mode 0600 for each version).
 *
 * A version is on disk before drift_add() returns. There are at most so many, so large in all, and
 * so many of one thing; the oldest go. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/buf.h"
#include "common/clock.h"
#include "common/error.h"
#include "common/macros.h"
#include "common/value.h"

enum {
	DRIFT_VERSIONS_MAX = 200,
	DRIFT_VERSIONS_OF_ONE_MAX = 20,
	DRIFT_BYTES_MAX = 16 * 1024 * 1024,
	DRIFT_TEXT_MAX = 2 * 1024 * 1024, /* of each of the two texts of a version */
};

struct drift;

/* directory: "/var/lib/agentd/drift"; made when the first version is kept. Damaged files in it are
 * left out. */
struct drift *drift_open(const char *directory, struct clock *clock);
struct drift *drift_free(struct drift *drift);
DEFINE_CLEANUP(struct drift, drift_free)

struct drift_version {
	const char *kind; /* "file", "unit" or "object" */
	/* "/etc/kubernetes/manifests/etcd.yaml", "kubelet.service",
	 * "ConfigMap kube-system/kube-proxy" */
	const char *name;
	const char *resource; /* name of the row; may be NULL */
	const char *change;   /* what happened, for operators: "mode 0644, not 0600" */
	/* Two versions of a thing with the same state are one. */
	const char *state;
	/* What is needed to put it back, and who and when as far as known; borrowed, may be NULL.
	 * Of a file: {type, mode, uid, gid, changed, target}. */
	const struct value *about;
	/* Bytes as the other hand left them and as agentd has them; NULL = none. */
	const void *theirs, *ours;
	size_t theirs_length, ours_length;
	bool secret; /* the bytes are never shown */
};

/* Keeps a version. Returns 1, 0 if the newest version of that thing is the same. Where drift is
 * NULL nothing is kept (tests of rows). */
int drift_add(struct drift *drift, const struct drift_version *version, struct error *err);
/* Newest first: {id, time, kind, name, resource, change, secret, about}. */
struct value *drift_list(const struct drift *drift);
/* One of them, with the bytes appended to theirs and ours, of which each may be NULL. The value has
 * "theirs" and "ours" too: whether there are such bytes. Returns 1, 0 if there is no such id. */
int drift_load(const struct drift *drift, uint64_t id, struct value **ret, struct buf *theirs,
	       struct buf *ours, struct error *err);
