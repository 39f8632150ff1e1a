/* The row behind the condition CertificatesValid: it only looks, at what agentd does not mend by
 * itself. CAs are never replaced silently, the kubelet rotates its own, and what an external CA
 * signs waits for somebody. */
#include <string.h>

#include "agentd/resources.h"
#include "agentd/resources/files.h"
#include "agentd/resources/kubelet_files.h"
#include "agentd/resources/leaf.h"
#include "agentd/resources/request.h"
#include "common/alloc.h"
#include "common/parse.h"

enum {
	DAY_S = 24 * 3600,
	/* A CA is told of this long before its end, or for the last third of a shorter life. */
	CA_WARNING_S = 180 * DAY_S,
	/* The kubelet rotates between 70 and 90 % of a life. */
	ROTATED_PERCENT = 92,
	/* A renewal that has not come so much later than its date has failed. */
	LATE_PERCENT = 8,
};

static int64_t life_of(const struct cert *cert)
{
	return cert_not_after(cert) - cert_not_before(cert);
}

static int64_t warned_from(const struct cert *ca)
{
	int64_t warning = MIN((int64_t)CA_WARNING_S, life_of(ca) / 3);

	return cert_not_after(ca) - warning;
}

/* "expires on 2027-01-01T00:00:00Z, in 12 days"; "expired on ..." */
static void tell_end(const struct context *ctx, const struct cert *cert, const char *what,
		     struct why *why)
{
	int64_t left = cert_not_after(cert) - ctx->now;
	char date[32];

	format_time(cert_not_after(cert), date);
	if (left <= 0)
		why_add(why, "%s expired on %s", what, date);
	else
		why_add(why, "%s expires on %s, in %lld days", what, date,
			(long long)(left / DAY_S));
}

/* The first word is the condition's: what comes first weighs most. */
static void reason(struct why *why, const char *word)
{
	if (!why->reason[0])
		why_reason(why, word);
}

static struct cert *load_ca(const char *path)
{
	_cleanup_(buf_done) struct buf text = BUF_INIT(FILES_CAP);
	struct cert *cert = NULL;
	struct error err = ERROR_INIT;

	if (files_load(path, &text))
		(void)cert_from_pem(text.data, text.length, &cert, &err);
	return cert;
}

static char *ca_path(const struct context *ctx, const struct profile *profile)
{
	if (role_is_worker(ctx->role))
		return context_path(ctx, "%s", ctx->role->join.ca_cert_path);
	return files_pki(ctx, "%s.crt", profile->base_name);
}

static void observe_ca(const struct context *ctx, const struct profile *profile, struct why *why)
{
	_cleanup_free_ char *path = ca_path(ctx, profile);
	_cleanup_(cert_unref) struct cert *ca = load_ca(path);

	if (!ca || ctx->now < warned_from(ca))
		return;
	tell_end(ctx, ca, path, why);
	why_add(why,
		"agentd never replaces a CA: plan its change, every node and client trusts it");
	reason(why, cert_expires_before(ca, ctx->now) ? "CAExpired" : "CAExpiresSoon");
}

static void observe_kubelet(const struct context *ctx, struct why *why)
{
	_cleanup_(cert_unref) struct cert *cert = NULL;
	_cleanup_(key_unref) struct key *key = NULL;

	if (kubelet_files_load_certificate(ctx, &cert, &key) == 0 ||
	    ctx->now < cert_not_before(cert) + life_of(cert) * ROTATED_PERCENT / 100)
		return;
	tell_end(ctx, cert, "the kubelet's client certificate", why);
	why_add(why,
		"the kubelet has not rotated it: see its journal, and the certificate requests "
		"of this node");
	reason(why, cert_expires_before(cert, ctx->now) ? "KubeletCertificateExpired"
							: "KubeletCertificateNotRotated");
}

static void observe_leaf(const struct context *ctx, const struct profile *profile, struct why *why)
{
	_cleanup_free_ char *path = leaf_path(ctx, profile);
	_cleanup_(cert_unref) struct cert *cert = NULL;
	struct why request = { .text = "" };
	bool external = request_is_needed(ctx, profile->ca);
	int64_t late;

	if (leaf_load(ctx, profile, &cert, NULL) == 0)
		return; /* its own row tells */
	late = leaf_due(ctx, profile, cert) + life_of(cert) * LATE_PERCENT / 100;
	if (external &&
	    (leaf_due(ctx, profile, cert) <= ctx->now || leaf_is_asked(ctx, profile, cert)) &&
	    request_observe(ctx, profile, &request) == BLOCKED) {
		tell_end(ctx, cert, path, why);
		why_add(why, "%s", request.text);
		reason(why, "SignatureNeeded");
	} else if (!external && MIN(late, cert_not_after(cert)) <= ctx->now) {
		tell_end(ctx, cert, path, why);
		why_add(why, "it has not been renewed");
		reason(why, "RenewalFailed");
	}
}

static enum verdict validity_observe(struct context *ctx, const struct resource *row,
				     struct why *why)
{
	(void)row;
	observe_kubelet(ctx, why);
	if (role_is_worker(ctx->role)) {
		observe_ca(ctx, profile_find("ca"), why);
		return why->text[0] ? BLOCKED : IN_SYNC;
	}
	for (const struct profile *profile = profiles; profile->name; profile++) {
		if (!profile->ca)
			observe_ca(ctx, profile, why);
		else if (strcmp(profile->name, "kubelet.conf") != 0)
			observe_leaf(ctx, profile, why);
	}
	return why->text[0] ? BLOCKED : IN_SYNC;
}

/* Requests appear, and what is signed disappears from there. */
static void validity_paths(struct context *ctx, const struct resource *row,
			   struct trigger_list *ret)
{
	(void)row;
	if (role_is_control_plane(ctx->role))
		strv_add(&ret->paths, REQUEST_DIRECTORY);
}

const struct resource validity_rows[] = {
	{ .name = "certificates",
	  .title = "certificates are good and nobody has to do anything about them",
	  .roles = FOR_ANY,
	  .needs = { "certificate-ca", "certificate-apiserver", "kubelet-identity",
		     "tls-bootstrap" },
	  .triggers = { ON_LIST(validity_paths), ON_PATH(KUBELET_PKI "/"), EVERY(3600) },
	  .condition = "CertificatesValid",
	  .observe = validity_observe },
	{ 0 },
};
