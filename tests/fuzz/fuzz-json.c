/* Any bytes as JSON. What is accepted must be the same after it was written, compact and indented,
 * and read again, down to the text of its numbers. */
#include <string.h>

#include "common/json.h"
#include "tests/fuzz/fuzz.h"

static void check_round_trip(const struct value *value, unsigned indent)
{
	_cleanup_(buf_done) struct buf text = BUF_INIT(64 * MIB), again = BUF_INIT(64 * MIB);
	_cleanup_(value_unref) struct value *read = NULL;
	struct error err = ERROR_INIT;

	FUZZ_CHECK(json_write(value, indent, &text) == 0);
	if (text.length > 8 * MIB)
		return;
	FUZZ_CHECK(json_parse(text.data, text.length, "again", &read, &err) == 0);
	FUZZ_CHECK(value_equal(value, read));
	FUZZ_CHECK(json_write(read, indent, &again) == 0);
	FUZZ_CHECK(strcmp(text.data, again.data) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
	_cleanup_(value_unref) struct value *value = NULL;
	struct error err = ERROR_INIT;

	if (json_parse((const char *)bytes, length, "x", &value, &err) < 0) {
		FUZZ_CHECK(!value && err.code < 0 && err.class == ERROR_NETWORK);
		FUZZ_CHECK(strncmp(err.message, "x:", 2) == 0 && strlen(err.message) > 4);
		return 0;
	}
	FUZZ_CHECK(value && !error_is_set(&err));
	check_round_trip(value, 0);
	check_round_trip(value, 2);
	return 0;
}
