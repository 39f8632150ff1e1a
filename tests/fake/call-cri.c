/* One call of agentd/cri, for tests against a real runtime: `call-cri SOCKET METHOD` prints
 * {"value": …} or {"error": "ENOENT", "class": "network", "message": …}. */
#include <stdio.h>
#include <string.h>

#include "agentd/cri/cri.h"
#include "common/json.h"

static const struct {
	const char *name;
	struct op *(*call)(struct cri *cri);
} methods[] = {
	{ "Version", cri_version },
	{ "Status", cri_status },
	{ "RuntimeConfig", cri_runtime_config },
};

static struct op *start(struct cri *cri, const char *method)
{
	for (size_t i = 0; i < ARRAY_SIZE(methods); i++)
		if (strcmp(methods[i].name, method) == 0)
			return methods[i].call(cri);
	return NULL;
}

static struct value *outcome(const struct op *op)
{
	const struct error *error = op_error(op);
	struct value *v = value_new_map();

	if (!error)
		return value_put(v, "value", value_ref(op_value(op)));
	v = value_put(v, "error", value_new_string(strerrorname_np(-error->code)));
	v = value_put(v, "class", value_new_string(error_class_name(error->class)));
	return value_put(v, "message", value_new_string(error->message));
}

int main(int argc, char **argv)
{
	_cleanup_(buf_done) struct buf text = BUF_INIT(64 * KIB);
	_cleanup_(loop_free) struct loop *loop = loop_new(clock_system());
	_cleanup_(value_unref) struct value *v = NULL;
	_cleanup_(cri_free) struct cri *cri = NULL;
	_cleanup_(op_drop) struct op *op = NULL;

	if (argc != 3) {
		fprintf(stderr, "Usage: call-cri SOCKET METHOD\n");
		return 2;
	}
	cri = cri_new(loop, argv[1]);
	op = start(cri, argv[2]);
	if (!op) {
		fprintf(stderr, "call-cri: %s is not a method of ours\n", argv[2]);
		return 2;
	}
	while (!op_is_done(op))
		loop_once(loop, true);

	v = outcome(op);
	if (json_write(v, 0, &text) < 0)
		return 1;
	puts(text.data);
	return 0;
}
