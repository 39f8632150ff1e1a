/* The stages of a worker's TLS bootstrap against the API server
 * (kubeadm-behaviour.md, sections 12.5 and 12.7); kubelet_identity.c puts them in a row. */
#pragma once

#include "agentd/context.h"
#include "common/task.h"

/* Whether a good client certificate lies on disk, so that only kubelet.conf is to be written. */
bool bootstrap_has_certificate(const struct context *ctx);

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
int bootstrap_csr_collect(struct task *task, struct op *op, struct error *err);
/* With its certificate the key lies in the kubelet's folder: another join makes another one. */
int bootstrap_key_remove(struct task *task, struct op *op, struct error *err);
bool bootstrap_has_request_key(const struct context *ctx);
/* A request with the new certificate: an authenticated answer, whatever it says. */
struct op *bootstrap_prove(struct task *task, struct error *err);
