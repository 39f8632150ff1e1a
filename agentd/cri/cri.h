/* The container runtime over its unix socket: CRI v1 as ops (the only includer of protobuf-c). */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "common/error.h"
#include "common/loop.h"
#include "common/op.h"
#include "common/value.h"

struct cri;
/* socket: "unix:///run/containerd/containerd.sock" or a path. */
struct cri *cri_new(struct loop *loop, const char *socket);
struct cri *cri_free(struct cri *cri);
DEFINE_CLEANUP(struct cri, cri_free)

/* Each op's value is a map, unless it says otherwise. Errors: ERROR_NETWORK (-ENOENT, -ECONNREFUSED
 * when the socket is not there), -ENOSYS when the runtime does not know the method. */
struct op *cri_version(struct cri *cri); /* runtimeName, runtimeVersion, runtimeApiVersion */
struct op *cri_status(struct cri *cri);	 /* runtimeReady, networkReady (bool), reason, message */
struct op *cri_runtime_config(struct cri *cri); /* cgroupDriver: "systemd" or "cgroupfs" */

/* The running containers of one name in a namespace's pods, newest first: a list of
 * {id, pod, createdAt (nanoseconds since 1970)}. */
struct op *cri_running(struct cri *cri, const char *namespace, const char *container);
/* Ends a container by its signal, after grace_s by SIGKILL; one that is gone has ended. Without a
 * value. What belongs to a static pod is started again by the kubelet. */
struct op *cri_stop(struct cri *cri, const char *id, unsigned grace_s);

/* What those values are made of: a reply's message, without its frame. For the ops, tests and
 * fuzzing. -EBADMSG for what is not such a message. */
int cri_decode_version(const void *message, size_t length, struct value **ret, struct error *err);
int cri_decode_status(const void *message, size_t length, struct value **ret, struct error *err);
int cri_decode_runtime_config(const void *message, size_t length, struct value **ret,
			      struct error *err);
int cri_decode_containers(const void *message, size_t length, struct value **ret,
			  struct error *err);
