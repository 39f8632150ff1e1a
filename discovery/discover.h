/* Finds and trusts a cluster by token: fetch, verify the signature, verify the pins, fetch again
 * over TLS that trusts only the pinned certificates, compare (kubeadm-behaviour.md, section 12.2).
 * Neither fetch carries a credential. */
#pragma once

#include "common/error.h"
#include "common/loop.h"
#include "common/op.h"
#include "common/strv.h"
#include "discovery/clusterinfo.h"
#include "discovery/token.h"

struct discover_request {
	const char *endpoint;	   /* "host:port" or "[v6]:port" */
	const struct token *token; /* copied */
	const struct strv *pins;   /* copied */
	bool unsafe_skip;
	const char *file_path; /* discovery by file instead: a kubeconfig (section 12.3), or NULL;
				* then nothing else is looked at */
};

/* An op that is read with discover_result(). It completes when the cluster is found and
 * trusted; a cluster-info that is not there, closed to strangers or without our signature yet is
 * asked for again every 0.5 s (it fails with ERROR_PENDING after 30 s of that, and -EKEYEXPIRED
 * where the token is of no use: closed with 403, or not signed for it). NULL with err set
 * for a request that cannot succeed. By file, the result has no kubeconfig, and the server and CA
 * are the file's; what credential it holds is read with kubeconfig_read(). */
struct op *discover_start(struct loop *loop, const struct discover_request *request,
			  struct error *err);
const struct clusterinfo *discover_result(const struct op *op);
