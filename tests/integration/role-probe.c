/* Says of each role file named on the command line whether it is accepted: "ok", or the message.
 * The host is always the same, so that only the files decide. */
#include <stdio.h>
#include <stdlib.h>

#include "agentd/role.h"
#include "common/file.h"

static const struct role_address address = {
	.interface = "eth0",
	.is_up = true,
	.address = { .family = AF_INET, .bytes = { 10, 0, 0, 5 } },
};
static const struct role_host host = {
	.hostname = "node",
	.root = "/nonexistent",
	.kubelet_version = "v1.36.3",
	.addresses = &address,
	.address_count = 1,
};

int main(int argc, char **argv)
{
	for (int i = 1; i < argc; i++) {
		_cleanup_(buf_done) struct buf text = BUF_INIT(MIB);
		_cleanup_(role_unref) struct role *role = NULL;
		struct error err = ERROR_INIT;

		if (file_read(argv[i], &text, &err) != 1) {
			fprintf(stderr, "%s: cannot be read\n", argv[i]);
			return EXIT_FAILURE;
		}
		if (role_parse(text.data, text.length, argv[i], &host, &role, &err) < 0)
			puts(err.message);
		else
			puts("ok");
	}
	return EXIT_SUCCESS;
}
