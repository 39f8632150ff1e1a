/* Runs the suites of agentd/kube; each module has a file of its own beside this one. */
#include "tests/unit/test-kube.h"

#include <stdlib.h>
#include <string.h>

#include "common/alloc.h"
#include "common/json.h"

static void exchange(char *text, char from, char to)
{
	for (; *text; text++)
		if (*text == from)
			*text = to;
}

struct value *test_json(const char *text)
{
	_cleanup_free_ char *copy = xstrdup(text);
	struct error err = ERROR_INIT;
	struct value *value = NULL;

	exchange(copy, '\'', '"');
	ck_assert_msg(json_parse(copy, strlen(copy), "test", &value, &err) == 0, "%s: %s", text,
		      err.message);
	return value;
}

char *test_text(const struct value *value)
{
	_cleanup_(value_unref) struct value *sorted =
	    value ? value_sort_keys(value_ref(value)) : value_new_null();
	struct buf buf = BUF_INIT(64 * KIB);

	ck_assert_int_eq(json_write(sorted, 0, &buf), 0);
	exchange(buf.data, '"', '\'');
	return buf_take(&buf);
}

void world_init(struct world *world)
{
	static const struct http_identity nobody;

	clock_fake_init(&world->clock, 1700000000);
	world->loop = loop_new(&world->clock.clock);
	world->canned = canned_new();
	world->kube = kube_new(world->loop, canned_url(world->canned), &nobody);
}

void world_done(struct world *world)
{
	kube_free(world->kube);
	loop_free(world->loop);
	canned_free(world->canned);
}

void world_round(struct world *world)
{
	loop_once(world->loop, false);
	usleep(200);
}

void world_settle(struct world *world)
{
	for (int i = 0; i < 100; i++)
		world_round(world);
}

void world_finish(struct world *world, struct op *op)
{
	world_until(world, op_is_done(op));
}

void world_advance(struct world *world, unsigned seconds)
{
	clock_fake_advance(&world->clock, seconds * NSEC_PER_SEC);
	world_round(world);
}

int main(void)
{
	SRunner *runner = srunner_create(NULL);
	int failed;

	srunner_add_suite(runner, suite_apipath());
	srunner_add_suite(runner, suite_client());
	srunner_add_suite(runner, suite_cache());
	srunner_add_suite(runner, suite_objects());
	srunner_add_suite(runner, suite_policy());
	srunner_add_suite(runner, suite_mend());
	srunner_add_suite(runner, suite_lease());
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
