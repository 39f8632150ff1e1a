/* Worker threads for CPU-bound jobs; see work.h.
 *
 * One queue in, under one lock; results come back through an eventfd. Ops, arguments and everything
 * else belong to the loop's thread, but for the argument while its job runs. */
#include "common/work.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "common/alloc.h"

enum { THREADS_MAX = 4, IDLE_S = 3, STACK_SIZE = 1024 * 1024, NICE = 10 };

enum job_state { JOB_QUEUED, JOB_RUNNING, JOB_DONE };

struct job {
	struct work *work;
	struct op *op; /* NULL once it was dropped */
	work_fn fn;
	void *argument;
	void (*free_argument)(void *argument);
	int result;
	struct error error;
	enum job_state state; /* under the lock */
	unsigned rank;
	struct job *next;
};

/* Threads are joined, so that all that libraries keep for each of them is gone before we are. */
struct worker {
	struct work *work;
	pthread_t thread;
	bool started; /* and not joined: the loop's thread alone knows */
	bool ended;   /* under the lock */
};

struct work {
	struct loop *loop;
	struct loop_io *io;
	int fd;
	unsigned threads_max;
	pthread_mutex_t lock;
	pthread_cond_t wake;
	struct job *queue, *done; /* by rank; under the lock, like what follows */
	unsigned waiting;	  /* jobs in the queue */
	unsigned threads, idle;
	bool stop;
	struct worker workers[THREADS_MAX];
};

/* Behind all that have the same rank or a lower one. */
static void queue_add(struct job **queue, struct job *job)
{
	while (*queue && (*queue)->rank <= job->rank)
		queue = &(*queue)->next;
	job->next = *queue;
	*queue = job;
}

static struct job *queue_take(struct job **queue)
{
	struct job *job = *queue;

	if (job)
		*queue = job->next;
	return job;
}

static void queue_remove(struct job **queue, const struct job *job)
{
	while (*queue && *queue != job)
		queue = &(*queue)->next;
	if (*queue)
		*queue = job->next;
}

static void job_free(struct job *job)
{
	if (job->free_argument)
		job->free_argument(job->argument);
	free(job);
}

/* The workers. */

static struct job *next_job(struct work *work)
{
	struct job *job = queue_take(&work->queue);

	if (job)
		work->waiting--;
	return job;
}

/* Waits for a job for a few seconds. NULL = the thread shall end. Called with the lock held. */
static struct job *await_job(struct work *work)
{
	struct timespec until;
	struct job *job;
	int r = 0;

	(void)clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += IDLE_S;
	job = next_job(work);
	while (!job && !work->stop && r == 0) {
		work->idle++;
		r = pthread_cond_timedwait(&work->wake, &work->lock, &until);
		work->idle--;
		job = next_job(work);
	}
	return job;
}

static void wake_loop(struct work *work)
{
	const uint64_t one = 1;

	/* It can only fail when the counter is full, and then the loop is awake anyway. */
	(void)!write(work->fd, &one, sizeof(one));
}

/* Called with the lock held. */
static void hand_back(struct work *work, struct job *job)
{
	job->state = JOB_DONE;
	queue_add(&work->done, job);
	wake_loop(work);
}

static void *thread_main(void *argument)
{
	struct worker *worker = argument;
	struct work *work = worker->work;
	struct job *job;

	/* Linux has a priority for each thread. Without it a key takes only as long as it takes
	 * beside the kubelet. */
	(void)setpriority(PRIO_PROCESS, 0, NICE);
	(void)pthread_mutex_lock(&work->lock);
	while ((job = await_job(work)) != NULL) {
		job->state = JOB_RUNNING;
		(void)pthread_mutex_unlock(&work->lock);
		job->result = job->fn(job->argument, &job->error);
		(void)pthread_mutex_lock(&work->lock);
		hand_back(work, job);
	}
	work->threads--;
	worker->ended = true;
	wake_loop(work);
	(void)pthread_mutex_unlock(&work->lock);
	return NULL;
}

/* Called with the lock held, which who has ended does not need any more. */
static void join_ended(struct work *work)
{
	for (size_t i = 0; i < THREADS_MAX; i++) {
		struct worker *worker = &work->workers[i];

		if (!worker->started || !worker->ended)
			continue;
		(void)pthread_join(worker->thread, NULL);
		worker->started = worker->ended = false;
	}
}

/* Called with the lock held. Signals stay the main thread's. */
static int start_thread(struct work *work)
{
	struct worker *worker = work->workers;
	sigset_t all, old;
	pthread_attr_t attributes;
	int r;

	join_ended(work);
	while (worker->started)
		worker++;
	worker->work = work;

	(void)sigfillset(&all);
	(void)pthread_sigmask(SIG_SETMASK, &all, &old);
	(void)pthread_attr_init(&attributes);
	(void)pthread_attr_setstacksize(&attributes, STACK_SIZE);
	r = pthread_create(&worker->thread, &attributes, thread_main, worker);
	if (r == 0) {
		worker->started = true;
		work->threads++;
	}
	(void)pthread_attr_destroy(&attributes);
	(void)pthread_sigmask(SIG_SETMASK, &old, NULL);
	return -r;
}

/* The loop's side. */

static void collect(int fd, unsigned events, void *userdata)
{
	struct work *work = userdata;
	uint64_t count;
	struct job *job;

	if (read(fd, &count, sizeof(count)) < 0)
		return;
	for (;;) {
		(void)pthread_mutex_lock(&work->lock);
		join_ended(work);
		job = queue_take(&work->done);
		(void)pthread_mutex_unlock(&work->lock);
		if (!job)
			return;
		job->work = NULL;
		if (!job->op)
			job_free(job);
		else if (job->result < 0)
			op_fail(job->op, &job->error);
		else
			op_complete(job->op, NULL);
	}
}

/* A job that waits is taken back; one that runs is freed when it has ended. */
static void job_cancel(void *impl)
{
	struct job *job = impl;
	struct work *work = job->work;

	(void)pthread_mutex_lock(&work->lock);
	if (job->state == JOB_QUEUED) {
		queue_remove(&work->queue, job);
		work->waiting--;
		job->work = NULL;
	}
	(void)pthread_mutex_unlock(&work->lock);
}

static void job_dropped(void *impl)
{
	struct job *job = impl;

	job->op = NULL;
	if (!job->work)
		job_free(job);
}

struct op *work_run(struct work *work, unsigned rank, work_fn fn, void *argument,
		    void (*free_argument)(void *argument))
{
	static const struct op_kind kind = { "work", job_cancel, job_dropped };
	struct job *job = NEW(struct job);
	int r = 0;

	job->work = work;
	job->fn = fn;
	job->rank = rank;
	job->argument = argument;
	job->free_argument = free_argument;
	job->op = op_new(work->loop, &kind, job);
	op_show(job->op, argument);
	(void)pthread_mutex_lock(&work->lock);
	if (work->waiting >= work->idle && work->threads < work->threads_max)
		r = start_thread(work);
	if (r < 0 && work->threads == 0) {
		job->result = error_errno(&job->error, ERROR_STORAGE, r, "cannot start a thread");
		hand_back(work, job);
	} else {
		queue_add(&work->queue, job);
		work->waiting++;
		(void)pthread_cond_signal(&work->wake);
	}
	(void)pthread_mutex_unlock(&work->lock);
	return job->op;
}

static unsigned cpu_count(void)
{
	cpu_set_t set;

	if (sched_getaffinity(0, sizeof(set), &set) < 0)
		return 1;
	return (unsigned)CPU_COUNT(&set);
}

struct work *work_new(struct loop *loop, unsigned threads)
{
	struct work *work = NEW(struct work);
	pthread_condattr_t attributes;

	work->loop = loop;
	work->threads_max = MIN(threads ? threads : cpu_count(), (unsigned)THREADS_MAX);
	work->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	assert(work->fd >= 0);
	(void)pthread_condattr_init(&attributes);
	(void)pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
	(void)pthread_mutex_init(&work->lock, NULL);
	(void)pthread_cond_init(&work->wake, &attributes);
	(void)pthread_condattr_destroy(&attributes);
	work->io = loop_io_new(loop, work->fd, collect, work);
	loop_io_want(work->io, LOOP_READ);
	return work;
}

struct work *work_free(struct work *work)
{
	struct job *job;

	if (!work)
		return NULL;
	(void)pthread_mutex_lock(&work->lock);
	work->stop = true;
	(void)pthread_cond_broadcast(&work->wake);
	(void)pthread_mutex_unlock(&work->lock);
	for (size_t i = 0; i < THREADS_MAX; i++)
		if (work->workers[i].started)
			(void)pthread_join(work->workers[i].thread, NULL);
	/* Jobs that ran on after their op was dropped. */
	while ((job = queue_take(&work->done)) != NULL) {
		assert(!job->op);
		job_free(job);
	}
	loop_io_free(work->io);
	(void)close(work->fd);
	(void)pthread_cond_destroy(&work->wake);
	(void)pthread_mutex_destroy(&work->lock);
	free(work);
	return NULL;
}
