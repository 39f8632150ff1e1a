/* Events on the Node (agentd/events.c): which entries of the history they are, how often they are
 * written, and what they wait for. */
#include <string.h>
#include <unistd.h>

#include "agentd/events.h"
#include "agentd/kube/names.h"
#include "common/alloc.h"
#include "common/log.h"
#include "tests/unit/test-agentd.h"
#include "tests/unit/test-resources-world.h"

static struct events *events;

static void node_found(void)
{
	world_set_object(KUBE_NODES, WORLD_NODE,
			 "{'apiVersion':'v1','kind':'Node','metadata':{'name':'" WORLD_NODE
			 "','uid':'u-1'}}");
}

static void setup(void)
{
	_cleanup_free_ char *path = NULL;

	world_init();
	log_setup(LOG_EMERG, true);
	world_set_role(WORLD_WORKER);
	world_serve();
	path = world_path("/var/lib/agentd/history.json");
	world.ctx.history = history_open(world.ctx.loop, path);
	events = events_new(&world.ctx);
}

static void teardown(void)
{
	events_free(events);
	history_free(world.ctx.history);
	world_done();
}

#define STORED "{'apiVersion':'v1','kind':'Event','metadata':{'name':'any'}}"

static void passes(int rounds, size_t until)
{
	for (int i = 0; i < rounds && canned_count(world.canned) < until; i++) {
		events_pass(events);
		loop_once(world.ctx.loop, false);
		usleep(200);
	}
}

/* Passes until so many requests were sent in all, and a little longer. */
static void expect_requests(size_t count)
{
	passes(20000, count);
	passes(100, SIZE_MAX);
	ck_assert_uint_eq(canned_count(world.canned), count);
}

/* Whatever name the Event has, it is echoed by a server that does not look. */
static void accept_events(unsigned count)
{
	for (unsigned i = 0; i < count; i++)
		canned_reply(world.canned, 500, "{}");
}

static void repaired(const char *resource)
{
	history_add(world.ctx.history, "Repaired", resource, "mode 0644, not 0600");
}

START_TEST(test_an_event_is_about_the_node_and_applied)
{
	const char *line, *body;

	node_found();
	repaired("kubelet-config");
	expect_requests(1);
	line = canned_line(world.canned, 0);
	body = canned_body(world.canned, 0);
	ck_assert_ptr_nonnull(
	    strstr(line, "PATCH /api/v1/namespaces/default/events/" WORLD_NODE "."));
	ck_assert_ptr_nonnull(strstr(line, "fieldManager=agentd"));
	ck_assert_ptr_nonnull(strstr(body, "'involvedObject':{'apiVersion':'v1','kind':'Node',"
					   "'name':'" WORLD_NODE "','uid':'u-1'}"));
	ck_assert_ptr_nonnull(strstr(body, "'type':'Warning'"));
	ck_assert_ptr_nonnull(strstr(body, "'reason':'Repaired'"));
	ck_assert_ptr_nonnull(strstr(body, "'message':'kubelet-config: mode 0644, not 0600'"));
	ck_assert_ptr_nonnull(strstr(body, "'count':1"));
	ck_assert_ptr_nonnull(strstr(body, "'component':'agentd'"));
}
END_TEST

START_TEST(test_what_is_no_event_is_not_sent)
{
	node_found();
	history_add(world.ctx.history, "Blocked", "preflight", "no");
	history_add(world.ctx.history, "Whatever", "preflight", "no");
	expect_requests(0);
}
END_TEST

START_TEST(test_events_wait_for_the_node_and_are_counted_meanwhile)
{
	repaired("a");
	repaired("a");
	repaired("a");
	expect_requests(0);
	node_found();
	expect_requests(1);
	ck_assert_ptr_nonnull(strstr(canned_body(world.canned, 0), "'count':3"));
}
END_TEST

START_TEST(test_events_of_an_hour_ago_are_not_told_any_more)
{
	repaired("a");
	clock_fake_advance(&world.clock, 3700 * NSEC_PER_SEC);
	node_found();
	expect_requests(0);
}
END_TEST

START_TEST(test_what_a_former_run_did_is_not_told_again)
{
	node_found();
	repaired("a");
	events_free(events);
	events = events_new(&world.ctx);
	expect_requests(0);
}
END_TEST

/* Of a client error that cannot come right the next Event is sent. */
START_TEST(test_events_are_ten_at_once_and_then_one_a_minute)
{
	_cleanup_(buf_done) struct buf name = BUF_INIT(64);

	node_found();
	for (int i = 0; i < 40; i++)
		canned_reply(world.canned, 422,
			     "{'kind':'Status','apiVersion':'v1','status':'Failure','code':422,"
			     "'reason':'Invalid','message':'no'}");
	for (int i = 0; i < 30; i++) {
		buf_reset(&name);
		(void)buf_printf(&name, "row-%d", i);
		repaired(name.data);
	}
	expect_requests(10);
	clock_fake_advance(&world.clock, 61 * NSEC_PER_SEC);
	expect_requests(11);
	clock_fake_advance(&world.clock, 121 * NSEC_PER_SEC);
	expect_requests(13);
}
END_TEST

START_TEST(test_an_event_that_failed_is_sent_again_later)
{
	node_found();
	accept_events(2);
	repaired("a");
	expect_requests(1);
	clock_fake_advance(&world.clock, 120 * NSEC_PER_SEC);
	expect_requests(2);
	ck_assert_str_eq(canned_line(world.canned, 0), canned_line(world.canned, 1));
}
END_TEST

START_TEST(test_a_new_client_is_not_disturbed_by_the_old_one)
{
	node_found();
	repaired("a");
	events_pass(events);
	events_drop(events);
	kube_free(world.ctx.kube);
	world.ctx.kube = NULL;
	passes(100, SIZE_MAX);
}
END_TEST

Suite *suite_agentd_events(void)
{
	Suite *suite = suite_create("events");
	TCase *tests = tcase_create("events");

	tcase_add_checked_fixture(tests, setup, teardown);
	tcase_add_test(tests, test_an_event_is_about_the_node_and_applied);
	tcase_add_test(tests, test_what_is_no_event_is_not_sent);
	tcase_add_test(tests, test_events_wait_for_the_node_and_are_counted_meanwhile);
	tcase_add_test(tests, test_events_of_an_hour_ago_are_not_told_any_more);
	tcase_add_test(tests, test_what_a_former_run_did_is_not_told_again);
	tcase_add_test(tests, test_events_are_ten_at_once_and_then_one_a_minute);
	tcase_add_test(tests, test_an_event_that_failed_is_sent_again_later);
	tcase_add_test(tests, test_a_new_client_is_not_disturbed_by_the_old_one);
	suite_add_tcase(suite, tests);
	return suite;
}
