/* Requests to a Kubernetes API server as ops: generic objects, server-side apply, watches. */
#pragma once

#include <stdbool.h>

#include "common/error.h"
#include "common/http.h"
#include "common/loop.h"
#include "common/op.h"
#include "common/value.h"

/* One server, one identity. Borrowed strings are copied. A changed certificate needs a new client.
 */
struct kube;
struct kube *kube_new(struct loop *loop, const char *server, const struct http_identity *identity);
struct kube *kube_free(struct kube *kube);
DEFINE_CLEANUP(struct kube, kube_free)
const char *kube_server(const struct kube *kube);
struct loop *kube_loop(const struct kube *kube);

#define KUBE_MANAGER	  "agentd"	  /* owns what is enforced */
#define KUBE_MANAGER_ONCE "agentd-create" /* wrote what was created once */

/* Paths are those of the API: "/api/v1/namespaces/kube-system/configmaps/kubeadm-config". An op's
 * value is the object of the reply; a failure carries the server's message and the class of its
 * status (http_status_error()). GET of something missing succeeds with value NULL. */
struct op *kube_get(struct kube *kube, const char *path);
/* POST to a collection. -EEXIST if it is there already. */
struct op *kube_create(struct kube *kube, const char *collection, const struct value *object);
/* PATCH application/apply-patch+yaml; force takes fields from other managers. */
struct op *kube_apply(struct kube *kube, const char *path, const struct value *object,
		      const char *manager, bool force);
struct op *kube_merge_patch(struct kube *kube, const char *path, const struct value *patch,
			    const char *manager);
struct op *kube_json_patch(struct kube *kube, const char *path, const struct value *patch,
			   const char *manager);
/* Missing is success. */
struct op *kube_delete(struct kube *kube, const char *path);
/* GET of /readyz or another path that answers in plain text: succeeds on 200. */
struct op *kube_probe(struct kube *kube, const char *path);
/* Waits until predicate likes the object at path (NULL while missing): reads, then watches by
 * fieldSelector metadata.name. predicate: 1 yes, 0 not yet, negative errno with err set. */
typedef int (*kube_predicate_fn)(const struct value *object, void *argument, struct error *err);
struct op *kube_wait(struct kube *kube, const char *path, kube_predicate_fn predicate,
		     void *argument, void (*free_argument)(void *argument));
