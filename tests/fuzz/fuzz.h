/* What fuzz targets share. Each is one file fuzz-NAME.c with LLVMFuzzerTestOneInput(), and has its
 * seeds in corpus/NAME/. Configured with --enable-fuzzer and CC=clang it becomes a fuzzer;
 * otherwise replay.c runs every file of the corpus through it in `make check`. */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length);

/* What the target promises; without it the input is a finding. */
#define FUZZ_CHECK(promise)                                                              \
	do {                                                                             \
		if (!(promise)) {                                                        \
			(void)fprintf(stderr, "%s:%d: broken: %s\n", __FILE__, __LINE__, \
				      #promise);                                         \
			abort();                                                         \
		}                                                                        \
	} while (0)
