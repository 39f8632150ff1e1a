/* Tests of agentd/kube/apipath.c and store.c. */
#include <string.h>

#include "agentd/kube/apipath.h"
#include "agentd/kube/names.h"
#include "agentd/kube/store.h"
#include "tests/unit/test-kube.h"

static const struct {
	const char *text, *version, *kind, *namespace, *name, *subresource;
} paths[] = {
	{ "/api/v1/nodes/w1", "v1", "Node", NULL, "w1", NULL },
	{ "/api/v1/nodes", "v1", "Node", NULL, NULL, NULL },
	{ "/api/v1/namespaces/kube-system", "v1", "Namespace", NULL, "kube-system", NULL },
	{ "/api/v1/namespaces", "v1", "Namespace", NULL, NULL, NULL },
	{ KUBE_SYSTEM_CONFIG_MAPS "/kubeadm-config", "v1", "ConfigMap", "kube-system",
	  "kubeadm-config", NULL },
	{ KUBE_SYSTEM_DEPLOYMENTS "/coredns", "apps/v1", "Deployment", "kube-system", "coredns",
	  NULL },
	{ KUBE_CLUSTER_ROLES "/kubeadm:get-nodes", "rbac.authorization.k8s.io/v1", "ClusterRole",
	  NULL, "kubeadm:get-nodes", NULL },
	{ KUBE_SYSTEM_PODS "/x/eviction", "v1", "Pod", "kube-system", "x", "eviction" },
	{ KUBE_CSRS "/c/approval", "certificates.k8s.io/v1", "CertificateSigningRequest", NULL, "c",
	  "approval" },
	{ KUBE_PODS, "v1", "Pod", NULL, NULL, NULL },
	{ "/apis/example.org/v1/things/x", "example.org/v1", NULL, NULL, "x", NULL },
};

static void assert_text(const char *is, const char *wanted)
{
	if (wanted)
		ck_assert_str_eq(is, wanted);
	else
		ck_assert_ptr_null(is);
}

START_TEST(test_a_path_names_an_object)
{
	_cleanup_(apipath_done) struct apipath path;

	ck_assert(apipath_parse(paths[_i].text, &path));
	assert_text(path.api_version, paths[_i].version);
	assert_text(apipath_kind(&path), paths[_i].kind);
	assert_text(path.namespace, paths[_i].namespace);
	assert_text(path.name, paths[_i].name);
	assert_text(path.subresource, paths[_i].subresource);
}
END_TEST

START_TEST(test_other_paths_name_no_object)
{
	static const char *const others[] = { "/readyz", "/version", "/", "/api/v1",
					      "/apis/apps/v1" };
	_cleanup_(apipath_done) struct apipath path;

	ck_assert(!apipath_parse(others[_i], &path));
	ck_assert_ptr_null(path.resource);
	ck_assert_ptr_null(apipath_kind(&path));
}
END_TEST

START_TEST(test_names_are_escaped_where_a_url_needs_it)
{
	_cleanup_free_ char *path = apipath_join("/c", "system:a.b-c/d e");
	_cleanup_free_ char *value = apipath_escape("a:b/c=d&e~f");

	ck_assert_str_eq(path, "/c/system:a.b-c%2Fd%20e");
	ck_assert_str_eq(value, "a%3Ab%2Fc%3Dd%26e~f");
}
END_TEST

static struct value *object(const char *namespace, const char *name, const char *version)
{
	struct value *value = value_new_map();

	value = value_put_at(value, value_new_string(name), "metadata", "name");
	if (namespace)
		value = value_put_at(value, value_new_string(namespace), "metadata", "namespace");
	return value_put_at(value, value_new_string(version), "metadata", "resourceVersion");
}

START_TEST(test_a_store_keeps_objects_in_order_of_their_names)
{
	_cleanup_(store_done) struct store store = STORE_INIT;

	store_put(&store, object("b", "y", "1"));
	store_put(&store, object("a", "z", "2"));
	store_put(&store, object("b", "x", "3"));
	store_put(&store, object(NULL, "n", "4"));
	store_put(&store, object("b", "y", "5"));
	ck_assert_uint_eq(store.count, 4);
	ck_assert_str_eq(store_name(store.items[0]), "n");
	ck_assert_str_eq(store_name(store.items[1]), "z");
	ck_assert_str_eq(store_name(store.items[2]), "x");
	ck_assert_str_eq(store_version(store_find(&store, "b", "y")), "5");

	store_remove(&store, "b", "x");
	store_remove(&store, "b", "absent");
	ck_assert_uint_eq(store.count, 3);
	ck_assert_ptr_null(store_find(&store, "b", "x"));
	ck_assert_ptr_null(store_find(&store, "", "y"));
	ck_assert_ptr_nonnull(store_find(&store, "", "n"));
}
END_TEST

Suite *suite_apipath(void)
{
	Suite *suite = suite_create("apipath");
	TCase *tcase = tcase_create("apipath");

	tcase_add_loop_test(tcase, test_a_path_names_an_object, 0, ARRAY_SIZE(paths));
	tcase_add_loop_test(tcase, test_other_paths_name_no_object, 0, 5);
	tcase_add_test(tcase, test_names_are_escaped_where_a_url_needs_it);
	tcase_add_test(tcase, test_a_store_keeps_objects_in_order_of_their_names);
	suite_add_tcase(suite, tcase);
	return suite;
}
