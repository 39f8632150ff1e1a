/* A host in a directory of its own for tests of rows: files, ledger, role and context are the real
 * ones; what systemd and the API server tell is what a test says (test-resources-world.c takes the
 * place of their caches). */
#pragma once

#include <check.h>

#include "agentd/context.h"
#include "common/error.h"
#include "pki/cert.h"
#include "tests/unit/canned.h"

enum { WORLD_NOW = 1790000000 }; /* seconds since 1970 */

#define WORLD_NODE     "node-1"
#define WORLD_ADDRESS  "10.77.0.11"
#define WORLD_CRI      "unix:///run/cri.sock"
#define WORLD_TOKEN    "q3ob5z.7tq1m2zk9x0c4w8d"
#define WORLD_PIN      "sha256:1111111111111111111111111111111111111111111111111111111111111111"
#define WORLD_ID       "0123456789abcdef0123456789abcdef"
#define WORLD_PORTS_OK "Port-2379, Port-2380, Port-10250, Port-10257, Port-10259"
#define WORLD_PKI      "/etc/kubernetes/pki/"

/* Role files; the first two are complete, so more documents may follow. */
#define WORLD_ROLE(role) "apiVersion: agentd.io/v1alpha1\nkind: RoleConfiguration\nrole: " role "\n"
#define WORLD_REGISTRATION                                                \
	"nodeRegistration: {name: " WORLD_NODE ", criSocket: '" WORLD_CRI \
	"', ignorePreflightErrors: [NumCPU, Mem, " WORLD_PORTS_OK "]}\n"
#define WORLD_CONTROL_PLANE                                                  \
	WORLD_ROLE("control-plane")                                          \
	"---\napiVersion: kubeadm.k8s.io/v1beta4\nkind: InitConfiguration\n" \
	"bootstrapTokens: [{token: " WORLD_TOKEN "}]\n"                      \
	"localAPIEndpoint: {advertiseAddress: " WORLD_ADDRESS "}\n" WORLD_REGISTRATION
#define WORLD_WORKER                                                                 \
	"apiVersion: kubeadm.k8s.io/v1beta4\nkind: JoinConfiguration\n"              \
	"discovery: {bootstrapToken: {apiServerEndpoint: '" WORLD_ADDRESS ":6443', " \
	"token: " WORLD_TOKEN ", caCertHashes: ['" WORLD_PIN "']}}\n" WORLD_REGISTRATION

struct world {
	char root[32];
	struct clock_fake clock;
	struct settings settings;
	struct context ctx;
	unsigned forgotten;    /* how often the token was to be forgotten */
	struct canned *canned; /* the API server of ctx.kube; world_serve() makes both */
};
extern struct world world; /* one at a time */

/* A host with nothing of Kubernetes' on it, fit for both roles. */
void world_init(void);
void world_done(void);
void world_set_role(const char *text);
struct role *world_parse_role(const char *text);
/* Everything in memory is forgotten and read again, as by a restart; the ledger is saved before. */
void world_restart(void);

/* Files, by their paths on the host. */
char *world_path(const char *path); /* the caller frees */
void world_write(const char *path, const char *text, mode_t mode);
void world_read(const char *path, struct buf *buf);
bool world_exists(const char *path);
void world_remove(const char *path);
void world_chmod(const char *path, mode_t mode);
void world_link(const char *path, const char *target);

/* What others tell. */
void world_set_unit(const char *unit, const char *load, const char *active, const char *file);
/* An object of the cluster, as JSON with ' for "; NULL = it is missing. Others are unknown. */
void world_set_object(const char *collection, const char *name, const char *json);
void world_set_value(const char *collection, const char *name, struct value *value); /* consumes */
void world_set_objects_error(enum error_class class, const char *text);

/* From now on writing to the cluster is answered by world.canned. */
void world_serve(void);

/* Rows. */
const struct resource *world_row(const char *name);
enum verdict world_observe(const char *row, struct why *why);
/* Fails unless the row has that verdict, and the text stands in its reason. */
void world_expect(const char *row, enum verdict verdict, const char *reason);
/* Runs the row's stages as the engine would. Returns 0, or what failed. */
int world_apply(const char *row, struct error *err);
/* The same, and the clock goes on by so many seconds while the first stage waits. */
int world_apply_after(const char *row, unsigned seconds, struct error *err);
/* The same, and then it has to be in sync. */
void world_make(const char *row);
/* What the row keeps was never agentd's. */
void world_disown(const char *row);

/* Keys and certificates (test-resources-pki.c). */
struct key *world_new_key(void);
struct key *world_read_key(const char *path);
void world_write_key(const char *path, const struct key *key);
struct cert *world_read_cert(const char *path);
void world_write_cert(const char *path, const struct cert *cert);
/* A CA's certificate, for a day. */
struct cert *world_self_signed(const struct key *key);
/* A client's. */
struct cert *world_sign(const struct cert *ca, const struct key *ca_key, const struct key *key,
			const char *common_name, const char *organization, int64_t not_after);

/* A table of verdicts: each line changes a fresh host, then its row is looked at. */
struct world_case {
	const char *rule;
	void (*change)(void); /* may be NULL */
	const char *row;
	enum verdict verdict;
	const char *reason; /* part of it; NULL = none at all */
};
void world_check_case(const struct world_case *line);
