/* What the suites of the role's test program share. */
#pragma once

#include <check.h>

#include "agentd/role.h"
#include "common/error.h"

Suite *suite_checks(void);
Suite *suite_detect(void);
Suite *suite_explain(void);
Suite *suite_follow(void);
Suite *suite_golden(void);
Suite *suite_role(void);
Suite *suite_settings(void);

/* A host named Node-1 at 10.0.0.5 with a kubelet of v1.36.3, containerd and a token file
 * /etc/agentd/token, in a directory of its own. */
struct test_host {
	char root[64];
	struct role_host host;
};
void test_host_init(struct test_host *host);
void test_host_done(struct test_host *host);
/* Makes a file below the root, with its directories. */
void test_host_write(const struct test_host *host, const char *path, const char *text);

/* A role that must be accepted; one that must be refused, with the message. */
struct role *test_role(const struct test_host *host, const char *text);
void test_refused(const struct test_host *host, const char *text, const char *message);
