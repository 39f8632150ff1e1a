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

/* Paths are those of the API: "/api/v1/namespaces/kube-system/configmaps/kubeadm-config"
 * (agentd/kube/names.h). An op's value is the object of the reply, held against what was asked
 * (kind, apiVersion, name); a failure carries the server's message and the class of its status
 * (http_status_error()), -EAGAIN where the object has changed meanwhile or another manager owns a
 * field (409 Conflict, a test of a JSON patch). GET of something missing succeeds with value NULL;
 * a 404 that does not come from the API itself is an error of the network. */
struct op *kube_get(struct kube *kube, const char *path);
/* One page of a collection, as the List object. query: "" or such as "limit=500". */
struct op *kube_list(struct kube *kube, const char *collection, const char *query);
/* POST to a collection, or to a subresource of an object (eviction). -EEXIST if it is there
 * already. The writer is KUBE_MANAGER_ONCE. */
struct op *kube_create(struct kube *kube, const char *collection, const struct value *object);
/* PUT of a whole object or subresource (approval). The object's resourceVersion guards it. */
struct op *kube_replace(struct kube *kube, const char *path, const struct value *object,
			const char *manager);
/* PATCH application/apply-patch+yaml; force takes fields from other managers. */
struct op *kube_apply(struct kube *kube, const char *path, const struct value *object,
		      const char *manager, bool force);
struct op *kube_merge_patch(struct kube *kube, const char *path, const struct value *patch,
			    const char *manager);
struct op *kube_json_patch(struct kube *kube, const char *path, const struct value *patch,
			   const char *manager);
/* Missing is success. With a uid only that very object: -EAGAIN if it is another one by now. */
struct op *kube_delete(struct kube *kube, const char *path);
struct op *kube_delete_uid(struct kube *kube, const char *path, const char *uid);
/* GET of /readyz or another path that answers in plain text: succeeds on 200. */
struct op *kube_probe(struct kube *kube, const char *path);
/* Streams the changes of a collection; query as for kube_list(), with a resourceVersion. The op
 * succeeds when the server ends the watch in order, and fails with -ESTALE when the resourceVersion
 * is too old. on_event: change is "ADDED", "MODIFIED" or "DELETED", object is borrowed and has no
 * managedFields; a negative answer ends the watch, and the op fails with it. It must not drop the
 * op. */
typedef int (*kube_event_fn)(const char *change, const struct value *object, void *userdata);
struct op *kube_watch(struct kube *kube, const char *collection, const char *query,
		      kube_event_fn on_event, void *userdata);

/* Waits until predicate likes the object at path (NULL while missing): reads, then watches by
 * fieldSelector metadata.name, again when a watch ends. The value is the object (NULL if it was
 * missing it that was waited for). It fails when a read fails; how long to wait is the stage's
 * business. predicate: 1 yes, 0 not yet, negative errno with err set. argument is freed with
 * free_argument (may be NULL). */
typedef int (*kube_predicate_fn)(const struct value *object, void *argument, struct error *err);
struct op *kube_wait(struct kube *kube, const char *path, kube_predicate_fn predicate,
		     void *argument, void (*free_argument)(void *argument));

/* For agentd/kube only. */
struct http *kube_http(const struct kube *kube);
struct lease_seen **kube_leases(struct kube *kube); /* agentd/kube/lease.h */
char *kube_url(const struct kube *kube, const char *path, const char *query); /* caller frees */
