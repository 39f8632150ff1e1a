/* Runs the files of a corpus through a fuzz target: those named on the command line, else all of
 * CORPUS_DIRECTORY. */
#include <dirent.h>
#include <string.h>

#include "common/alloc.h"
#include "common/file.h"
#include "tests/fuzz/fuzz.h"

static int replay(const char *path)
{
	_cleanup_(buf_done) struct buf bytes = BUF_INIT(16 * MIB);
	_cleanup_free_ uint8_t *exact = NULL;
	struct error err = ERROR_INIT;

	if (file_read(path, &bytes, &err) <= 0) {
		(void)fprintf(stderr, "cannot read %s: %s\n", path, err.message);
		return -1;
	}
	/* A block of just this size, so that a sanitizer sees a read beyond the end. */
	exact = xmemdup(bytes.data, bytes.length);
	(void)LLVMFuzzerTestOneInput(exact, bytes.length);
	return 0;
}

static int replay_directory(const char *directory)
{
	DIR *stream = opendir(directory);
	struct dirent *entry;
	int count = 0;

	while (stream && (entry = readdir(stream))) {
		_cleanup_free_ char *path = xasprintf("%s/%s", directory, entry->d_name);

		if (entry->d_name[0] == '.')
			continue;
		if (replay(path) < 0)
			exit(EXIT_FAILURE);
		count++;
	}
	if (stream)
		(void)closedir(stream);
	return count;
}

int main(int argc, char **argv)
{
	int count = 0;

	for (int i = 1; i < argc; i++)
		if (replay(argv[i]) == 0)
			count++;
	if (argc == 1)
		count = replay_directory(CORPUS_DIRECTORY);
	(void)printf("%d inputs\n", count);
	return count > 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
