/* Looks names of hosts up on a worker thread; see lookup.h. The op is the job's or the timer's,
 * whichever comes first. */
#include "common/lookup.h"

#include <errno.h>
#include <netdb.h>
#include <resolv.h>
#include <sys/socket.h>

#include "common/alloc.h"

enum { ASK_S = 2, ASK_TIMES = 2 };

struct lookup {
	struct op *op, *job;
	struct loop_timer *timer;
	uint64_t timeout_ns;
};

/* The resolver's state is the thread's own. With its defaults a server that is silent is waited for
 * longer than anybody here does, and the process ends only when its threads have. */
static void be_impatient(void)
{
	if (!(_res.options & RES_INIT) && res_init() < 0)
		return;
	_res.retrans = ASK_S;
	_res.retry = ASK_TIMES;
}

static int ask(void *argument, struct error *err)
{
	const struct addrinfo hints = { .ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM };
	const char *name = argument;
	struct addrinfo *found = NULL;
	int code;

	be_impatient();
	code = getaddrinfo(name, NULL, &hints, &found);
	if (code == 0) {
		freeaddrinfo(found);
		return 0;
	}
	return error_set(err, ERROR_NETWORK, code == EAI_NONAME ? -ENOENT : -EAGAIN, "%s: %s", name,
			 gai_strerror(code));
}

static void job_done(struct op *job, void *userdata)
{
	struct lookup *lookup = userdata;

	loop_timer_disarm(lookup->timer);
	if (op_error(job))
		op_fail(lookup->op, op_error(job));
	else
		op_complete(lookup->op, NULL);
}

static void timer_over(void *userdata)
{
	struct lookup *lookup = userdata;
	struct error err = ERROR_INIT;

	lookup->job = op_drop(lookup->job);
	(void)error_set(&err, ERROR_NETWORK, -ETIMEDOUT, "no name server answered within %llu s",
			(unsigned long long)(lookup->timeout_ns / NSEC_PER_SEC));
	op_fail(lookup->op, &err);
}

static void lookup_cancel(void *impl)
{
	struct lookup *lookup = impl;

	loop_timer_disarm(lookup->timer);
	lookup->job = op_drop(lookup->job);
}

static void lookup_free(void *impl)
{
	struct lookup *lookup = impl;

	op_drop(lookup->job);
	loop_timer_free(lookup->timer);
	free(lookup);
}

struct op *lookup_host(struct work *work, struct loop *loop, const char *name, uint64_t timeout_ns)
{
	static const struct op_kind kind = { "lookup", lookup_cancel, lookup_free };
	struct lookup *lookup = NEW(struct lookup);

	lookup->timeout_ns = timeout_ns;
	lookup->timer = loop_timer_new(loop, timer_over, lookup);
	lookup->op = op_new(loop, &kind, lookup);
	lookup->job = work_run(work, false, ask, xstrdup(name), free);
	op_watch(lookup->job, job_done, lookup);
	loop_timer_arm(lookup->timer, timeout_ns, 0);
	return lookup->op;
}
