/*
 * The process that holds the namespaces of a pod.
 * It waits for a signal to end and takes over the orphans of the other containers.
 */
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

static void end(int sig)
{
	(void)sig;
	_exit(0);
}

static void reap(int sig)
{
	(void)sig;
	while (waitpid(-1, NULL, WNOHANG) > 0)
		;
}

int main(int argc, char **argv)
{
	/* The Job that "kubeadm upgrade" starts as a trial runs "pause -v". */
	if (argc > 1 && argv[1][0] == '-' && argv[1][1] == 'v')
		return EXIT_SUCCESS;

	signal(SIGINT, end);
	signal(SIGTERM, end);
	signal(SIGCHLD, reap);
	for (;;)
		pause();
}
