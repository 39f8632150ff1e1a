/* Certificates from profiles on worker threads; see issue.h. */
#include "agentd/resources/issue.h"

#include <errno.h>
#include <string.h>

#include "agentd/resources/files.h"
#include "common/alloc.h"
#include "common/parse.h"
#include "pki/ca.h"

enum { CLOCK_SKEW_S = 5 * 60 };

/* All that the worker sees. */
struct job {
	const struct profile *profile;
	enum key_algorithm algorithm;
	struct issue_names names;
	struct strv organizations;
	struct cert *ca_cert; /* NULL: it signs itself */
	struct key *ca_key;
	int64_t not_before, not_after;
	struct issued issued;
};

static void job_free(void *argument)
{
	struct job *job = argument;

	issue_names_done(&job->names);
	strv_done(&job->organizations);
	cert_unref(job->ca_cert);
	key_unref(job->ca_key);
	free(job->issued.certificate_pem);
	secret_unref(job->issued.key_pem);
	free(job);
}

void issue_names_done(struct issue_names *names)
{
	free(names->common_name);
	strv_done(&names->dns_names);
	strv_done(&names->addresses);
	*names = (struct issue_names){ 0 };
}

static char *service_address(const struct role *role)
{
	_cleanup_(strv_done) struct strv subnets = STRV_INIT;
	struct parse_address first;
	struct parse_cidr cidr;
	char text[INET6_ADDRSTRLEN];

	strv_split(&subnets, role->cluster.service_subnet, ',');
	if (subnets.count == 0 || parse_cidr(subnets.items[0], &cidr) < 0 ||
	    parse_cidr_nth(&cidr, 1, &first) < 0)
		return NULL;
	format_ip(&first, text);
	return xstrdup(text);
}

void issue_names_of(const struct role *role, const struct profile *profile, struct issue_names *ret)
{
	_cleanup_free_ char *address = service_address(role);
	char endpoint[256] = "";
	uint16_t port;
	struct profile_names names = {
		.node_name = role->node.name,
		.dns_domain = role->cluster.dns_domain,
		.advertise_address = role->advertise_address,
		.service_address = address,
		.api_server_sans = &role->cluster.api_server_sans,
		.etcd_server_sans = &role->cluster.etcd_server_sans,
		.etcd_peer_sans = &role->cluster.etcd_peer_sans,
	};

	*ret = (struct issue_names){ .common_name = profile_common_name(profile, role->node.name) };
	if (!profile->sans)
		return;
	if (role->cluster.control_plane_endpoint &&
	    parse_host_port(role->cluster.control_plane_endpoint, endpoint, sizeof(endpoint),
			    &port) == 0)
		names.control_plane_endpoint = endpoint;
	profile->sans(&names, &ret->dns_names, &ret->addresses);
}

int issue_load_signer(const struct context *ctx, const char *ca, struct cert **ret_cert,
		      struct key **ret_key, struct error *err)
{
	const struct profile *profile = profile_find(ca);
	_cleanup_free_ char *crt = files_pki(ctx, "%s.crt", profile->base_name);
	_cleanup_free_ char *key = files_pki(ctx, "%s.key", profile->base_name);
	_cleanup_(buf_done) struct buf text = BUF_INIT(FILES_CAP);
	_cleanup_(cert_unref) struct cert *cert = NULL;
	int r;

	if (!files_load(crt, &text))
		return error_set(err, ERROR_CONFIG, -ENOENT, "%s cannot be read", crt);
	r = cert_from_pem(text.data, text.length, &cert, err);
	if (r < 0)
		return error_wrap(err, r, "%s", crt);

	buf_reset(&text);
	if (!files_load(key, &text))
		return error_set(err, ERROR_CONFIG, -ENOENT, "%s cannot be read", key);
	r = key_from_pem(text.data, text.length, ret_key, err);
	secret_wipe(text.data, text.length);
	if (r < 0)
		return error_wrap(err, r, "%s", key);
	*ret_cert = TAKE_PTR(cert);
	return 0;
}

static int sign(struct job *job, const struct key *key, struct cert **ret, struct error *err)
{
	struct ca_request request = {
		.common_name = job->names.common_name,
		.organizations = &job->organizations,
		.dns_names = &job->names.dns_names,
		.addresses = &job->names.addresses,
		.usages = job->profile->usages,
		.not_before = job->not_before,
		.not_after = job->not_after,
	};

	if (!job->ca_cert)
		return ca_self_sign(key, job->names.common_name, job->not_before, job->not_after,
				    ret, err);
	return ca_sign(job->ca_cert, job->ca_key, key, &request, ret, err);
}

static int issue(void *argument, struct error *err)
{
	struct job *job = argument;
	_cleanup_(key_unref) struct key *key = NULL;
	_cleanup_(cert_unref) struct cert *cert = NULL;
	_cleanup_(buf_done) struct buf pem = BUF_INIT(FILES_CAP);
	int r;

	r = key_generate(job->algorithm, &key, err);
	if (r < 0)
		return error_wrap(err, r, "key of %s", job->profile->name);
	r = sign(job, key, &cert, err);
	if (r < 0)
		return error_wrap(err, r, "certificate %s", job->profile->name);

	cert_to_pem(cert, &pem);
	job->issued.certificate_pem = buf_take(&pem);
	job->issued.key_pem = key_to_pem(key);
	return 0;
}

static struct op *issue_now(struct loop *loop, struct job *job)
{
	static const struct op_kind kind = { .name = "issue", .free = job_free };
	struct op *op = op_new(loop, &kind, job);
	struct error err = ERROR_INIT;

	if (issue(job, &err) < 0)
		op_fail(op, &err);
	else
		op_complete(op, NULL);
	return op;
}

struct op *issue_certificate(struct context *ctx, const struct role *role,
			     const struct profile *profile, enum key_algorithm algorithm,
			     struct error *err)
{
	struct job *job = NEW(struct job);
	int64_t validity = profile->ca ? role->cluster.certificate_validity_s
				       : role->cluster.ca_certificate_validity_s;
	int64_t now = clock_wall(ctx->clock);

	job->profile = profile;
	job->algorithm = algorithm;
	job->not_before = now - CLOCK_SKEW_S;
	job->not_after = now + validity;
	if (profile->organization)
		strv_add(&job->organizations, profile->organization);
	issue_names_of(role, profile, &job->names);
	if (profile->ca && issue_load_signer(ctx, profile->ca, &job->ca_cert, &job->ca_key, err) < 0) {
		job_free(job);
		return NULL;
	}
	/* A curve's key takes a tenth of a millisecond: queueing it behind RSA keys would cost
	 * more. */
	if (algorithm == KEY_ECDSA_P256 || algorithm == KEY_ECDSA_P384)
		return issue_now(ctx->loop, job);
	return work_run(ctx->work, profile_rank(profile), issue, job, job_free);
}

const struct issued *issue_result(const struct op *op)
{
	return &((const struct job *)op_impl(op))->issued;
}

bool issue_load_ca(const struct context *ctx, const char *ca, struct cert_list *ret)
{
	_cleanup_free_ char *path = files_pki(ctx, "%s.crt", profile_find(ca)->base_name);
	_cleanup_(buf_done) struct buf text = BUF_INIT(FILES_CAP);
	struct error err = ERROR_INIT;

	return files_load(path, &text) &&
	       cert_list_from_pem(text.data, text.length, ret, &err) >= 0;
}

static bool has_all(const struct strv *wanted, const struct strv *found, struct why *why)
{
	STRV_FOREACH(name, wanted) {
		if (strv_contains(found, name))
			continue;
		why_set(why, "is not for %s", name);
		return false;
	}
	return true;
}

static bool names_fit(const struct role *role, const struct profile *profile,
		      const struct cert *cert, struct why *why)
{
	_cleanup_(issue_names_done) struct issue_names wanted = { 0 };
	_cleanup_(strv_done) struct strv dns_names = STRV_INIT, addresses = STRV_INIT;
	_cleanup_(strv_done) struct strv organizations = STRV_INIT;
	_cleanup_free_ char *common_name = cert_common_name(cert);

	issue_names_of(role, profile, &wanted);
	if (!common_name || strcmp(common_name, wanted.common_name) != 0) {
		why_set(why, "has the common name %s, not %s", common_name ? common_name : "(none)",
			wanted.common_name);
		return false;
	}
	cert_organizations(cert, &organizations);
	if (profile->organization && !strv_contains(&organizations, profile->organization)) {
		why_set(why, "is not of the group %s", profile->organization);
		return false;
	}
	cert_dns_names(cert, &dns_names);
	cert_addresses(cert, &addresses);
	return has_all(&wanted.dns_names, &dns_names, why) &&
	       has_all(&wanted.addresses, &addresses, why);
}

bool issue_is_early(const struct context *ctx, const struct cert *cert, struct why *why)
{
	char date[32];

	if (cert_not_before(cert) <= ctx->now)
		return false;
	format_time(cert_not_before(cert), date);
	why_set(why, "is valid only from %s on: the clock of this host is behind", date);
	return true;
}

enum verdict issue_observe(const struct context *ctx, const struct profile *profile,
			   const struct cert *cert, const struct key *key, struct why *why)
{
	_cleanup_(cert_list_done) struct cert_list roots = { 0 };
	struct error err = ERROR_INIT;

	if (!cert_has_key(cert, key)) {
		why_set(why, "does not belong to its key");
		return DRIFTED;
	}
	if (!issue_load_ca(ctx, profile->ca, &roots)) {
		why_set(why, "cannot be checked, its CA %s cannot be read", profile->ca);
		return DRIFTED;
	}
	if (issue_is_early(ctx, cert, why))
		return UNKNOWN;
	if (cert_verify(cert, &roots, ctx->now, &err) < 0) {
		why_set(why, "%s", err.message);
		return DRIFTED;
	}
	if ((cert_usages(cert) & profile->usages) != profile->usages) {
		why_set(why, "lacks a usage (server or client authentication)");
		return DRIFTED;
	}
	return names_fit(ctx->role, profile, cert, why) ? IN_SYNC : DRIFTED;
}
