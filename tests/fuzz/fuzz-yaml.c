/* Any bytes as YAML. What is accepted must be the same after it was written and read again, as YAML
 * and as JSON; what is refused must be so with a place or a reason. */
#include <string.h>

#include "common/json.h"
#include "common/yaml.h"
#include "tests/fuzz/fuzz.h"

static void check_document(const struct value *document)
{
	_cleanup_(buf_done) struct buf yaml = BUF_INIT(8 * MIB), again = BUF_INIT(8 * MIB);
	_cleanup_(buf_done) struct buf json = BUF_INIT(8 * MIB);
	_cleanup_(value_unref) struct value *from_yaml = NULL, *from_json = NULL;
	struct error err = ERROR_INIT;

	FUZZ_CHECK(yaml_write(document, &yaml) == 0);
	/* Indented and escaped, a text may become longer than what is read. */
	if (yaml.length <= 256 * KIB) {
		FUZZ_CHECK(yaml_parse_one(yaml.data, yaml.length, "yaml", &from_yaml, &err) == 0);
		FUZZ_CHECK(value_equal(document, from_yaml));
		FUZZ_CHECK(yaml_write(from_yaml, &again) == 0);
		FUZZ_CHECK(strcmp(yaml.data, again.data) == 0);
	}
	FUZZ_CHECK(json_write(document, 0, &json) == 0);
	FUZZ_CHECK(json_parse(json.data, json.length, "json", &from_json, &err) == 0);
	FUZZ_CHECK(value_equal(document, from_json));
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
	_cleanup_(value_unref) struct value *documents = NULL;
	struct error err = ERROR_INIT;

	if (yaml_parse((const char *)bytes, length, "x", &documents, &err) < 0) {
		FUZZ_CHECK(!documents && err.code < 0 && err.class == ERROR_CONFIG);
		FUZZ_CHECK(strncmp(err.message, "x:", 2) == 0 && strlen(err.message) > 4);
		return 0;
	}
	FUZZ_CHECK(!error_is_set(&err));
	VALUE_FOREACH(i, documents)
		check_document(value_item(documents, i));
	return 0;
}
