/* Tests of common/work.c. Jobs wait for the test where their order matters, never for the clock. */
#include "tests/unit/test-loop.h"

#include <dirent.h>
#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <string.h>

#include "common/alloc.h"
#include "common/macros.h"
#include "common/work.h"

/* What jobs do and leave behind; counters are atomic because workers touch them. */
struct world {
	struct loop *loop;
	struct work *work;
	sem_t go, started;
	char order[16];
	unsigned run, freed, done;
};

struct job {
	struct world *world;
	char letter;
	int answer;
};

static void world_init(struct world *world, unsigned threads)
{
	*world = (struct world){ .loop = loop_new(clock_system()) };
	world->work = work_new(world->loop, threads);
	(void)sem_init(&world->go, 0, 0);
	(void)sem_init(&world->started, 0, 0);
}

static void world_done(struct world *world)
{
	work_free(world->work);
	loop_free(world->loop);
	(void)sem_destroy(&world->go);
	(void)sem_destroy(&world->started);
}
DEFINE_CLEANUP_VALUE(struct world, world_done)

static int job_note(void *argument, struct error *err)
{
	struct job *job = argument;
	unsigned n = __atomic_fetch_add(&job->world->run, 1, __ATOMIC_SEQ_CST);

	job->world->order[n] = job->letter;
	if (job->answer < 0)
		return error_set(err, ERROR_BUG, job->answer, "job %c", job->letter);
	return 0;
}

static int job_wait(void *argument, struct error *err)
{
	struct job *job = argument;

	(void)sem_post(&job->world->started);
	(void)sem_wait(&job->world->go);
	return job_note(argument, err);
}

static void job_free(void *argument)
{
	struct job *job = argument;

	job->world->freed++;
	free(job);
}

static void count(struct op *op, void *userdata)
{
	((struct world *)userdata)->done++;
}

static struct op *start(struct world *world, work_fn fn, unsigned rank, char letter, int answer)
{
	struct job *job = NEW(struct job);
	struct op *op;

	*job = (struct job){ .world = world, .letter = letter, .answer = answer };
	op = work_run(world->work, rank, fn, job, job_free);
	op_watch(op, count, world);
	return op;
}

static void run_until(struct world *world, unsigned done)
{
	while (world->done < done)
		loop_once(world->loop, true);
}

START_TEST(test_result_comes_back_on_the_loop_and_the_argument_is_shown)
{
	_cleanup_(world_done) struct world w;
	struct op *good, *bad;
	struct error err = ERROR_INIT;

	world_init(&w, 1);
	good = start(&w, job_note, 0, 'a', 0);
	bad = start(&w, job_note, 0, 'b', -EILSEQ);
	ck_assert(!op_is_done(good));
	run_until(&w, 2);
	ck_assert_ptr_null(op_error(good));
	ck_assert_int_eq(((struct job *)op_impl(good))->letter, 'a');
	ck_assert_int_eq(op_result(bad, &err), -EILSEQ);
	ck_assert_str_eq(err.message, "job b");
	ck_assert_uint_eq(w.freed, 0);
	op_drop(good);
	op_drop(bad);
	ck_assert_uint_eq(w.freed, 2);
}
END_TEST

START_TEST(test_jobs_of_a_lower_rank_go_first)
{
	_cleanup_(world_done) struct world w;
	struct op *ops[5];

	world_init(&w, 1);
	ops[0] = start(&w, job_wait, 0, 'a', 0);
	(void)sem_wait(&w.started);
	ops[1] = start(&w, job_note, 2, 'b', 0);
	ops[2] = start(&w, job_note, 1, 'c', 0);
	ops[3] = start(&w, job_note, 2, 'd', 0);
	ops[4] = start(&w, job_note, 0, 'e', 0);
	(void)sem_post(&w.go);
	run_until(&w, 5);
	ck_assert_str_eq(w.order, "aecbd");
	for (unsigned i = 0; i < ARRAY_SIZE(ops); i++)
		op_drop(ops[i]);
}
END_TEST

START_TEST(test_jobs_run_side_by_side)
{
	_cleanup_(world_done) struct world w;
	struct op *a, *b;

	world_init(&w, 2);
	a = start(&w, job_wait, 0, 'a', 0);
	b = start(&w, job_wait, 0, 'b', 0);
	/* Neither can end before both have begun. */
	(void)sem_wait(&w.started);
	(void)sem_wait(&w.started);
	(void)sem_post(&w.go);
	(void)sem_post(&w.go);
	run_until(&w, 2);
	op_drop(a);
	op_drop(b);
}
END_TEST

START_TEST(test_queued_job_that_is_dropped_never_runs)
{
	_cleanup_(world_done) struct world w;
	struct op *first, *second, *third;

	world_init(&w, 1);
	first = start(&w, job_wait, 0, 'a', 0);
	(void)sem_wait(&w.started);
	second = start(&w, job_note, 0, 'b', 0);
	third = start(&w, job_note, 0, 'c', 0);
	op_drop(second);
	ck_assert_uint_eq(w.freed, 1);
	(void)sem_post(&w.go);
	run_until(&w, 2);
	ck_assert_str_eq(w.order, "ac");
	op_drop(first);
	op_drop(third);
}
END_TEST

START_TEST(test_running_job_that_is_dropped_keeps_its_argument_until_it_ends)
{
	_cleanup_(world_done) struct world w;
	struct op *first, *second;

	world_init(&w, 1);
	first = start(&w, job_wait, 0, 'a', 0);
	(void)sem_wait(&w.started);
	op_drop(first);
	ck_assert_uint_eq(w.freed, 0);
	second = start(&w, job_note, 0, 'b', 0);
	(void)sem_post(&w.go);
	run_until(&w, 1);
	ck_assert_str_eq(w.order, "ab");
	ck_assert_uint_eq(w.freed, 1);
	op_drop(second);
}
END_TEST

START_TEST(test_freeing_waits_for_the_job_that_runs)
{
	struct world w;

	world_init(&w, 1);
	op_drop(start(&w, job_note, 0, 'a', 0));
	op_drop(start(&w, job_wait, 0, 'b', 0));
	(void)sem_post(&w.go);
	world_done(&w);
	ck_assert_uint_eq(w.freed, 2);
	ck_assert_uint_eq(w.done, 0);
}
END_TEST

static unsigned thread_count(void)
{
	DIR *dir = opendir("/proc/self/task");
	unsigned count = 0;

	ck_assert_ptr_nonnull(dir);
	for (struct dirent *entry; (entry = readdir(dir)) != NULL;)
		count += entry->d_name[0] != '.';
	(void)closedir(dir);
	return count;
}

START_TEST(test_no_thread_is_left_when_there_is_nothing_to_do)
{
	_cleanup_(world_done) struct world w;
	unsigned before = thread_count();
	struct op *op;

	world_init(&w, 2);
	ck_assert_uint_eq(thread_count(), before);
	op = start(&w, job_wait, 0, 'a', 0);
	(void)sem_wait(&w.started);
	ck_assert_uint_eq(thread_count(), before + 1);
	(void)sem_post(&w.go);
	run_until(&w, 1);
	op_drop(op);
	op = op_new_sleep(w.loop, 3500 * NSEC_PER_MSEC);
	while (!op_is_done(op))
		loop_once(w.loop, true);
	op_drop(op);
	ck_assert_uint_eq(thread_count(), before);
}
END_TEST

Suite *work_suite(void)
{
	Suite *suite = suite_create("work");
	TCase *tcase = tcase_create("work");

	/* One of them waits for a thread to tire of waiting. */
	tcase_set_timeout(tcase, 20);
	tcase_add_test(tcase, test_result_comes_back_on_the_loop_and_the_argument_is_shown);
	tcase_add_test(tcase, test_jobs_of_a_lower_rank_go_first);
	tcase_add_test(tcase, test_jobs_run_side_by_side);
	tcase_add_test(tcase, test_queued_job_that_is_dropped_never_runs);
	tcase_add_test(tcase, test_running_job_that_is_dropped_keeps_its_argument_until_it_ends);
	tcase_add_test(tcase, test_freeing_waits_for_the_job_that_runs);
	tcase_add_test(tcase, test_no_thread_is_left_when_there_is_nothing_to_do);
	suite_add_tcase(suite, tcase);
	return suite;
}
