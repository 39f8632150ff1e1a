/* Tests of common/decode.c, with rows that resemble those of a role. */
#include <errno.h>
#include <string.h>

#include "common/decode.h"
#include "common/yaml.h"
#include "tests/unit/test-common.h"

struct arg {
	char *name, *value;
};
struct local {
	char *data_dir;
	int64_t quota;
};
struct config {
	char *version, *password, *mode_text;
	bool is_disabled, has_sans, has_taints;
	enum decode_tristate serial;
	uint16_t port;
	int8_t small;
	int32_t medium;
	int64_t large, period_ns, period_s;
	int algorithm;
	struct strv sans;
	struct {
		char *pod_subnet, *service_subnet;
	} networking;
	struct local *local;
	struct {
		struct arg *items;
		size_t count;
	} args;
	struct value *opaque;
	struct secret *token;
	int custom;
};

static int check_absolute(const char *text, struct error *err)
{
	if (*text == '/')
		return 0;
	return error_set(err, ERROR_CONFIG, -EINVAL, "must be an absolute path, not \"%s\"", text);
}

static int decode_taint(const struct decode_row *row, const struct value *value, void *field,
			void *userdata, struct error *err)
{
	if (value_count(value) != 2)
		return error_set(err, ERROR_CONFIG, -EINVAL, "must have two items");
	*(int *)field = *(int *)userdata;
	return 0;
}

static void free_taint(const struct decode_row *row, void *field)
{
	*(int *)field = -1;
}

static void prepare_local(void *item)
{
	((struct local *)item)->quota = 8;
}

static const char *const algorithms[] = { "RSA-2048", "RSA-3072", "ECDSA-P256", NULL };
static const char *const modes[] = { "fast", "slow", NULL };

/* clang-format off */
static const struct decode_row network_rows[] = {
	{ "podSubnet",     DECODE_STRING, DECODE_FIELD(struct config, networking.pod_subnet) },
	{ "serviceSubnet", DECODE_STRING, DECODE_FIELD(struct config, networking.service_subnet) },
	{},
};
static const struct decode_row network_group[] = {
	{ "networking", DECODE_MAP, .offset = 0, .rows = network_rows },
	{},
};
static const struct decode_row arg_rows[] = {
	{ "name",  DECODE_STRING, DECODE_FIELD(struct arg, name),
	  .flags = DECODE_REQUIRED | DECODE_NOT_EMPTY },
	{ "value", DECODE_STRING, DECODE_FIELD(struct arg, value) },
	{},
};
static const struct decode_row local_rows[] = {
	{ "dataDir", DECODE_STRING, DECODE_FIELD(struct local, data_dir),
	  .check = check_absolute, .flags = DECODE_FIXED, .help = "where etcd keeps its data" },
	{ "quota",   DECODE_INT,    DECODE_FIELD(struct local, quota) },
	{},
};
static const struct decode_row config_rows[] = {
	{ "kind",       DECODE_NOTHING },
	{ "version",    DECODE_STRING,   DECODE_FIELD(struct config, version),
	  .flags = DECODE_REQUIRED },
	{ "password",   DECODE_STRING,   DECODE_FIELD(struct config, password),
	  .check = check_absolute, .flags = DECODE_NOT_PRINTED },
	{ "mode",       DECODE_STRING,   DECODE_FIELD(struct config, mode_text), .choices = modes },
	{ "disabled",   DECODE_BOOL,     DECODE_FIELD(struct config, is_disabled) },
	{ "serial",     DECODE_TRISTATE, DECODE_FIELD(struct config, serial) },
	{ "port",       DECODE_INT,      DECODE_FIELD(struct config, port),
	  .minimum = 1, .maximum = 65535 },
	{ "small",      DECODE_INT,      DECODE_FIELD(struct config, small) },
	{ "medium",     DECODE_INT,      DECODE_FIELD(struct config, medium), .minimum = 2 },
	{ "large",      DECODE_INT,      DECODE_FIELD(struct config, large) },
	{ "period",     DECODE_DURATION, DECODE_FIELD(struct config, period_ns) },
	{ "seconds",    DECODE_SECONDS,  DECODE_FIELD(struct config, period_s) },
	{ "algorithm",  DECODE_ENUM,     DECODE_FIELD(struct config, algorithm),
	  .choices = algorithms },
	{ "sans",       DECODE_STRINGS,  DECODE_FIELD(struct config, sans),
	  .present_offset = offsetof(struct config, has_sans), .maximum_items = 3 },
	{ "networking", DECODE_MAP,      .rows = network_rows },
	{ "local",      DECODE_OPTIONAL_MAP, DECODE_FIELD(struct config, local),
	  .rows = local_rows, .item_size = sizeof(struct local), .prepare = prepare_local },
	{ "extraArgs",  DECODE_LIST,     DECODE_ITEMS(struct config, args), .rows = arg_rows },
	{ "opaque",     DECODE_VALUE,    DECODE_FIELD(struct config, opaque),
	  .value_type = VALUE_MAP },
	{ "token",      DECODE_SECRET,   DECODE_FIELD(struct config, token),
	  .check = check_absolute },
	{ "taint",      DECODE_CUSTOM,   DECODE_FIELD(struct config, custom),
	  .decode = decode_taint, .free = free_taint,
	  .present_offset = offsetof(struct config, has_taints) },
	{ "dryRun",     DECODE_BOOL,     .flags = DECODE_NOT_SUPPORTED, .standard = "false" },
	{ "timeout",    DECODE_DURATION, .flags = DECODE_NOT_SUPPORTED, .standard = "4m0s" },
	{ "skipPhases", DECODE_STRINGS,  .flags = DECODE_NOT_SUPPORTED },
	{ "policy",     DECODE_STRING,   .flags = DECODE_NOT_SUPPORTED, .standard = "IfNotPresent" },
	{ "line",       DECODE_INT,      .flags = DECODE_NOT_SUPPORTED, .standard = "3" },
	{},
};
/* clang-format on */

static int seven = 7;

static int decode_text(const char *text, bool strict, struct config *ret, struct error *err)
{
	_cleanup_(value_unref) struct value *value = NULL;
	struct decode_options options = {
		.name = "role.yaml",
		.root = "ClusterConfiguration",
		.strict = strict,
		.class = ERROR_CONFIG,
		.userdata = &seven,
	};

	ck_assert_int_eq(yaml_parse_one(text, strlen(text), "role.yaml", &value, err), 0);
	return decode_map(config_rows, value, &options, ret, err);
}

START_TEST(test_every_kind_reaches_its_field)
{
	struct config config = { 0 };
	struct error err = ERROR_INIT;
	int r;

	r = decode_text("kind: anything\n"
			"version: v1.36.3\n"
			"mode: slow\n"
			"disabled: true\n"
			"serial: false\n"
			"port: 65535\n"
			"small: -128\n"
			"medium: 2147483647\n"
			"large: -9223372036854775808\n"
			"period: 1h30m\n"
			"seconds: 90.5s\n"
			"algorithm: ECDSA-P256\n"
			"sans: [a, b]\n"
			"networking: {podSubnet: 10.0.0.0/8}\n"
			"local: {dataDir: /var/lib/etcd}\n"
			"extraArgs: [{name: v, value: '4'}, {name: w}]\n"
			"opaque: {x: [1]}\n"
			"token: /secret\n"
			"taint: [1, 2]\n",
			true, &config, &err);
	ck_assert_msg(r == 0, "%s", err.message);
	ck_assert_str_eq(config.version, "v1.36.3");
	ck_assert_str_eq(config.mode_text, "slow");
	ck_assert(config.is_disabled);
	ck_assert_int_eq(config.serial, DECODE_FALSE);
	ck_assert_uint_eq(config.port, 65535);
	ck_assert_int_eq(config.small, -128);
	ck_assert_int_eq(config.medium, 2147483647);
	ck_assert_int_eq(config.large, INT64_MIN);
	ck_assert_int_eq(config.period_ns, 5400 * (int64_t)NSEC_PER_SEC);
	ck_assert_int_eq(config.period_s, 90);
	ck_assert_int_eq(config.algorithm, 2);
	ck_assert_uint_eq(config.sans.count, 2);
	ck_assert_str_eq(config.sans.items[1], "b");
	ck_assert(config.has_sans);
	ck_assert_str_eq(config.networking.pod_subnet, "10.0.0.0/8");
	ck_assert_ptr_null(config.networking.service_subnet);
	ck_assert_str_eq(config.local->data_dir, "/var/lib/etcd");
	ck_assert_int_eq(config.local->quota, 8);
	ck_assert_uint_eq(config.args.count, 2);
	ck_assert_str_eq(config.args.items[0].value, "4");
	ck_assert_ptr_null(config.args.items[1].value);
	ck_assert_uint_eq(value_count(value_get(config.opaque, "x")), 1);
	ck_assert_str_eq(secret_bytes(config.token), "/secret");
	ck_assert_int_eq(config.custom, 7);

	decode_free(config_rows, &config);
	ck_assert_ptr_null(config.version);
	ck_assert_ptr_null(config.local);
	ck_assert_ptr_null(config.args.items);
	ck_assert_uint_eq(config.args.count, 0);
	ck_assert_uint_eq(config.sans.count, 0);
	ck_assert_ptr_null(config.token);
	ck_assert_int_eq(config.custom, -1);
	decode_free(config_rows, &config);
}
END_TEST

START_TEST(test_absent_and_null_keep_what_was_prepared)
{
	struct config config = { .port = 6443, .is_disabled = true };
	struct error err = ERROR_INIT;

	config.sans = STRV_INIT;
	ck_assert_int_eq(
	    decode_text("version: x\nport: null\nsans:\ndisabled: ~\n", true, &config, &err), 0);
	ck_assert_uint_eq(config.port, 6443);
	ck_assert(config.is_disabled);
	ck_assert(!config.has_sans);
	decode_free(config_rows, &config);
}
END_TEST

START_TEST(test_empty_list_is_not_absent)
{
	struct config config = { 0 };
	struct error err = ERROR_INIT;

	ck_assert_int_eq(decode_text("version: x\nsans: []\nextraArgs: []\n", true, &config, &err),
			 0);
	ck_assert(config.has_sans);
	ck_assert_uint_eq(config.sans.count, 0);
	ck_assert_ptr_null(config.args.items);
	decode_free(config_rows, &config);
}
END_TEST

START_TEST(test_second_decoding_replaces_the_first)
{
	struct config config = { 0 };
	struct error err = ERROR_INIT;

	ck_assert_int_eq(decode_text("version: x\nsans: [a]\nextraArgs: [{name: a}, {name: b}]\n"
				     "local: {quota: 1}\nopaque: {a: 1}\ntoken: /a\nport: 1\n",
				     true, &config, &err),
			 0);
	ck_assert_int_eq(decode_text("version: z\nsans: [b, c]\nextraArgs: [{name: c}]\n"
				     "local: {}\nopaque: {b: 1}\ntoken: /b\n",
				     true, &config, &err),
			 0);
	ck_assert_str_eq(config.version, "z");
	ck_assert_uint_eq(config.sans.count, 2);
	ck_assert_uint_eq(config.args.count, 1);
	ck_assert_str_eq(config.args.items[0].name, "c");
	ck_assert_int_eq(config.local->quota, 8);
	ck_assert_ptr_nonnull(value_get(config.opaque, "b"));
	ck_assert_str_eq(secret_bytes(config.token), "/b");
	ck_assert_uint_eq(config.port, 1);
	decode_free(config_rows, &config);
}
END_TEST

static const struct {
	const char *text, *message;
} refusals[] = {
	{ "version: 1.36", "role.yaml:1:10: version must be a string, not a number" },
	{ "version: x\nnetworking:\n  podSubnet: no\n",
	  "role.yaml:3:14: networking.podSubnet must be a string, not a boolean" },
	{ "version: x\nnetworking:\n  podSubnett: a\n",
	  "role.yaml:3:3: unknown field \"podSubnett\" in networking, did you mean "
	  "\"podSubnet\"?" },
	{ "version: x\nfoobar: a\n",
	  "role.yaml:2:1: unknown field \"foobar\" in ClusterConfiguration" },
	{ "port: 1\n", "role.yaml:1:1: version is missing" },
	{ "version: null\n", "role.yaml:1:1: version is missing" },
	{ "version: x\nport: 0\n", "role.yaml:2:7: port must be between 1 and 65535" },
	{ "version: x\nport: '80'\n", "role.yaml:2:7: port must be a whole number, not a string" },
	{ "version: x\nport: 1.5\n",
	  "role.yaml:2:7: port must be a whole number of at most 64 bits" },
	{ "version: x\nsmall: 256\n", "role.yaml:2:8: small must be between -128 and 255" },
	{ "version: x\nmedium: 1\n",
	  "role.yaml:2:9: medium must be between 2 and 9223372036854775807" },
	{ "version: x\nlarge: 9223372036854775808\n",
	  "role.yaml:2:8: large must be a whole number of at most 64 bits" },
	{ "version: x\nperiod: 90\n",
	  "role.yaml:2:9: period must be a duration such as 1h30m, not a number" },
	{ "version: x\nperiod: 1d\n",
	  "role.yaml:2:9: period must be a duration such as 1h30m, not \"1d\"" },
	{ "version: x\nperiod: -1s\n", "role.yaml:2:9: period must not be negative" },
	{ "version: x\nalgorithm: DSA\n",
	  "role.yaml:2:12: algorithm must be \"RSA-2048\", \"RSA-3072\" or \"ECDSA-P256\", not "
	  "\"DSA\"" },
	{ "version: x\nmode: medium\n",
	  "role.yaml:2:7: mode must be \"fast\" or \"slow\", not \"medium\"" },
	{ "version: x\nsans: a\n", "role.yaml:2:7: sans must be a list of strings, not a string" },
	{ "version: x\nsans: [a, 5]\n", "role.yaml:2:11: sans[1] must be a string, not a number" },
	{ "version: x\nsans: [a, b, c, d]\n", "role.yaml:2:7: sans has 4 items, more than 3" },
	{ "version: x\nsans:\n- a\n-\n", "role.yaml:4:2: sans[1] must be a string, not null" },
	{ "version: x\nnetworking: a\n", "role.yaml:2:13: networking must be a map, not a string" },
	{ "version: x\nlocal: []\n", "role.yaml:2:8: local must be a map, not a list" },
	{ "version: x\nlocal: {dataDir: tmp}\n",
	  "role.yaml:2:18: local.dataDir must be an absolute path, not \"tmp\"" },
	{ "version: x\nextraArgs: {}\n", "role.yaml:2:12: extraArgs must be a list, not a map" },
	{ "version: x\nextraArgs:\n- name: a\n- value: b\n",
	  "role.yaml:4:3: extraArgs[1].name is missing" },
	{ "version: x\nextraArgs:\n- name: ''\n",
	  "role.yaml:3:9: extraArgs[0].name must not be empty" },
	{ "version: x\nextraArgs:\n- name: a\n  values: b\n",
	  "role.yaml:4:3: unknown field \"values\" in extraArgs[0], did you mean \"value\"?" },
	{ "version: x\nextraArgs: [a]\n",
	  "role.yaml:2:13: extraArgs[0] must be a map, not a string" },
	{ "version: x\nopaque: []\n", "role.yaml:2:9: opaque must be a map, not a list" },
	{ "version: x\ndisabled: 'true'\n",
	  "role.yaml:2:11: disabled must be true or false, not a string" },
	{ "version: x\ntaint: [1]\n", "role.yaml:2:8: taint must have two items" },
	{ "version: x\ntoken: hunter2\n", "role.yaml:2:8: token is not valid" },
	{ "version: x\npassword: hunter2\n", "role.yaml:2:11: password is not valid" },
	{ "version: x\ndryRun: true\n", "role.yaml:2:9: dryRun is not supported yet" },
	{ "version: x\ntimeout: 5m\n", "role.yaml:2:10: timeout is not supported yet" },
	{ "version: x\nskipPhases: [a]\n", "role.yaml:2:13: skipPhases is not supported yet" },
	{ "version: x\npolicy: Always\n", "role.yaml:2:9: policy is not supported yet" },
	{ "version: x\nline: 4\n", "role.yaml:2:7: line is not supported yet" },
	{ "- a\n", "role.yaml:1:1: ClusterConfiguration must be a map, not a list" },
};

START_TEST(test_error_names_file_line_column_and_path)
{
	struct config config = { 0 };
	struct error err = ERROR_INIT;

	ck_assert_int_eq(decode_text(refusals[_i].text, true, &config, &err), -EINVAL);
	ck_assert_str_eq(err.message, refusals[_i].message);
	ck_assert_int_eq(err.class, ERROR_CONFIG);
	decode_free(config_rows, &config);
}
END_TEST

START_TEST(test_what_is_not_supported_may_say_what_is_done_anyway)
{
	struct config config = { 0 };
	struct error err = ERROR_INIT;
	int r;

	r = decode_text("version: x\ndryRun: false\ntimeout: 4m\nskipPhases: []\n"
			"policy: IfNotPresent\nline: 3\n",
			true, &config, &err);
	ck_assert_msg(r == 0, "%s", err.message);
	decode_free(config_rows, &config);
}
END_TEST

START_TEST(test_unknown_fields_pass_where_nothing_is_strict)
{
	struct config config = { 0 };
	struct error err = ERROR_INIT;

	ck_assert_int_eq(
	    decode_text("version: x\nnetworking: {other: 1}\nnew: 2\n", false, &config, &err), 0);
	decode_free(config_rows, &config);
}
END_TEST

START_TEST(test_parameters_without_a_file_are_named_by_path_alone)
{
	_cleanup_(value_unref) struct value *value = test_json("{'networking':{'podSubnet':1}}");
	struct decode_options options = { .strict = true, .class = ERROR_CONFIG };
	struct config config = { 0 };
	struct error err = ERROR_INIT;

	ck_assert_int_lt(decode_map(network_group, value, &options, &config, &err), 0);
	ck_assert_str_eq(err.message, "networking.podSubnet must be a string, not a number");

	value_unref(value);
	value = test_json("{'x':1}");
	ck_assert_int_lt(decode_map(network_group, value, &options, &config, &err), 0);
	ck_assert_str_eq(err.message, "unknown field \"x\"");

	options.name = "parameters";
	ck_assert_int_lt(decode_map(network_group, NULL, &options, &config, &err), 0);
	ck_assert_str_eq(err.message, "parameters: the document must be a map, not null");
}
END_TEST

START_TEST(test_rows_are_found_by_path)
{
	ck_assert_ptr_eq(decode_find(config_rows, "local.dataDir"), &local_rows[0]);
	ck_assert_ptr_eq(decode_find(config_rows, "extraArgs.value"), &arg_rows[1]);
	ck_assert_ptr_eq(decode_find(config_rows, "extraArgs[3].value"), &arg_rows[1]);
	ck_assert_ptr_null(decode_find(config_rows, "local.data"));
	ck_assert_ptr_null(decode_find(config_rows, "version.x"));
	ck_assert_ptr_null(decode_find(config_rows, ""));
}
END_TEST

START_TEST(test_every_kind_has_a_name)
{
	for (int kind = 0; kind < _DECODE_KIND_MAX; kind++)
		ck_assert_str_ne(decode_kind_name((enum decode_kind)kind), "?");
	ck_assert_str_eq(decode_kind_name(DECODE_STRINGS), "list of strings");
	ck_assert_str_eq(decode_kind_name(_DECODE_KIND_MAX), "?");
}
END_TEST

Suite *suite_decode(void)
{
	Suite *suite = suite_create("decode");
	TCase *tests = tcase_create("decode");

	tcase_add_test(tests, test_every_kind_reaches_its_field);
	tcase_add_test(tests, test_absent_and_null_keep_what_was_prepared);
	tcase_add_test(tests, test_empty_list_is_not_absent);
	tcase_add_test(tests, test_second_decoding_replaces_the_first);
	tcase_add_loop_test(tests, test_error_names_file_line_column_and_path, 0,
			    ARRAY_SIZE(refusals));
	tcase_add_test(tests, test_what_is_not_supported_may_say_what_is_done_anyway);
	tcase_add_test(tests, test_unknown_fields_pass_where_nothing_is_strict);
	tcase_add_test(tests, test_parameters_without_a_file_are_named_by_path_alone);
	tcase_add_test(tests, test_rows_are_found_by_path);
	tcase_add_test(tests, test_every_kind_has_a_name);
	suite_add_tcase(suite, tests);
	return suite;
}
