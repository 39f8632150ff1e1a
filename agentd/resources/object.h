/* Rows that keep one cluster object: what is common to all of them. A row's data is a struct
 * object. */
#pragma once

#include "agentd/context.h"
#include "agentd/kube/names.h"
#include "agentd/kube/policy.h"

struct object {
	const char *collection; /* agentd/kube/names.h */
	const char *kind, *namespace, *name;
	const struct policy *policy; /* NULL = all fields are enforced */
	/* Completes the embedded manifest (or, for a ConfigMap without one, an empty object);
	 * consumes and returns it. NULL with why set: it cannot be known yet. May be NULL: as it
	 * stands. */
	struct value *(*fill)(const struct context *ctx, const struct role *role,
			      struct value *base, struct why *why);
	bool plain;   /* not embedded: fill() starts from an empty ConfigMap */
	bool masters; /* written with the one-hour administrator's certificate */
};

enum verdict object_observe(struct context *ctx, const struct resource *row, struct why *why);
extern const struct stage object_apply[];
/* ON_LIST: the object itself. */
void object_triggers(struct context *ctx, const struct resource *row, struct trigger_list *ret);
/* The object that a row wants; NULL with why set if it cannot be known yet. */
struct value *object_wanted(const struct context *ctx, const struct role *role,
			    const struct resource *row, struct why *why);

#define GROUP_RBAC_COLLECTION "/apis/rbac.authorization.k8s.io/v1/"

/* One row: OBJECT("role-kubelet-config", &description, "needs", ...). */
#define OBJECT(id, description, ...)                                                           \
	{                                                                                      \
		.name = id, .title = "cluster object " id, .roles = FOR_CONTROL_PLANE,         \
		.class = CLASS_CLUSTER_OBJECTS, .data = description, .needs = { __VA_ARGS__ }, \
		.triggers = { ON_LIST(object_triggers) }, .observe = object_observe,           \
		.apply = object_apply                                                          \
	}
