/* PEM texts, block by block. Only pki/ includes this. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "common/error.h"

enum { PEM_TEXT_MAX = 64 * 1024 };

struct pem_block {
	char *type;	     /* "CERTIFICATE" */
	unsigned char *data; /* DER, wiped when the block is done with */
	size_t length;
	bool encrypted;
};
void pem_block_done(struct pem_block *block);
DEFINE_CLEANUP_VALUE(struct pem_block, pem_block_done)

struct pem_reader {
	struct bio_st *bio;
};
void pem_reader_done(struct pem_reader *reader);
DEFINE_CLEANUP_VALUE(struct pem_reader, pem_reader_done)

/* The text must outlive the reader. More than PEM_TEXT_MAX is refused. */
int pem_open(const char *text, size_t length, struct pem_reader *ret, struct error *err);
/* 1 and the next block; 0 at the end; text between blocks is skipped, a damaged block is an error.
 */
int pem_next(struct pem_reader *reader, struct pem_block *ret, struct error *err);
