/* CertificateSigningRequests as objects of the cluster. */
#pragma once

#include <stdbool.h>

#include "agentd/kube/client.h"
#include "agentd/kube/names.h"
#include "common/buf.h"
#include "common/value.h"

/* "" where there is no such text. */
const char *node_request_name(const struct value *request);
const char *node_request_user(const struct value *request);
const char *node_request_signer(const struct value *request);
/* The condition of this type ("Approved", "Denied", "Failed"); NULL if it has none. */
const struct value *node_request_condition(const struct value *request, const char *type);
/* Nobody has answered it yet. */
bool node_request_is_pending(const struct value *request);
/* The PKCS#10 text; false if it is not base64. */
bool node_request_pem(const struct value *request, struct buf *ret);
/* Answers "Approved" or "Denied". -EAGAIN: the request has changed meanwhile. */
struct op *node_request_answer(struct kube *kube, const struct value *request, const char *type,
			       const char *message, int64_t now);
