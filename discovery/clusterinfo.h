/* The ConfigMap kube-public/cluster-info: is it to be believed? Pure, so that it can be fuzzed
 * whole. */
#pragma once

#include <stdbool.h>

#include "common/error.h"
#include "common/strv.h"
#include "common/value.h"
#include "discovery/token.h"

struct clusterinfo {
	char *server;	  /* as cluster-info says it */
	char *ca_pem;	  /* only certificates that a pin names (all of them without pins) */
	char *kubeconfig; /* the signed text, to compare with the second fetch */
};
void clusterinfo_done(struct clusterinfo *info);
DEFINE_CLEANUP_VALUE(struct clusterinfo, clusterinfo_done)

/* https://HOST:PORT or https://HOST, an IPv6 address in brackets, perhaps a slash behind it. */
bool clusterinfo_server_is_valid(const char *server);

/* The decision: body (at most 64 KiB, at most 4 certificates) must be a ConfigMap named
 * cluster-info whose kubeconfig is signed for this token and whose CA has a pinned certificate.
 * pins may be empty only with unsafe_skip. *ret_signed false with 0: it has no signature for this
 * token (yet). */
int clusterinfo_decide(const struct value *config_map, const struct token *token,
		       const struct strv *pins, bool unsafe_skip, bool *ret_signed,
		       struct clusterinfo *ret, struct error *err);
