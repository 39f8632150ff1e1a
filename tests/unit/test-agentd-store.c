/* The accepted role on disk (agentd/role_store.c): what survives a restart, and what must not. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agentd/role_store.h"
#include "common/alloc.h"
#include "tests/unit/test-agentd.h"
#include "tests/unit/test-resources-world.h"

#define STORE  "/var/lib/agentd/role.json"
#define SECRET "7tq1m2zk9x0c4w8d" /* of WORLD_TOKEN */

static struct role_store *store;
static struct role *role; /* as the store has it */

static int open_store(struct error *err)
{
	struct role_host host = { .hostname = WORLD_NODE,
				  .root = world.root,
				  .kubelet_version = "v1.36.3" };
	_cleanup_free_ char *path = world_path(STORE);

	return role_store_open(path, &host, &store, &role, err);
}

static void reopen(void)
{
	struct error err = ERROR_INIT;

	store = role_store_free(store);
	role_unref(role);
	role = NULL;
	ck_assert_msg(open_store(&err) == 0, "%s", err.message);
}

static void setup(void)
{
	world_init();
	store = NULL;
	role = NULL;
	reopen();
}

static void teardown(void)
{
	role_store_free(store);
	role_unref(role);
	world_done();
}

static void accept_role(const char *text)
{
	struct error err = ERROR_INIT;

	role_unref(role);
	role = world_parse_role(text);
	role->generation = 0;
	ck_assert_msg(role_store_accept(store, role, &err) == 0, "%s", err.message);
}

static bool file_has(const char *text)
{
	_cleanup_(buf_done) struct buf found = BUF_INIT(MIB);

	world_read(STORE, &found);
	return strstr(found.data, text) != NULL;
}

static ino_t file_inode(void)
{
	_cleanup_free_ char *path = world_path(STORE);
	struct stat st;

	ck_assert_int_eq(stat(path, &st), 0);
	ck_assert_uint_eq(st.st_mode & 07777, 0600);
	return st.st_ino;
}

START_TEST(test_without_a_file_there_is_no_role)
{
	ck_assert_ptr_null(role);
	ck_assert_str_eq(role_store_seen(store), "");
	ck_assert(!world_exists(STORE));
}
END_TEST

static const char *const roles[] = { WORLD_CONTROL_PLANE, WORLD_WORKER };

START_TEST(test_an_accepted_role_is_the_same_after_a_restart)
{
	_cleanup_(buf_done) struct buf before = BUF_INIT(MIB), after = BUF_INIT(MIB);
	char digest[sizeof(role->digest)];

	accept_role(roles[_i]);
	ck_assert_uint_eq(role->generation, 1);
	memcpy(digest, role->digest, sizeof(digest));
	ck_assert_int_eq(role_write(role, &before), 0);
	reopen();
	ck_assert_int_eq(role_write(role, &after), 0);
	ck_assert_str_eq(after.data, before.data);
	ck_assert_uint_eq(role->generation, 1);
	ck_assert_str_eq(role->digest, digest);
	ck_assert_str_eq(role->source, "role");
	(void)file_inode();
}
END_TEST

START_TEST(test_generations_never_go_back)
{
	accept_role(WORLD_CONTROL_PLANE);
	reopen();
	accept_role(WORLD_CONTROL_PLANE "---\napiVersion: kubeadm.k8s.io/v1beta4\n"
					"kind: ClusterConfiguration\n");
	ck_assert_uint_eq(role->generation, 2);
	accept_role(WORLD_CONTROL_PLANE);
	reopen();
	ck_assert_uint_eq(role->generation, 3);
}
END_TEST

START_TEST(test_a_forgotten_token_is_in_no_file_and_the_role_still_parses)
{
	struct error err = ERROR_INIT;

	accept_role(WORLD_WORKER);
	ck_assert(file_has(SECRET));
	ck_assert_int_eq(role_store_forget_token(store, role, &err), 0);
	ck_assert(!file_has(SECRET));
	for (int restart = 0; restart < 2; restart++) {
		ck_assert_ptr_null(role->join.token);
		ck_assert_ptr_null(role->join.tls_bootstrap_token);
		ck_assert_uint_eq(role->generation, 1);
		ck_assert_str_eq(role->join.endpoint, WORLD_ADDRESS ":6443");
		ck_assert(strv_contains(&role->join.ca_cert_hashes, WORLD_PIN));
		reopen();
	}
	/* Twice is the same as once. */
	ck_assert_int_eq(role_store_forget_token(store, role, &err), 0);
	reopen();
	ck_assert_ptr_null(role->join.token);
}
END_TEST

START_TEST(test_a_new_role_brings_its_token_after_one_was_forgotten)
{
	struct error err = ERROR_INIT;

	accept_role(WORLD_WORKER);
	ck_assert_int_eq(role_store_forget_token(store, role, &err), 0);
	accept_role(WORLD_WORKER);
	reopen();
	ck_assert_ptr_nonnull(role->join.token);
	ck_assert_str_eq(secret_bytes(role->join.token), WORLD_TOKEN);
}
END_TEST

/* Nothing can be written below a file. */
static void break_storage(void)
{
	_cleanup_free_ char *state = world_path("/var/lib/agentd");
	_cleanup_free_ char *aside = world_path("/var/lib/aside");

	ck_assert_int_eq(rename(state, aside), 0);
	world_write("/var/lib/agentd", "", 0600);
}

START_TEST(test_what_could_not_be_written_has_not_happened)
{
	struct error err = ERROR_INIT;

	accept_role(WORLD_WORKER);
	break_storage();
	ck_assert_int_lt(role_store_forget_token(store, role, &err), 0);
	ck_assert_str_eq(secret_bytes(role->join.token), WORLD_TOKEN);
	ck_assert_str_eq(secret_bytes(role->join.tls_bootstrap_token), WORLD_TOKEN);
	err = ERROR_INIT;
	ck_assert_int_lt(role_store_set_seen(store, "abc", &err), 0);
	ck_assert_str_eq(role_store_seen(store), "");
	err = ERROR_INIT;
	role->generation = 0;
	ck_assert_int_lt(role_store_accept(store, role, &err), 0);
	ck_assert_uint_eq(role->generation, 0);
}
END_TEST

START_TEST(test_what_was_seen_is_kept_with_the_role_and_written_once)
{
	struct error err = ERROR_INIT;
	ino_t inode;

	accept_role(WORLD_WORKER);
	ck_assert_int_eq(role_store_set_seen(store, "abc", &err), 0);
	inode = file_inode();
	ck_assert_int_eq(role_store_set_seen(store, "abc", &err), 0);
	ck_assert_uint_eq(file_inode(), inode);
	reopen();
	ck_assert_str_eq(role_store_seen(store), "abc");
	accept_role(WORLD_WORKER);
	reopen();
	ck_assert_str_eq(role_store_seen(store), "abc");
}
END_TEST

/* clang-format off */
static const struct {
	const char *text, *message;
	int code;
} unreadable[] = {
	{ "", "role.json", 0 },
	{ "{\"version\": 1, \"text\": \"ki", "role.json", 0 },
	{ "{\"version\": 2}", "is of another version of agentd (format 2, this one knows 1)", -EPROTO },
	{ "{}", "is of another version of agentd", -EPROTO },
	{ "{\"version\": 1, \"text\": \"kind: Nothing\\n\"}", "role.json", 0 },
};
/* clang-format on */

START_TEST(test_a_file_that_cannot_be_read_is_an_error_and_stays)
{
	struct error err = ERROR_INIT;
	int r;

	store = role_store_free(store);
	world_write(STORE, unreadable[_i].text, 0600);
	r = open_store(&err);
	ck_assert_int_lt(r, 0);
	if (unreadable[_i].code != 0)
		ck_assert_int_eq(r, unreadable[_i].code);
	ck_assert_msg(strstr(err.message, unreadable[_i].message), "%s", err.message);
	ck_assert_ptr_null(store);
	ck_assert(file_has(unreadable[_i].text));
}
END_TEST

Suite *suite_agentd_store(void)
{
	Suite *suite = suite_create("role-store");
	TCase *tests = tcase_create("store");

	tcase_add_checked_fixture(tests, setup, teardown);
	tcase_add_test(tests, test_without_a_file_there_is_no_role);
	tcase_add_loop_test(tests, test_an_accepted_role_is_the_same_after_a_restart, 0,
			    ARRAY_SIZE(roles));
	tcase_add_test(tests, test_generations_never_go_back);
	tcase_add_test(tests, test_a_forgotten_token_is_in_no_file_and_the_role_still_parses);
	tcase_add_test(tests, test_a_new_role_brings_its_token_after_one_was_forgotten);
	tcase_add_test(tests, test_what_could_not_be_written_has_not_happened);
	tcase_add_test(tests, test_what_was_seen_is_kept_with_the_role_and_written_once);
	tcase_add_loop_test(tests, test_a_file_that_cannot_be_read_is_an_error_and_stays, 0,
			    ARRAY_SIZE(unreadable));
	suite_add_tcase(suite, tests);
	return suite;
}
