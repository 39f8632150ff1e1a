/* Whether the sandbox is still whole; see sandbox.h. */
#include "agentd/sandbox.h"

#include <string.h>

#include "common/alloc.h"
#include "common/fs.h"

const char *const sandbox_directories[] = { "/etc/kubernetes", "/var/lib/kubelet", "/var/lib/etcd",
					    "/etc/systemd/system/kubelet.service.d", NULL };

struct sandbox {
	const struct context *ctx;
	bool was_writable[ARRAY_SIZE(sandbox_directories)];
};

static bool is_writable(const struct context *ctx, const char *directory)
{
	_cleanup_free_ char *path = context_path(ctx, "%s", directory);

	return fs_is_writable(path);
}

struct sandbox *sandbox_new(const struct context *ctx)
{
	struct sandbox *sandbox = NEW(struct sandbox);

	sandbox->ctx = ctx;
	for (size_t i = 0; sandbox_directories[i]; i++)
		sandbox->was_writable[i] = is_writable(ctx, sandbox_directories[i]);
	return sandbox;
}

struct sandbox *sandbox_free(struct sandbox *sandbox)
{
	free(sandbox);
	return NULL;
}

bool sandbox_is_directory(const char *path)
{
	for (size_t i = 0; sandbox_directories[i]; i++)
		if (strcmp(sandbox_directories[i], path) == 0)
			return true;
	return false;
}

const char *sandbox_lost(const struct sandbox *sandbox)
{
	for (size_t i = 0; sandbox_directories[i]; i++)
		if (sandbox->was_writable[i] && !is_writable(sandbox->ctx, sandbox_directories[i]))
			return sandbox_directories[i];
	return NULL;
}
