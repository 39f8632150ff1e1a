/* Tests of common/lookup.c. Names that this machine knows by itself and ones that nobody may ever
 * have (RFC 6761); no test needs a name server. */
#include "tests/unit/test-loop.h"

#include <errno.h>
#include <semaphore.h>
#include <string.h>

#include "common/lookup.h"

struct world {
	struct loop *loop;
	struct work *work;
};

static void world_init(struct world *world)
{
	world->loop = loop_new(clock_system());
	world->work = work_new(world->loop, 1);
}

static void world_done(struct world *world)
{
	work_free(world->work);
	loop_free(world->loop);
}
DEFINE_CLEANUP_VALUE(struct world, world_done)

static struct op *ask(struct world *world, const char *name, uint64_t timeout_ns)
{
	struct op *op = lookup_host(world->work, world->loop, name, timeout_ns);

	ck_assert(!op_is_done(op));
	while (!op_is_done(op))
		loop_once(world->loop, true);
	return op;
}

START_TEST(test_a_name_that_has_an_address_is_found)
{
	_cleanup_(world_done) struct world w;
	struct op *op;

	world_init(&w);
	op = ask(&w, "localhost", 30 * NSEC_PER_SEC);
	ck_assert_msg(!op_error(op), "%s", op_error(op) ? op_error(op)->message : "");
	op_drop(op);
	op = ask(&w, "127.0.0.1", 30 * NSEC_PER_SEC);
	ck_assert_ptr_null(op_error(op));
	op_drop(op);
}
END_TEST

START_TEST(test_a_name_without_an_address_is_an_error_that_names_it)
{
	_cleanup_(world_done) struct world w;
	struct op *op;

	world_init(&w);
	op = ask(&w, "nobody.invalid", 60 * NSEC_PER_SEC);
	ck_assert_ptr_nonnull(op_error(op));
	ck_assert_int_eq(op_error(op)->class, ERROR_NETWORK);
	ck_assert_msg(strncmp(op_error(op)->message, "nobody.invalid: ", 16) == 0, "%s",
		      op_error(op)->message);
	op_drop(op);
}
END_TEST

static int hold_the_thread(void *argument, struct error *err)
{
	(void)err;
	return sem_wait(argument);
}

START_TEST(test_silence_is_not_waited_for)
{
	_cleanup_(world_done) struct world w;
	struct op *op, *held;
	sem_t go;

	(void)sem_init(&go, 0, 0);
	world_init(&w);
	held = work_run(w.work, true, hold_the_thread, &go, NULL);
	op = ask(&w, "localhost", NSEC_PER_MSEC);
	ck_assert_ptr_nonnull(op_error(op));
	ck_assert_int_eq(op_error(op)->code, -ETIMEDOUT);
	op_drop(op);
	(void)sem_post(&go);
	while (!op_is_done(held))
		loop_once(w.loop, true);
	op_drop(held);
	(void)sem_destroy(&go);
}
END_TEST

START_TEST(test_a_dropped_question_has_no_answer)
{
	_cleanup_(world_done) struct world w;

	world_init(&w);
	op_drop(lookup_host(w.work, w.loop, "localhost", NSEC_PER_SEC));
	for (int i = 0; i < 10; i++)
		loop_once(w.loop, false);
}
END_TEST

Suite *lookup_suite(void)
{
	Suite *suite = suite_create("lookup");
	TCase *tcase = tcase_create("lookup");

	/* A name server that is silent is waited for. */
	tcase_set_timeout(tcase, 70);
	tcase_add_test(tcase, test_a_name_that_has_an_address_is_found);
	tcase_add_test(tcase, test_a_name_without_an_address_is_an_error_that_names_it);
	tcase_add_test(tcase, test_silence_is_not_waited_for);
	tcase_add_test(tcase, test_a_dropped_question_has_no_answer);
	suite_add_tcase(suite, tcase);
	return suite;
}
