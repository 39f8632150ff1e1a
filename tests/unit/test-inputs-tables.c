/* The methods of the socket and the verbs of agentctl mirror each other. */
#include "tests/unit/test-inputs.h"

#include <string.h>

#include "agentd/cli/client.h"
#include "agentd/cli/verbs.h"
#include "agentd/inputs/interface.h"
#include "agentd/inputs/methods.h"

static bool is_listed(const char *const *list, const char *text)
{
	for (; *list; list++)
		if (strcmp(*list, text) == 0)
			return true;
	return false;
}

static bool has_row(const struct method *method, const char *key)
{
	for (const struct decode_row *row = method->rows; row && row->key; row++)
		if (strcmp(row->key, key) == 0)
			return true;
	return false;
}

START_TEST(test_every_verb_asks_a_method_that_there_is)
{
	ck_assert_str_eq(CLIENT_INTERFACE, METHODS_INTERFACE);
	for (const struct verb *verb = verb_table; verb->name; verb++) {
		const struct method *method = verb->method ? methods_find(verb->method) : NULL;

		if (!verb->method)
			continue;
		ck_assert_msg(method != NULL, "%s asks %s", verb->name, verb->method);
		ck_assert_msg(!verb->more || method->more, "%s follows %s", verb->name,
			      verb->method);
		for (const char *const *key = verb->parameters; *key; key++)
			ck_assert_msg(has_row(method, *key), "%s gives %s to %s", verb->name, *key,
				      verb->method);
	}
}
END_TEST

/* Whether a verb asks the method, with this parameter (or any), as a stream (or not). */
static bool is_asked(const struct method *method, const char *parameter, bool more)
{
	for (const struct verb *verb = verb_table; verb->name; verb++)
		if (verb->method && strcmp(verb->method, method->name) == 0 && verb->more == more &&
		    (!parameter || is_listed(verb->parameters, parameter)))
			return true;
	return false;
}

START_TEST(test_every_method_can_be_asked_with_all_its_parameters)
{
	for (const struct method *method = methods_table; method->name; method++) {
		ck_assert_msg(is_asked(method, NULL, false), "%s", method->name);
		ck_assert_msg(!method->more || is_asked(method, NULL, true), "%s with more",
			      method->name);
		for (const struct decode_row *row = method->rows; row && row->key; row++)
			ck_assert_msg(is_asked(method, row->key, false), "%s of %s", row->key,
				      method->name);
	}
}
END_TEST

START_TEST(test_every_row_says_what_it_is)
{
	for (const struct method *method = methods_table; method->name; method++) {
		ck_assert_ptr_nonnull(method->handle);
		ck_assert_ptr_nonnull(method->help);
		for (const struct decode_row *row = method->rows; row && row->key; row++) {
			ck_assert_ptr_nonnull(row->help);
			/* The description's types are text, so the names are compared. */
			ck_assert_msg(strstr(method->in, row->key) != NULL, "%s of %s", row->key,
				      method->name);
		}
	}
	for (const struct verb *verb = verb_table; verb->name; verb++)
		ck_assert_ptr_nonnull(verb->help);
	for (const struct option_row *row = option_rows; row->name; row++)
		ck_assert(row->help && row->verbs != 0);
}
END_TEST

START_TEST(test_description_has_every_method_once)
{
	_cleanup_(buf_done) struct buf text = BUF_INIT(64 * KIB);
	size_t declared = 0, methods = 0;

	ck_assert_int_eq(interface_describe(&text), 0);
	for (const char *at = text.data; (at = strstr(at, "\nmethod ")) != NULL; at++)
		declared++;
	for (const struct method *method = methods_table; method->name; method++, methods++) {
		_cleanup_(buf_done) struct buf line = BUF_INIT(100);

		(void)buf_printf(&line, "\nmethod %s(", method->name);
		ck_assert_msg(strstr(text.data, line.data) != NULL, "%s", method->name);
	}
	ck_assert_uint_eq(declared, methods);
	/* What changes something says for whom it is. */
	ck_assert_ptr_nonnull(strstr(text.data, "For root.\nmethod SetRole("));
	ck_assert_ptr_null(strstr(text.data, "For root.\nmethod Status("));
}
END_TEST

Suite *tables_suite(void)
{
	Suite *suite = suite_create("tables");
	TCase *cases = tcase_create("tables");

	tcase_add_test(cases, test_every_verb_asks_a_method_that_there_is);
	tcase_add_test(cases, test_every_method_can_be_asked_with_all_its_parameters);
	tcase_add_test(cases, test_every_row_says_what_it_is);
	tcase_add_test(cases, test_description_has_every_method_once);
	suite_add_tcase(suite, cases);
	return suite;
}
