/* Tests of agentd/settings.c: the command line. */
#include "agentd/settings.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "common/buf.h"
#include "common/macros.h"
#include "tests/unit/test-schema.h"

/* Parses "agentd" and the words behind it; what is printed to fd is kept in ret_text. */
static int parse(const char *words, struct settings *ret, int fd, char *ret_text, size_t size)
{
	_cleanup_(strv_done) struct strv argv = STRV_INIT;
	_cleanup_close_ int saved = dup(fd);
	FILE *file = tmpfile();
	size_t length;
	int r;

	ck_assert_ptr_nonnull(file);
	strv_add(&argv, "agentd");
	strv_split(&argv, words, ' ');
	fflush(stdout);
	ck_assert_int_ge(dup2(fileno(file), fd), 0);
	r = settings_parse((int)argv.count, argv.items, ret);
	fflush(stdout);
	ck_assert_int_ge(dup2(saved, fd), 0);
	rewind(file);
	length = fread(ret_text, 1, size - 1, file);
	ret_text[length] = '\0';
	fclose(file);
	return r;
}

START_TEST(test_without_options_there_are_defaults)
{
	struct settings settings;
	char text[4096];

	ck_assert_int_eq(parse("", &settings, STDERR_FILENO, text, sizeof(text)), 1);
	ck_assert_str_eq(text, "");
	ck_assert_str_eq(settings.root, "");
	ck_assert_str_eq(settings.kubelet_binary, "/usr/bin/kubelet");
	ck_assert_ptr_null(settings.bus_address);
	ck_assert_int_eq(settings.round_ns, 600 * (int64_t)NSEC_PER_SEC);
	ck_assert_ptr_null(settings.metrics_file);
	ck_assert_uint_eq(settings.metrics_port, 0);
	ck_assert(!settings.debug);
}
END_TEST

START_TEST(test_options_set_their_fields)
{
	char *argv[] = { (char *)"agentd",
			 (char *)"--root=/r",
			 (char *)"--kubelet-binary",
			 (char *)"/k",
			 (char *)"--bus-address=unix:path=/b",
			 (char *)"--debug",
			 (char *)"--metrics-file=/m/a.prom",
			 (char *)"--metrics-port=9105",
			 NULL };
	struct settings settings;

	ck_assert_int_eq(settings_parse(8, argv, &settings), 1);
	ck_assert_str_eq(settings.root, "/r");
	ck_assert_str_eq(settings.kubelet_binary, "/k");
	ck_assert_str_eq(settings.bus_address, "unix:path=/b");
	ck_assert_str_eq(settings.metrics_file, "/m/a.prom");
	ck_assert_uint_eq(settings.metrics_port, 9105);
	ck_assert(settings.debug);
}
END_TEST

START_TEST(test_root_of_the_host_is_no_prefix)
{
	char *argv[] = { (char *)"agentd", (char *)"--root=/", NULL };
	struct settings settings;

	ck_assert_int_eq(settings_parse(2, argv, &settings), 1);
	ck_assert_str_eq(settings.root, "");
}
END_TEST

START_TEST(test_help_names_every_option)
{
	static const char *const options[] = {
		"--root=DIR", "--kubelet-binary=FILE", "--bus-address=ADDRESS", "--debug", "--help",
		"--version"
	};
	struct settings settings;
	char text[4096];

	ck_assert_int_eq(parse("--help", &settings, STDOUT_FILENO, text, sizeof(text)), 0);
	for (size_t i = 0; i < ARRAY_SIZE(options); i++)
		ck_assert_msg(strstr(text, options[i]) != NULL, "%s in %s", options[i], text);
}
END_TEST

START_TEST(test_version_is_printed)
{
	struct settings settings;
	char text[256];

	ck_assert_int_eq(parse("--version", &settings, STDOUT_FILENO, text, sizeof(text)), 0);
	ck_assert_int_eq(strncmp(text, "agentd ", 7), 0);
}
END_TEST

static const char *const wrong[] = { "--no-such",	"--root",	    "--debug=1",
				     "extra",		"--root=relative",  "--metrics-file=m.prom",
				     "--metrics-file=", "--metrics-port=0", "--metrics-port=65536",
				     "--metrics-port=x" };

START_TEST(test_no_metrics_file_is_said_with_a_word)
{
	char *argv[] = { (char *)"agentd", (char *)"--metrics-file=none", NULL };
	struct settings settings;

	ck_assert_int_eq(settings_parse(2, argv, &settings), 1);
	ck_assert_str_eq(settings.metrics_file, "");
}
END_TEST

START_TEST(test_wrong_usage_is_an_error)
{
	struct settings settings = { .root = "untouched" };
	char text[4096];

	ck_assert_int_eq(parse(wrong[_i], &settings, STDERR_FILENO, text, sizeof(text)), -EINVAL);
	ck_assert_str_eq(settings.root, "untouched");
	ck_assert_ptr_nonnull(strstr(text, "agentd --help"));
}
END_TEST

Suite *suite_settings(void)
{
	Suite *suite = suite_create("settings");
	TCase *tcase = tcase_create("settings");

	tcase_add_test(tcase, test_without_options_there_are_defaults);
	tcase_add_test(tcase, test_options_set_their_fields);
	tcase_add_test(tcase, test_root_of_the_host_is_no_prefix);
	tcase_add_test(tcase, test_no_metrics_file_is_said_with_a_word);
	tcase_add_test(tcase, test_help_names_every_option);
	tcase_add_test(tcase, test_version_is_printed);
	tcase_add_loop_test(tcase, test_wrong_usage_is_an_error, 0, ARRAY_SIZE(wrong));
	suite_add_tcase(suite, tcase);
	return suite;
}
