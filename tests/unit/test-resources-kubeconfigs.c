/* What the rows of kubeconfigs.c and kubelet_identity.c say of the kubeconfigs and client
 * certificates that they find, on a control plane and on a worker. */
#include <string.h>

#include "agentd/resources/kubelet_files.h"
#include "common/alloc.h"
#include "discovery/kubeconfig.h"
#include "tests/unit/test-resources-world.h"
#include "tests/unit/test-resources.h"

#define ADMIN	    "/etc/kubernetes/admin.conf"
#define SERVER	    "https://" WORLD_ADDRESS ":6443"
#define AGENTD_CRT  "/var/lib/agentd/pki/agentd.crt"
#define AGENTD_KEY  "/var/lib/agentd/pki/agentd.key"
#define CLUSTER	    "/var/lib/agentd/cluster.conf"
#define REQUEST_KEY "/var/lib/agentd/pki/kubelet-client.key"

/* Writes a kubeconfig in which one thing may be another. */
static void write_kubeconfig(const char *path, const char *server, const struct cert *ca,
			     const struct cert *cert, const struct key *key, mode_t mode)
{
	_cleanup_(kubeconfig_done) struct kubeconfig config = {
		.server = xstrdup(server),
		.cluster = xstrdup("kubernetes"),
		.user = xstrdup("kubernetes-admin"),
		.context = xstrdup("kubernetes-admin@kubernetes"),
		.key_pem = key_to_pem(key),
	};
	_cleanup_(buf_done) struct buf ca_pem = BUF_INIT(MIB), pem = BUF_INIT(MIB);
	_cleanup_(buf_done) struct buf text = BUF_INIT(MIB);

	cert_to_pem(ca, &ca_pem);
	cert_to_pem(cert, &pem);
	config.ca_pem = buf_take(&ca_pem);
	config.certificate_pem = buf_take(&pem);
	ck_assert_int_eq(kubeconfig_write(&config, &text), 0);
	world_write(path, text.data, mode);
}

/* Control plane. */

static void control_plane(void)
{
	world_init();
	world_set_role(WORLD_CONTROL_PLANE);
	world_make("certificate-ca");
	world_make("kubeconfig-admin");
	world_make("agentd-identity");
	world_make("kubelet-identity");
}

struct variation {
	const char *server, *common_name, *organization;
	bool other_ca, other_key;
	int64_t life_s;
};

static void write_admin(const struct variation *variation)
{
	_cleanup_(key_unref) struct key *key = world_new_key(), *other = world_new_key();
	_cleanup_(key_unref) struct key *ca_key =
	    variation->other_ca ? world_new_key() : world_read_key(WORLD_PKI "ca.key");
	_cleanup_(cert_unref) struct cert *ca =
	    variation->other_ca ? world_self_signed(ca_key) : world_read_cert(WORLD_PKI "ca.crt");
	_cleanup_(cert_unref) struct cert *cert = world_sign(
	    ca, ca_key, key, variation->common_name ? variation->common_name : "kubernetes-admin",
	    variation->organization ? variation->organization : "kubeadm:cluster-admins",
	    WORLD_NOW + (variation->life_s ? variation->life_s : 86400));

	write_kubeconfig(ADMIN, variation->server ? variation->server : SERVER, ca, cert,
			 variation->other_key ? other : key, 0600);
}

static void admin_fits(void)
{
	write_admin(&(struct variation){ 0 });
}
static void admin_gone(void)
{
	world_remove(ADMIN);
}
static void admin_torn(void)
{
	world_write(ADMIN, "apiVersion: v1\nkind: Config\nclus", 0600);
}
static void admin_of_another_ca(void)
{
	write_admin(&(struct variation){ .other_ca = true });
}
static void admin_with_another_key(void)
{
	write_admin(&(struct variation){ .other_key = true });
}
static void admin_elsewhere(void)
{
	write_admin(&(struct variation){ .server = "https://other.example.org:6443" });
}
static void admin_is_somebody(void)
{
	write_admin(&(struct variation){ .common_name = "somebody" });
}
static void admin_of_another_group(void)
{
	write_admin(&(struct variation){ .organization = "system:masters" });
}
static void admin_expired(void)
{
	write_admin(&(struct variation){ .life_s = -1 });
}
static void admin_readable(void)
{
	world_chmod(ADMIN, 0644);
}
static void clock_behind(void)
{
	world.ctx.now = WORLD_NOW - 2 * 86400;
}
static void foreign_admin_of_another_ca(void)
{
	world_disown("kubeconfig-admin");
	admin_of_another_ca();
}
static void foreign_admin_elsewhere(void)
{
	world_disown("kubeconfig-admin");
	admin_elsewhere();
}
static void foreign_admin_torn(void)
{
	world_disown("kubeconfig-admin");
	admin_torn();
}

static void agentd_key_gone(void)
{
	world_remove(AGENTD_KEY);
}
static void agentd_torn(void)
{
	world_write(AGENTD_CRT, "", 0600);
}
static void agentd_key_of_another(void)
{
	_cleanup_(key_unref) struct key *key = world_new_key();

	world_write_key(AGENTD_KEY, key);
}
static void node_renamed(void)
{
	free(world.ctx.role->node.name);
	world.ctx.role->node.name = xstrdup("node-2");
}
static void time_passed(void)
{
	world.ctx.now = WORLD_NOW + 366 * 86400;
}

/* Both roles. */

static void conf_gone(void)
{
	world_remove(KUBELET_CONF);
}
static void conf_readable(void)
{
	world_chmod(KUBELET_CONF, 0644);
}
static void link_gone(void)
{
	world_remove(KUBELET_CURRENT);
}
static void link_dangles(void)
{
	world_link(KUBELET_CURRENT, KUBELET_PKI "/none.pem");
}
static void conf_embeds(void)
{
	_cleanup_(key_unref) struct key *key = world_new_key();
	_cleanup_(cert_unref) struct cert *cert = world_self_signed(key);

	write_kubeconfig(KUBELET_CONF, SERVER, cert, cert, key, 0600);
}
static void server_moved(void)
{
	_cleanup_(buf_done) struct buf text = BUF_INIT(MIB);
	char *at;

	world_read(KUBELET_CONF, &text);
	at = strstr(text.data, WORLD_ADDRESS);
	ck_assert_ptr_nonnull(at);
	at[strlen(WORLD_ADDRESS) - 1] = '9';
	world_write(KUBELET_CONF, text.data, 0600);
}

/* Worker. */

static struct key *cluster_ca_key;
static struct cert *cluster_ca;

static void keep_certificate(const char *common_name, const struct key *written_key, int64_t life_s)
{
	_cleanup_(key_unref) struct key *key = world_new_key();
	_cleanup_(cert_unref) struct cert *cert = world_sign(
	    cluster_ca, cluster_ca_key, key, common_name, "system:nodes", WORLD_NOW + life_s);
	_cleanup_(secret_unref) struct secret *key_pem =
	    key_to_pem(written_key ? written_key : key);
	_cleanup_(buf_done) struct buf pem = BUF_INIT(MIB);
	struct error err = ERROR_INIT;

	cert_to_pem(cert, &pem);
	ck_assert_int_ge(kubelet_files_keep_certificate(&world.ctx, pem.data, key_pem, &err), 0);
}

static void worker(void)
{
	_cleanup_(buf_done) struct buf ca = BUF_INIT(MIB), text = BUF_INIT(MIB);

	world_init();
	world_set_role(WORLD_WORKER);
	cluster_ca_key = world_new_key();
	cluster_ca = world_self_signed(cluster_ca_key);
	keep_certificate("system:node:" WORLD_NODE, NULL, 86400);
	cert_to_pem(cluster_ca, &ca);
	ck_assert_int_eq(kubeconfig_write_kubelet(SERVER, ca.data, KUBELET_CURRENT, &text), 0);
	world_write(KUBELET_CONF, text.data, 0600);
	buf_reset(&text);
	ck_assert_int_eq(kubeconfig_write_cluster_info(SERVER, ca.data, &text), 0);
	world_write(CLUSTER, text.data, 0600);
}

static void worker_done(void)
{
	key_unref(cluster_ca_key);
	cert_unref(cluster_ca);
	world_done();
}

static void token_spent(void)
{
	world.ctx.role->join.token = secret_unref(world.ctx.role->join.token);
	world.ctx.role->join.tls_bootstrap_token =
	    secret_unref(world.ctx.role->join.tls_bootstrap_token);
}
static void of_another_node(void)
{
	world_remove(KUBELET_CURRENT);
	keep_certificate("system:node:other", NULL, 86400);
}
static void with_another_key(void)
{
	_cleanup_(key_unref) struct key *key = world_new_key();

	world_remove(KUBELET_CURRENT);
	keep_certificate("system:node:" WORLD_NODE, key, 86400);
}
static void expired(void)
{
	world_remove(KUBELET_CURRENT);
	keep_certificate("system:node:" WORLD_NODE, NULL, -1);
}
static void expired_and_token_spent(void)
{
	expired();
	token_spent();
}
static void conf_gone_and_token_spent(void)
{
	conf_gone();
	token_spent();
}
static void request_key_kept(void)
{
	_cleanup_(key_unref) struct key *key = world_new_key();

	world_write_key(REQUEST_KEY, key);
}

#define CP  "kubelet-identity"
#define TLS "tls-bootstrap"
#define ADM "kubeconfig-admin"
#define OWN "agentd-identity"

/* clang-format off */
static const struct world_case control_plane_cases[] = {
	{ "made",                    NULL,                   ADM, IN_SYNC, NULL },
	{ "somebody's that fits",    admin_fits,             ADM, IN_SYNC, NULL },
	{ "gone",                    admin_gone,             ADM, DRIFTED, "admin.conf is missing" },
	{ "torn",                    admin_torn,             ADM, DRIFTED, "cannot be read" },
	{ "another CA",              admin_of_another_ca,    ADM, DRIFTED, "is for a cluster with another CA" },
	{ "another key",             admin_with_another_key, ADM, DRIFTED, "does not belong to its key" },
	{ "another server",          admin_elsewhere,        ADM, DRIFTED, "talks to https://other.example.org:6443, not to " SERVER },
	{ "another user",            admin_is_somebody,      ADM, DRIFTED, "has the common name somebody" },
	{ "another group",           admin_of_another_group, ADM, DRIFTED, "is not of the group kubeadm:cluster-admins" },
	{ "expired",                 admin_expired,          ADM, DRIFTED, "has expired" },
	{ "clock behind",            clock_behind,           ADM, UNKNOWN, "the clock of this host is behind" },
	{ "readable by others",      admin_readable,         ADM, DRIFTED, "has mode 0644, not 0600" },
	{ "foreign, another CA",     foreign_admin_of_another_ca, ADM, BLOCKED, "it is not agentd's" },
	{ "foreign, torn",           foreign_admin_torn,     ADM, BLOCKED, "it is not agentd's" },
	{ "foreign, another server", foreign_admin_elsewhere, ADM, IN_SYNC, NULL },

	{ "own, made",               NULL,                   OWN, IN_SYNC, NULL },
	{ "own, key gone",           agentd_key_gone,        OWN, DRIFTED, "agentd.crt or its key is missing" },
	{ "own, torn",               agentd_torn,            OWN, DRIFTED, "agentd.crt or its key is missing" },
	{ "own, another key",        agentd_key_of_another,  OWN, DRIFTED, "does not belong to its key" },
	{ "own, another node",       node_renamed,           OWN, DRIFTED, "has the common name agentd:node-1, not agentd:node-2" },
	{ "own, expired",            time_passed,            OWN, DRIFTED, "has expired" },
	{ "own, clock behind",       clock_behind,           OWN, UNKNOWN, "the clock of this host is behind" },

	{ "kubelet, made",           NULL,                   CP, IN_SYNC, NULL },
	{ "kubelet, conf gone",      conf_gone,              CP, DRIFTED, "kubelet.conf is missing" },
	{ "kubelet, conf readable",  conf_readable,          CP, DRIFTED, "has mode 0644, not 0600" },
	{ "kubelet, link gone",      link_gone,              CP, DRIFTED, "leads to no certificate" },
	{ "kubelet, link dangles",   link_dangles,           CP, DRIFTED, "leads to no certificate" },
	{ "kubelet, conf embeds",    conf_embeds,            CP, DRIFTED, "does not use " KUBELET_CURRENT },
	{ "kubelet, another server", server_moved,           CP, DRIFTED, "not to " SERVER },
	{ "kubelet, another node",   node_renamed,           CP, DRIFTED, "certificate is system:node:node-1's, not system:node:node-2's" },
	{ "kubelet, expired",        time_passed,            CP, DRIFTED, "certificate expired on" },
	{ "kubelet, clock behind",   clock_behind,           CP, UNKNOWN, "the clock of this host is behind" },
};

static const struct world_case worker_cases[] = {
	{ "joined",                  NULL,                   TLS, IN_SYNC, NULL },
	{ "joined, token spent",     token_spent,            TLS, IN_SYNC, NULL },
	{ "conf gone",               conf_gone,              TLS, DRIFTED, "kubelet.conf is missing" },
	{ "conf gone, token spent",  conf_gone_and_token_spent, TLS, DRIFTED, "kubelet.conf is missing" },
	{ "conf readable",           conf_readable,          TLS, DRIFTED, "has mode 0644, not 0600" },
	{ "another server",          server_moved,           TLS, DRIFTED, "not to " SERVER },
	{ "another node",            of_another_node,        TLS, DRIFTED, "certificate is system:node:other's" },
	{ "another key",             with_another_key,       TLS, DRIFTED, "leads to no certificate with its key" },
	{ "expired",                 expired,                TLS, DRIFTED, "certificate expired on" },
	{ "expired, token spent",    expired_and_token_spent, TLS, BLOCKED, "write the token into the role" },
	{ "clock behind",            clock_behind,           TLS, UNKNOWN, "the clock of this host is behind" },
	{ "request's key kept",      request_key_kept,       TLS, DRIFTED, "has served and is still kept" },
};
/* clang-format on */

START_TEST(test_verdicts_on_a_control_plane)
{
	world_check_case(&control_plane_cases[_i]);
}
END_TEST

START_TEST(test_verdicts_on_a_worker)
{
	world_check_case(&worker_cases[_i]);
}
END_TEST

START_TEST(test_a_good_certificate_stays_when_what_is_around_it_is_mended)
{
	static void (*const changes[])(void) = { admin_readable, admin_elsewhere };
	_cleanup_(kubeconfig_done) struct kubeconfig before = { 0 }, after = { 0 };
	_cleanup_free_ char *path = world_path(ADMIN);
	struct error err = ERROR_INIT;

	changes[_i]();
	ck_assert_int_eq(kubeconfig_read(path, &before, &err), 1);
	world_make(ADM);
	ck_assert_int_eq(kubeconfig_read(path, &after, &err), 1);
	ck_assert_str_eq(after.certificate_pem, before.certificate_pem);
	ck_assert(secret_equal(after.key_pem, before.key_pem));
	ck_assert_str_eq(after.server, SERVER);
}
END_TEST

START_TEST(test_a_bad_certificate_is_made_again)
{
	static void (*const changes[])(void) = { admin_gone,	      admin_torn,
						 admin_of_another_ca, admin_with_another_key,
						 admin_is_somebody,   admin_expired };

	changes[_i]();
	world_make(ADM);
}
END_TEST

START_TEST(test_the_kubelets_certificate_stays_when_its_conf_is_written_again)
{
	_cleanup_(cert_unref) struct cert *old = NULL, *new = NULL;

	ck_assert_int_eq(kubelet_files_load_certificate(&world.ctx, &old, NULL), 1);
	conf_gone();
	world_make(CP);
	ck_assert_int_eq(kubelet_files_load_certificate(&world.ctx, &new, NULL), 1);
	ck_assert(cert_equal(old, new));
}
END_TEST

Suite *suite_resources_kubeconfigs(void)
{
	Suite *suite = suite_create("resources-kubeconfigs");
	TCase *control_plane_tests = tcase_create("control plane");
	TCase *worker_tests = tcase_create("worker");

	tcase_add_checked_fixture(control_plane_tests, control_plane, world_done);
	tcase_add_loop_test(control_plane_tests, test_verdicts_on_a_control_plane, 0,
			    ARRAY_SIZE(control_plane_cases));
	tcase_add_loop_test(control_plane_tests,
			    test_a_good_certificate_stays_when_what_is_around_it_is_mended, 0, 2);
	tcase_add_loop_test(control_plane_tests, test_a_bad_certificate_is_made_again, 0, 6);
	tcase_add_test(control_plane_tests,
		       test_the_kubelets_certificate_stays_when_its_conf_is_written_again);
	suite_add_tcase(suite, control_plane_tests);
	tcase_add_checked_fixture(worker_tests, worker, worker_done);
	tcase_add_loop_test(worker_tests, test_verdicts_on_a_worker, 0, ARRAY_SIZE(worker_cases));
	suite_add_tcase(suite, worker_tests);
	return suite;
}
