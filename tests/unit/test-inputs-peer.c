/* Tests of agentd/inputs/peer.c. The uids of other processes are for tests/integration. */
#include "tests/unit/test-inputs.h"

#include <sys/socket.h>
#include <unistd.h>

#include "agentd/inputs/peer.h"

START_TEST(test_pods_are_counted_in_the_path_of_a_cgroup)
{
	static const struct {
		const char *path;
		unsigned pods;
	} cases[] = {
		{ "/", 0 },
		{ "/system.slice/sshd.service", 0 },
		{ "/user.slice/user-1000.slice/session-3.scope", 0 },
		{ "/system.slice/kubelet.service", 0 },
		{ "/system.slice/not-kubepods/x", 0 },
		{ "/kubepods/besteffort/pod1234/abcd", 1 },
		{ "/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod1.slice/"
		  "cri-containerd-abcd.scope",
		  1 },
		{ "/kubepods/pod1/abcd/kubepods.slice/kubepods-pod2.slice/x", 2 },
		{ "/../../kubepods.slice/x", 1 },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		ck_assert_msg(peer_pods_of_path(cases[i].path) == cases[i].pods, "%s",
			      cases[i].path);
}
END_TEST

START_TEST(test_credentials_are_those_of_the_kernel)
{
	struct error err = ERROR_INIT;
	struct peer peer = { 0 };
	int fds[2];

	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
	ck_assert_int_eq(peer_read(fds[0], getgid(), peer_own_pods(), &peer, &err), 0);
	ck_assert_uint_eq(peer.uid, getuid());
	ck_assert_int_eq(peer.pid, getpid());
	ck_assert_int_eq(peer.is_root, getuid() == 0);
	ck_assert(peer.is_member);
	(void)close(fds[0]);
	(void)close(fds[1]);
}
END_TEST

START_TEST(test_without_a_group_nobody_is_a_member)
{
	struct error err = ERROR_INIT;
	struct peer peer = { 0 };
	int fds[2];

	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
	ck_assert_int_eq(peer_read(fds[0], (gid_t)-1, peer_own_pods(), &peer, &err), 0);
	ck_assert(!peer.is_member);
	(void)close(fds[0]);
	(void)close(fds[1]);
}
END_TEST

START_TEST(test_what_has_no_peer_is_refused)
{
	struct error err = ERROR_INIT;
	struct peer peer = { 0 };
	int fds[2];

	ck_assert_int_eq(pipe(fds), 0);
	ck_assert_int_lt(peer_read(fds[0], getgid(), 0, &peer, &err), 0);
	ck_assert_int_eq(err.class, ERROR_DENIED);
	ck_assert(!peer.is_root && !peer.is_member);
	(void)close(fds[0]);
	(void)close(fds[1]);
}
END_TEST

Suite *peer_suite(void)
{
	Suite *suite = suite_create("peer");
	TCase *cases = tcase_create("peer");

	tcase_add_test(cases, test_pods_are_counted_in_the_path_of_a_cgroup);
	tcase_add_test(cases, test_credentials_are_those_of_the_kernel);
	tcase_add_test(cases, test_without_a_group_nobody_is_a_member);
	tcase_add_test(cases, test_what_has_no_peer_is_refused);
	suite_add_tcase(suite, cases);
	return suite;
}
