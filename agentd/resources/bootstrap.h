/* The stages of a worker's TLS bootstrap against the API server
 * (kubeadm-behaviour.md, sections 12.5 and 12.7); kubelet_identity.c puts them in a row. */
#pragma once

#include "agentd/context.h"
#include "common/task.h"

/* Whether a good client certificate lies on disk, so that only kubelet.conf is to be written. */
bool bootstrap_has_certificate(const struct context *ctx);

/* The key of a request whose certificate has not come yet. */
#define BOOTSTRAP_KEY "/var/lib/agentd/pki/kubelet-client.key"

/* Takes another token where there is one now; without any the role's is used. */
int bootstrap_token_take(struct task *task, struct op *op, struct error *err);
/* Another host of the node's name, Ready or not, stops the join; with replaceNode one that is not
 * Ready is taken over. */
struct op *bootstrap_node_get(struct task *task, struct error *err);
int bootstrap_node_check(struct task *task, struct op *op, struct error *err);
/* The key is kept in the state directory before anybody hears of it. */
int bootstrap_key_make(struct task *task, struct op *op, struct error *err);
/* A CSR whose name follows from the key: posting it twice is posting it once. */
struct op *bootstrap_csr_post(struct task *task, struct error *err);
int bootstrap_csr_posted(struct task *task, struct op *op, struct error *err);
struct op *bootstrap_csr_await(struct task *task, struct error *err);
/* What an operator should know of the request that is open: IN_SYNC while there is none, or it is
 * young; else UNKNOWN with the reason CSRPending or CSRNotIssued. */
enum verdict bootstrap_request_observe(struct context *ctx, const struct resource *row,
				       struct why *why);
/* When to look at it; 0 = there is none. */
int64_t bootstrap_request_due(struct context *ctx, const struct resource *row);
/* One word for what the last try failed of (TokenExpired, CSRDenied, CSRNotIssued); NULL = nothing
 * of that kind. */
const char *bootstrap_trouble(const struct context *ctx);
int bootstrap_csr_collect(struct task *task, struct op *op, struct error *err);
/* With its certificate the key lies in the kubelet's folder: another join makes another one. */
int bootstrap_key_remove(struct task *task, struct op *op, struct error *err);
bool bootstrap_has_request_key(const struct context *ctx);
/* A request with the new certificate: an authenticated answer, whatever it says. */
struct op *bootstrap_prove(struct task *task, struct error *err);
