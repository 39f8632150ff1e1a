/* Role files of strangers: what is refused leaves nothing behind and says where and why; what is
 * accepted is written, read again as the same role, and gives the documents of a cluster. */
#include <string.h>

#include "agentd/role.h"
#include "agentd/schema/component.h"
#include "common/yaml.h"
#include "tests/fuzz/fuzz.h"

enum { TEXT_MAX = 1 << 20, READ_MAX = 256 * 1024 };

static int give_credential(void *userdata, const char *name, struct secret **ret)
{
	*ret = secret_new("q1w2e3.r4t5y6u7i8o9p0a1", 23);
	return 0;
}

static const struct role_address address = {
	.interface = "eth0",
	.is_up = true,
	.address = { .family = AF_INET, .bytes = { 10, 0, 0, 5 } },
};
static const struct role_host host = {
	.hostname = "node",
	.root = "/proc/self/fd", /* where nothing of a role can be */
	.kubelet_version = "v1.36.3",
	.credential = give_credential,
	.addresses = &address,
	.address_count = 1,
};

static void check_document(struct value *document)
{
	_cleanup_(buf_done) struct buf text = BUF_INIT(TEXT_MAX);
	_cleanup_(value_unref) struct value *again = NULL;
	struct error err = ERROR_INIT;

	assert(yaml_write(document, &text) == 0);
	if (text.length <= READ_MAX) {
		assert(yaml_parse_one(text.data, text.length, "again", &again, &err) == 0);
		assert(value_equal(document, again));
	}
	value_unref(document);
}

static void check_args(const struct role_args *args)
{
	for (size_t i = 0; i < args->count; i++)
		assert(args->items[i].name && args->items[i].name[0] && args->items[i].value);
}

/* What the rest of agentd takes for granted. */
static void check_whole(const struct role *role)
{
	const struct role_cluster *cluster = &role->cluster;

	check_args(&role->node.kubelet_extra_args);
	check_args(&cluster->api_server.extra_args);
	check_args(&cluster->controller_manager.extra_args);
	check_args(&cluster->scheduler.extra_args);
	check_args(&cluster->etcd_extra_args);
	assert(cluster->certificates_dir && cluster->certificates_dir[0] == '/');
	assert(cluster->service_subnet && cluster->dns_domain && cluster->image_repository);
	for (size_t i = 0; i < role->node.taints.count; i++)
		assert(role->node.taints.items[i].key && role->node.taints.items[i].effect);
	for (size_t i = 0; i < role->tokens.count; i++)
		assert(secret_length(role->tokens.items[i].token) == 23 &&
		       role->tokens.items[i].usages.count > 0);
	if (role_is_worker(role))
		assert(
		    (role->join.endpoint && role->join.token && role->join.tls_bootstrap_token) ||
		    role->join.file);
}

static void check_same(const struct role *a, const struct role *b)
{
	assert(a->kind == b->kind && a->tokens.count == b->tokens.count);
	assert(a->node.taints.is_set == b->node.taints.is_set);
	assert(a->node.taints.count == b->node.taints.count);
	assert(a->node.kubelet_extra_args.count == b->node.kubelet_extra_args.count);
	assert(a->component_health_timeout_s == b->component_health_timeout_s);
	assert(a->cluster.encryption_algorithm == b->cluster.encryption_algorithm);
	assert(a->join.replace_node == b->join.replace_node);
	assert(memcmp(&a->rotation, &b->rotation, sizeof(a->rotation)) == 0);
	assert(value_equal(a->kubelet, b->kubelet) && value_equal(a->kube_proxy, b->kube_proxy));
}

static void check_again(const struct role *role)
{
	_cleanup_(buf_done) struct buf printed = BUF_INIT(TEXT_MAX);
	_cleanup_(buf_done) struct buf written = BUF_INIT(TEXT_MAX);
	_cleanup_(buf_done) struct buf rewritten = BUF_INIT(TEXT_MAX);
	_cleanup_(role_unref) struct role *again = NULL;
	struct error err = ERROR_INIT;

	assert(role_print(role, &printed) == 0 && printed.length > 0);
	assert(role_write(role, &written) == 0);
	if (written.length > READ_MAX)
		return;
	assert(role_parse(written.data, written.length, "again", &host, &again, &err) == 0);
	assert(role_write(again, &rewritten) == 0);
	assert(strcmp(written.data, rewritten.data) == 0);
	assert(role_may_follow(role, again, &err) == 0);
	check_same(role, again);
}

static void check_accepted(const struct role *role)
{
	assert(role->kind == ROLE_NONE || (role->node.name && role->node.cri_socket));
	check_whole(role);
	check_again(role);
	if (!role_is_control_plane(role))
		return;
	assert(role->advertise_address && role->bind_port && role->cluster.kubernetes_version);
	assert(role->tokens.count > 0);
	check_document(role_cluster_document(role));
	check_document(kubelet_config_make(role, NULL, NULL));
	check_document(kube_proxy_config_make(role));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_(role_unref) struct role *role = NULL;
	struct error err = ERROR_INIT;
	int r;

	r = role_parse((const char *)data, size, "fuzz", &host, &role, &err);
	if (r < 0) {
		assert(!role && err.code == r && err.class == ERROR_CONFIG);
		assert(strncmp(err.message, "fuzz:", 5) == 0 && err.message[5]);
		for (const char *c = err.message; *c; c++)
			assert((unsigned char)*c >= ' ');
		return 0;
	}
	assert(role);
	check_accepted(role);
	return 0;
}
