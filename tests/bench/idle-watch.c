/* What idle watches cost: `idle-watch SECONDS WATCHES CA URL` opens so many streams over TLS and
 * prints, as JSON, how often the process woke up in that time and how much memory of its own it
 * has before and after. tests/bench/idle-watch.py gives it a server. */
#include <stdio.h>
#include <string.h>

#include "common/alloc.h"
#include "common/file.h"
#include "common/http.h"

enum { WATCHES_MAX = 64, SETTLE_S = 2 };

static int line_came(const char *line, size_t length, void *userdata)
{
	++*(unsigned *)userdata;
	return 0;
}

/* A number of /proc/self/status. */
static long status_of(const char *name)
{
	FILE *file = fopen("/proc/self/status", "re");
	char line[256];
	long number = -1;

	while (file && fgets(line, sizeof(line), file))
		if (strncmp(line, name, strlen(name)) == 0)
			number = strtol(line + strlen(name) + 1, NULL, 10);
	if (file)
		(void)fclose(file);
	return number;
}

static void sleep_for(struct loop *loop, unsigned long s)
{
	struct op *op = op_new_sleep(loop, s * NSEC_PER_SEC);

	while (!op_is_done(op))
		loop_once(loop, true);
	op_drop(op);
}

static void measure(struct loop *loop, unsigned long s, long memory_before)
{
	uint64_t wakeups = loop_wakeups(loop);
	long switches = status_of("voluntary_ctxt_switches");

	sleep_for(loop, s);
	/* The last wake-up is the one that ends the measurement. */
	printf("{\"seconds\": %lu, \"loop_wakeups\": %llu, \"context_switches\": %ld,"
	       " \"threads\": %ld, \"kib_before\": %ld, \"kib_with_watches\": %ld}\n",
	       s, (unsigned long long)(loop_wakeups(loop) - wakeups - 1),
	       status_of("voluntary_ctxt_switches") - switches - 1, status_of("Threads"),
	       memory_before, status_of("RssAnon"));
}

int main(int argc, char **argv)
{
	_cleanup_(buf_done) struct buf ca = BUF_INIT(MIB);
	struct op *ops[WATCHES_MAX] = { NULL };
	struct error err = ERROR_INIT;
	unsigned long watches;
	struct loop *loop;
	struct http *http;
	unsigned lines = 0;
	long memory;

	if (argc != 5 || file_read(argv[3], &ca, &err) < 1)
		return fputs("Usage: idle-watch SECONDS WATCHES CA URL\n", stderr), 2;
	watches = MIN(strtoul(argv[2], NULL, 10), (unsigned long)WATCHES_MAX);
	loop = loop_new(clock_system());
	memory = status_of("RssAnon");
	http = http_new(loop, &(struct http_identity){ .ca_pem = ca.data });
	for (unsigned long i = 0; i < watches; i++) {
		ops[i] = http_send(http,
				   &(struct http_request){
				       .method = "GET",
				       .url = argv[4],
				       .stall_s = 3600,
				       .on_line = line_came,
				       .userdata = &lines,
				   },
				   &err);
		if (!ops[i])
			return fprintf(stderr, "idle-watch: %s\n", err.message), 1;
	}
	while (lines < watches)
		loop_once(loop, true);
	sleep_for(loop, SETTLE_S);
	measure(loop, strtoul(argv[1], NULL, 10), memory);
	for (unsigned long i = 0; i < watches; i++)
		op_drop(ops[i]);
	http_free(http);
	loop_free(loop);
	return 0;
}
