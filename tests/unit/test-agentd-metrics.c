/* The metrics (agentd/metrics.c), and the file that they are written to (agentd/observer.c), held
 * against the rules of Prometheus' text format. */
#include <regex.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "agentd/metrics.h"
#include "agentd/observer.h"
#include "common/alloc.h"
#include "common/json.h"
#include "common/strv.h"
#include "tests/unit/test-agentd.h"
#include "tests/unit/test-resources-world.h"

#define STATUS                                                                                     \
	"{'version':'1.0','role':'control-plane','kubernetesVersion':'v1.36.3',"                   \
	"'generation':{'wanted':2,'reached':1},'counters':{'wakeups':7,'requests':9},"             \
	"'conditions':[{'type':'Ready','status':'True'},{'type':'Converged','status':'False'},"    \
	"{'type':'PodNetwork','status':'Unknown'}],'rows':["                                       \
	"{'name':'etcd','verdict':'in-sync','observed':3,'applied':2,'failed':1,'repaired':4,"     \
	"'fights':1,'lastRepair':'2026-09-21T14:13:20Z'},"                                         \
	"{'name':'a\\\\b\\'c\\nd','verdict':'drifted','error':'no','fightSince':'x','observed':1," \
	"'applied':0,'failed':0,'repaired':0,'fights':0}]}"

static struct value *status_of(const char *text)
{
	_cleanup_free_ char *json = xstrdup(text);
	struct value *status = NULL;
	struct error err = ERROR_INIT;

	/* ' stands for ", and \' for one in a string. */
	for (char *c = json; *c; c++)
		if (*c == '\'')
			*c = '"';
	ck_assert_msg(json_parse(json, strlen(json), "status", &status, &err) == 0, "%s",
		      err.message);
	return status;
}

static void write_text(const char *text, struct buf *buf)
{
	_cleanup_(value_unref) struct value *status = status_of(text);

	ck_assert_int_eq(metrics_write(status, buf), 0);
}

static void expect_line(const struct buf *text, const char *line)
{
	_cleanup_free_ char *whole = xasprintf("\n%s\n", line);

	ck_assert_msg(strstr(text->data, whole) != NULL, "no line %s in\n%s", line, text->data);
}

START_TEST(test_metrics_say_what_the_status_says)
{
	static const char *const lines[] = {
		"agentd_info{version=\"1.0\",role=\"control-plane\",kubernetes_version=\"v1.36.3\"}"
		" 1",
		"agentd_role_generation_wanted 2",
		"agentd_role_generation_reached 1",
		"agentd_loop_wakeups_total 7",
		"agentd_condition{type=\"Ready\",status=\"true\"} 1",
		"agentd_condition{type=\"Ready\",status=\"false\"} 0",
		"agentd_condition{type=\"Converged\",status=\"false\"} 1",
		"agentd_condition{type=\"PodNetwork\",status=\"unknown\"} 1",
		"agentd_resource_in_sync{resource=\"etcd\"} 1",
		"agentd_resource_in_sync{resource=\"a\\\\b\\\"c\\nd\"} 0",
		"agentd_resource_failing{resource=\"etcd\"} 0",
		"agentd_resource_disputed{resource=\"a\\\\b\\\"c\\nd\"} 1",
		"agentd_resource_repairs_total{resource=\"etcd\"} 4",
		"agentd_resource_failures_total{resource=\"etcd\"} 1",
		"agentd_resource_last_repair_timestamp_seconds{resource=\"etcd\"} 1790000000",
	};
	_cleanup_(buf_done) struct buf text = BUF_INIT(MIB);

	write_text(STATUS, &text);
	for (size_t i = 0; i < ARRAY_SIZE(lines); i++)
		expect_line(&text, lines[i]);
	ck_assert_ptr_null(strstr(text.data, "last_repair_timestamp_seconds{resource=\"a"));
}
END_TEST

static bool matches(const char *pattern, const char *line)
{
	regex_t regex;
	bool does;

	ck_assert_int_eq(regcomp(&regex, pattern, REG_EXTENDED | REG_NOSUB), 0);
	does = regexec(&regex, line, 0, NULL, 0) == 0;
	regfree(&regex);
	return does;
}

#define NAME	"[a-zA-Z_:][a-zA-Z0-9_:]*"
#define LABEL	"[a-zA-Z_][a-zA-Z0-9_]*=\"([^\\\\\"]|\\\\[\\\\n\"])*\""
#define SAMPLE	"^" NAME "([{]" LABEL "(," LABEL ")*[}])? -?[0-9]+$"
#define COMMENT "^# (HELP " NAME " [A-Z].*[.]|TYPE " NAME " (gauge|counter))$"

/* The rules that promtool checks: every family has HELP and TYPE before its samples, once, is not
 * interleaved, and a counter ends in _total. */
static void check_text(const char *text)
{
	_cleanup_(strv_done) struct strv lines = STRV_INIT, families = STRV_INIT;
	_cleanup_(strv_done) struct strv samples = STRV_INIT;
	char family[128] = "", kind[16] = "", name[128];

	strv_split(&lines, text, '\n');
	STRV_FOREACH(line, &lines) {
		if (line[0] == '#') {
			ck_assert_msg(matches(COMMENT, line), "comment %s", line);
			if (sscanf(line, "# TYPE %127s %15s", name, kind) == 2) {
				ck_assert_str_eq(name, family);
				ck_assert_int_eq(strcmp(kind, "counter") == 0,
						 strstr(name, "_total") != NULL);
			} else {
				ck_assert_int_eq(sscanf(line, "# HELP %127s", family), 1);
				ck_assert_msg(!strv_contains(&families, family), "%s twice",
					      family);
				strv_add(&families, family);
			}
			continue;
		}
		ck_assert_msg(matches(SAMPLE, line), "sample %s", line);
		(void)snprintf(name, sizeof(name), "%.*s", (int)strcspn(line, "{ "), line);
		ck_assert_str_eq(name, family);
		*strrchr(line, ' ') = '\0';
		ck_assert_msg(!strv_contains(&samples, line), "%s twice", line);
		strv_add(&samples, line);
	}
}

static const char *const texts[] = { STATUS, "{}", "{'rows':[],'conditions':[]}" };

START_TEST(test_metrics_are_valid)
{
	_cleanup_(buf_done) struct buf text = BUF_INIT(MIB);

	write_text(texts[_i], &text);
	check_text(text.data);
	ck_assert_int_eq(text.data[text.length - 1], '\n');
}
END_TEST

/* The file. */

static unsigned asked;

static struct value *tell(void *owner)
{
	(void)owner;
	asked++;
	return status_of(STATUS);
}

#define DEFAULT "/var/lib/agentd/metrics/agentd.prom"

static struct observer *observe(const char *file)
{
	asked = 0;
	world.settings.metrics_file = file;
	return observer_new(&(struct observer_options){ .ctx = &world.ctx, .status = tell });
}

static void pass(struct observer *observer, bool changed, unsigned seconds)
{
	observer_pass(observer, changed);
	clock_fake_advance(&world.clock, seconds * NSEC_PER_SEC);
	loop_once(world.ctx.loop, false);
}

START_TEST(test_the_file_is_written_after_a_change_and_at_most_every_15_seconds)
{
	_cleanup_(observer_free) struct observer *observer = observe(NULL);
	_cleanup_free_ char *path = world_path(DEFAULT);
	_cleanup_(buf_done) struct buf text = BUF_INIT(MIB);
	struct stat st;

	pass(observer, false, 60);
	ck_assert(!world_exists(DEFAULT));
	pass(observer, true, 2);
	world_read(DEFAULT, &text);
	check_text(text.data);
	ck_assert_int_eq(stat(path, &st), 0);
	ck_assert_uint_eq(st.st_mode & 07777, 0644);
	ck_assert_uint_eq(asked, 1);
	for (int i = 0; i < 10; i++)
		pass(observer, true, 1);
	ck_assert_uint_eq(asked, 1);
	pass(observer, true, 7);
	ck_assert_uint_eq(asked, 2);
	pass(observer, false, 60);
	ck_assert_uint_eq(asked, 2);
}
END_TEST

START_TEST(test_the_file_is_where_the_settings_say_or_nowhere)
{
	struct observer *observer = observe("/run/m.prom");

	pass(observer, true, 2);
	ck_assert(world_exists("/run/m.prom"));
	observer_free(observer);
	observer = observe("");
	pass(observer, true, 60);
	ck_assert_uint_eq(asked, 0);
	ck_assert(!world_exists(DEFAULT));
	observer_free(observer);
}
END_TEST

Suite *suite_agentd_metrics(void)
{
	Suite *suite = suite_create("metrics");
	TCase *text = tcase_create("text");
	TCase *file = tcase_create("file");

	tcase_add_test(text, test_metrics_say_what_the_status_says);
	tcase_add_loop_test(text, test_metrics_are_valid, 0, ARRAY_SIZE(texts));
	suite_add_tcase(suite, text);
	tcase_add_checked_fixture(file, world_init, world_done);
	tcase_add_test(file, test_the_file_is_written_after_a_change_and_at_most_every_15_seconds);
	tcase_add_test(file, test_the_file_is_where_the_settings_say_or_nowhere);
	suite_add_tcase(suite, file);
	return suite;
}
