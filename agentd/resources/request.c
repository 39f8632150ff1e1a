/* Certificate requests that somebody else signs; see request.h. */
#include "agentd/resources/request.h"

#include <string.h>

#include "agentd/resources/files.h"
#include "common/alloc.h"
#include "common/file.h"
#include "common/fs.h"
#include "pki/csr.h"

static char *path_of(const struct context *ctx, const struct profile *profile, const char *ending)
{
	return context_path(ctx, REQUEST_DIRECTORY "%s.%s", profile->name, ending);
}

bool request_is_needed(const struct context *ctx, const char *ca)
{
	const struct profile *profile = profile_find(ca);
	_cleanup_free_ char *crt = files_pki(ctx, "%s.crt", profile->base_name);
	_cleanup_free_ char *key = files_pki(ctx, "%s.key", profile->base_name);

	return fs_exists(crt) && !fs_exists(key);
}

void request_paths(const struct profile *profile, struct trigger_list *ret)
{
	strv_addf(&ret->paths, REQUEST_DIRECTORY "%s.crt", profile->name);
	strv_addf(&ret->paths, REQUEST_DIRECTORY "%s.csr", profile->name);
}

static struct key *load_key(const struct context *ctx, const struct profile *profile)
{
	_cleanup_free_ char *path = path_of(ctx, profile, "key");
	_cleanup_(buf_done) struct buf text = BUF_INIT(FILES_CAP);
	struct error err = ERROR_INIT;
	struct key *key = NULL;

	if (files_load(path, &text))
		(void)key_from_pem(text.data, text.length, &key, &err);
	secret_wipe(text.data, text.length);
	return key;
}

static struct cert *load_cert(const struct context *ctx, const struct profile *profile)
{
	_cleanup_free_ char *path = path_of(ctx, profile, "crt");
	_cleanup_(buf_done) struct buf text = BUF_INIT(FILES_CAP);
	struct error err = ERROR_INIT;
	struct cert *cert = NULL;

	if (files_load(path, &text))
		(void)cert_from_pem(text.data, text.length, &cert, &err);
	return cert;
}

/* Whether the request is there, for the key that lies beside it and for all names that the role
 * wants. */
static bool is_asked(const struct context *ctx, const struct profile *profile,
		     const struct key *key)
{
	_cleanup_free_ char *path = path_of(ctx, profile, "csr");
	_cleanup_(buf_done) struct buf text = BUF_INIT(FILES_CAP);
	_cleanup_(issue_names_done) struct issue_names wanted = { 0 };
	_cleanup_(csr_names_done) struct csr_names asked = { 0 };
	struct error err = ERROR_INIT;

	if (!key || !files_load(path, &text) ||
	    csr_has_key(text.data, text.length, key, &err) <= 0 ||
	    csr_read(text.data, text.length, &asked, &err) < 0)
		return false;
	issue_names_of(ctx->role, profile, &wanted);
	STRV_FOREACH(name, &wanted.dns_names)
		if (!strv_contains(&asked.dns_names, name))
			return false;
	STRV_FOREACH(address, &wanted.addresses)
		if (!strv_contains(&asked.addresses, address))
			return false;
	return true;
}

enum verdict request_observe(const struct context *ctx, const struct profile *profile,
			     struct why *why)
{
	_cleanup_free_ char *csr = path_of(ctx, profile, "csr");
	_cleanup_free_ char *crt = path_of(ctx, profile, "crt");
	_cleanup_free_ char *ca = files_pki(ctx, "%s.key", profile_find(profile->ca)->base_name);
	_cleanup_(key_unref) struct key *key = load_key(ctx, profile);
	_cleanup_(cert_unref) struct cert *cert = load_cert(ctx, profile);
	struct why fault = { .text = "" };

	if (!is_asked(ctx, profile, key)) {
		why_set(why, "%s is not here: a request for its holder is made", ca);
		return DRIFTED;
	}
	if (cert && issue_observe(ctx, profile, cert, key, &fault) == IN_SYNC) {
		why_set(why, "%s is signed", crt);
		return DRIFTED;
	}
	why_set(why, "%s is not here: let its holder sign %s, and put the certificate at %s", ca,
		csr, crt);
	if (fs_exists(crt))
		why_add(why, "the one that lies there cannot be used, it %s",
			cert ? fault.text : "cannot be read");
	return BLOCKED;
}

int request_signed(const struct context *ctx, const struct profile *profile, struct issued *ret)
{
	_cleanup_(key_unref) struct key *key = load_key(ctx, profile);
	_cleanup_(cert_unref) struct cert *cert = load_cert(ctx, profile);
	_cleanup_(buf_done) struct buf pem = BUF_INIT(FILES_CAP);
	struct why why = { .text = "" };

	if (!key || !cert || issue_observe(ctx, profile, cert, key, &why) != IN_SYNC)
		return 0;
	cert_to_pem(cert, &pem);
	*ret = (struct issued){ .certificate_pem = buf_take(&pem), .key_pem = key_to_pem(key) };
	return 1;
}

int request_keep(const struct context *ctx, const struct profile *profile,
		 const struct issued *issued, struct error *err)
{
	_cleanup_free_ char *directory = context_path(ctx, REQUEST_DIRECTORY);
	_cleanup_free_ char *csr = path_of(ctx, profile, "csr");
	_cleanup_free_ char *key = path_of(ctx, profile, "key");
	struct file_content contents[] = {
		{ .path = key,
		  .bytes = secret_bytes(issued->key_pem),
		  .length = secret_length(issued->key_pem),
		  .mode = 0600,
		  .uid = (uid_t)-1,
		  .gid = (gid_t)-1 },
		{ .path = csr,
		  .bytes = issued->request_pem,
		  .length = strlen(issued->request_pem),
		  .mode = 0600,
		  .uid = (uid_t)-1,
		  .gid = (gid_t)-1 },
	};
	int r;

	r = file_make_directory(directory, 0700, err);
	if (r < 0)
		return r;
	return files_replace_set(ctx, contents, ARRAY_SIZE(contents), err);
}

int request_remove(const struct context *ctx, const struct profile *profile, struct error *err)
{
	static const char *const endings[] = { "csr", "crt", "key" };

	for (size_t i = 0; i < ARRAY_SIZE(endings); i++) {
		_cleanup_free_ char *path = path_of(ctx, profile, endings[i]);
		int r = file_remove(path, err);

		if (r < 0)
			return r;
	}
	return 0;
}
