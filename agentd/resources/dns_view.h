/* What the caches and the Lease say of CoreDNS, and what was seen of nodes the last time. */
#pragma once

#include "agentd/context.h"
#include "agentd/kube/lease.h"
#include "agentd/kube/names.h"
#include "agentd/resources/dns_plan.h"

#define DNS_ROW	     "dns-spread"
#define DNS_SELECTOR "labelSelector=" KUBE_LABEL_APP "%3D" KUBE_KUBE_DNS
/* Collections with a selector: of all others nothing is to be heard. */
#define DNS_PODS  KUBE_SYSTEM_PODS "?" DNS_SELECTOR
#define DNS_LEASE KUBE_SYSTEM_LEASES "?fieldSelector=metadata.name%3D" LEASE_DNS

/* The caches, as dns_plan.h wants them. */
struct dns_view {
	struct dns_snapshot snapshot;
	struct value *deployment, *nodes, *pods, *budgets;
};
/* Returns 1, or 0 with why set while the caches do not know. */
int dns_view_take(const struct context *ctx, struct dns_view *ret, struct why *why);
void dns_view_done(struct dns_view *view);
DEFINE_CLEANUP_VALUE(struct dns_view, dns_view_done)
/* kube-proxy's DaemonSet; NULL where there is none (or it is the network add-on's business). */
const struct value *dns_view_proxy(const struct context *ctx);

/* The record of the last move in the Lease's annotation. One that nobody can read is as if there
 * was none. */
struct dns_record dns_record_read(const struct value *lease);
struct op *dns_record_write(struct kube *kube, const struct dns_record *record);

/* The pods of other namespaces are in no cache: those of a node are read when it could take a
 * replica. What came of it is noted with a digest of all that it came from, and takes the place of
 * the decision to look (DNS_LOOK) until something changes or until_s. */
void dns_look_note(const struct context *ctx, const struct dns_decision *decision, int64_t until_s);
void dns_look_recall(const struct context *ctx, const struct dns_view *view,
		     struct dns_decision *decision);
int64_t dns_look_until(const struct context *ctx); /* 0 = nothing is noted */
