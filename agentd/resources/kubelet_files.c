/* The kubelet's client certificate on disk; see kubelet_files.h
 * (k8s.io/client-go util/certificate/certificate_store.go). */
#include "agentd/resources/kubelet_files.h"

#include <limits.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "agentd/resources/files.h"
#include "common/alloc.h"
#include "common/file.h"

int kubelet_files_keep_certificate(const struct context *ctx, const char *certificate_pem,
				   const struct secret *key_pem, struct error *err)
{
	_cleanup_free_ char *directory = context_path(ctx, KUBELET_PKI);
	_cleanup_free_ char *current = context_path(ctx, KUBELET_CURRENT);
	_cleanup_(buf_done) struct buf text = BUF_INIT(FILES_CAP);
	_cleanup_free_ char *path = NULL;
	struct file_content contents[2];
	time_t now = (time_t)clock_wall(ctx->clock);
	const char *target;
	char date[32];
	struct tm tm;
	int r;

	(void)strftime(date, sizeof(date), "%Y-%m-%d-%H-%M-%S", gmtime_r(&now, &tm));
	path = xasprintf("%s/kubelet-client-%s.pem", directory, date);
	(void)buf_append_string(&text, certificate_pem);
	(void)buf_append(&text, secret_bytes(key_pem), secret_length(key_pem));
	/* The link names the host's path, not the one below a test's root. */
	target = path + strlen(ctx->settings->root);
	contents[0] = (struct file_content){
		.path = path,
		.bytes = text.data,
		.length = text.length,
		.mode = 0600,
		.uid = (uid_t)-1,
		.gid = (gid_t)-1,
	};
	contents[1] = (struct file_content){
		.path = current,
		.bytes = target,
		.length = strlen(target),
		.mode = S_IFLNK,
	};
	r = file_make_directory(directory, 0755, err);
	if (r >= 0)
		r = files_replace_set(ctx, contents, ARRAY_SIZE(contents), err);
	secret_wipe(text.data, text.length);
	return r;
}

void kubelet_files_expect_certificate(const struct context *ctx)
{
	ledger_set_note(ctx->ledger, KUBELET_UNIT_ROW, "started-with", NULL);
}

/* Where the link leads, with the root in front; NULL if it is none. Caller frees. */
static char *current_target(const struct context *ctx)
{
	_cleanup_free_ char *current = context_path(ctx, KUBELET_CURRENT);
	char target[PATH_MAX];
	ssize_t n = readlink(current, target, sizeof(target) - 1);

	if (n <= 0)
		return NULL;
	target[n] = '\0';
	return target[0] == '/' ? context_path(ctx, "%s", target)
				: context_path(ctx, KUBELET_PKI "/%s", target);
}

int kubelet_files_load_certificate(const struct context *ctx, struct cert **ret_cert,
				   struct key **ret_key)
{
	_cleanup_(buf_done) struct buf text = BUF_INIT(FILES_CAP);
	_cleanup_free_ char *path = current_target(ctx);
	_cleanup_(cert_unref) struct cert *cert = NULL;
	_cleanup_(key_unref) struct key *key = NULL;
	struct error err = ERROR_INIT;
	int r;

	if (!path || !files_load(path, &text))
		return 0;
	r = cert_from_pem(text.data, text.length, &cert, &err);
	if (r >= 0)
		r = key_from_pem(text.data, text.length, &key, &err);
	secret_wipe(text.data, text.length);
	if (r < 0)
		return 0;
	*ret_cert = TAKE_PTR(cert);
	if (ret_key)
		*ret_key = TAKE_PTR(key);
	return 1;
}
