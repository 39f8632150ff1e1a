/* agentd: command line and environment in, a manager that runs, an exit status out. */
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agentd/manager.h"
#include "agentd/settings.h"
#include "common/log.h"

LOG_SCOPE("main");

/* Core files and other processes of our user must not see what is in memory. */
static void become_private(void)
{
	(void)umask(0077);
	(void)prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
}

int main(int argc, char **argv)
{
	_cleanup_(manager_free) struct manager *manager = NULL;
	struct settings settings = { 0 };
	struct error err = ERROR_INIT;
	char hostname[256] = "localhost";
	int r;

	become_private();
	/* The few short-lived worker threads share the main heap: arenas of their own would stay.
	 */
	(void)mallopt(M_ARENA_MAX, 1);
	r = settings_parse(argc, argv, &settings);
	if (r <= 0)
		return r == 0 ? EXIT_SUCCESS : 2;
	log_setup(settings.debug ? LOG_DEBUG : LOG_INFO, settings.root[0] != '\0');
	(void)gethostname(hostname, sizeof(hostname) - 1);
	r = manager_new(&settings,
			&(struct manager_environment){
			    .hostname = hostname,
			    .credentials_directory = getenv("CREDENTIALS_DIRECTORY"),
			},
			&manager, &err);
	if (r < 0) {
		log_error("cannot start: %s", err.message);
		return EXIT_FAILURE;
	}
	return manager_run(manager);
}
