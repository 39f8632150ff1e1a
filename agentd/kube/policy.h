/* The policies of a cluster object's fields: which of them are repaired, which are written once and
 * then the administrator's, and where our entry is one of several.
 *
 * A row's object is a value that it wants (`desired`) and a table of policies. policy_compare()
 * tells what is the matter with the live object, policy_mend() makes the op that mends it:
 *
 *   missing    applied whole by KUBE_MANAGER_ONCE, then what is enforced by KUBE_MANAGER, then
 *              KUBE_MANAGER_ONCE keeps only what is its own: complete at once whenever this is
 *              interrupted, and afterwards no created-once field belongs to the enforcing manager,
 *              whose later apply would take it away
 *   enforced   applied with force by KUBE_MANAGER, with the uid, so that a deleted object does not
 *              come back as a ghost
 *   merged     a JSON patch that tests the list as it was read: a forced apply would wipe what
 *              others added to a list that the API treats as one value (subjects, taints)
 *   fixed      the object is deleted (by uid) and made anew
 *
 * Where nothing differs nothing is written: an object that another tool made alike is adopted as it
 * is, and keeps its resourceVersion. */
#pragma once

#include <stdbool.h>

#include "agentd/kube/client.h"
#include "common/buf.h"
#include "common/value.h"

enum policy_kind {
	POLICY_ENFORCED, /* repaired */
	POLICY_ONCE,	 /* written when the object is made, and not looked at afterwards */
	POLICY_MERGED,	 /* our items must be in the list; others stay. Of a map: like enforced */
	POLICY_FIXED,	 /* cannot be changed in place (roleRef): delete and make anew. Only for
			  * objects that are ours */
};

/* A table ends with {}. The longest path that leads to a field decides, and what no row names is
 * enforced; path "" is all. Keys with a dot or slash and the names of items stand in brackets:
 * "data[config.conf]", "spec.template.spec.containers[coredns].resources". */
struct policy {
	const char *path;
	enum policy_kind kind;
	const char *match; /* merged: the keys that make two items the same, such as "key,effect";
			    * NULL = all that ours says */
};

enum policy_state {
	POLICY_SAME,	/* nothing to do */
	POLICY_MISSING, /* there is no such object */
	POLICY_DIFFERS, /* can be mended in place */
	POLICY_REPLACE, /* a fixed field differs */
};

/* policy may be NULL: all is enforced. why gets the first difference in words, without values where
 * they may be secret: "spec.replicas is 1, not 2". */
enum policy_state policy_compare(const struct value *desired, const struct policy *policy,
				 const struct value *live, struct buf *why);
/* The op that mends; its value is the object afterwards (NULL where nothing was to be done). live
 * is NULL where the object is missing. Do not call it for a missing object of somebody else (a
 * Node): it would be made. -EAGAIN: it changed meanwhile, look again. */
struct op *policy_mend(struct kube *kube, const char *collection, const char *name,
		       const struct value *desired, const struct policy *policy,
		       const struct value *live);

/* What the two managers apply: desired without the fields of the other and without what is the
 * server's; NULL if nothing but the identity is left. */
struct value *policy_enforced(const struct value *desired, const struct policy *policy);
struct value *policy_once(const struct value *desired, const struct policy *policy);
/* The JSON patch for merged lists; NULL if they are complete. */
struct value *policy_merge_patch(const struct value *desired, const struct policy *policy,
				 const struct value *live);
