/* Reads PEM with OpenSSL's reader, without ever asking for a passphrase; see pem.h. */
#include "pki/pem.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/pem.h>

#include "pki/openssl.h"

void pem_block_done(struct pem_block *block)
{
	OPENSSL_secure_free(block->type);
	OPENSSL_secure_clear_free(block->data, block->length);
	*block = (struct pem_block){ 0 };
}

void pem_reader_done(struct pem_reader *reader)
{
	BIO_free(reader->bio);
	reader->bio = NULL;
}

int pem_open(const char *text, size_t length, struct pem_reader *ret, struct error *err)
{
	if (length > PEM_TEXT_MAX)
		return error_set(err, ERROR_CONFIG, -EFBIG, "the PEM text is longer than %d KiB",
				 PEM_TEXT_MAX / 1024);
	ret->bio = openssl_must(BIO_new_mem_buf(text, (int)length));
	return 0;
}

int pem_next(struct pem_reader *reader, struct pem_block *ret, struct error *err)
{
	char *type = NULL, *header = NULL;
	unsigned char *data = NULL;
	long length = 0;

	ERR_clear_error();
	if (PEM_read_bio_ex(reader->bio, &type, &header, &data, &length,
			    PEM_FLAG_SECURE | PEM_FLAG_EAY_COMPATIBLE) != 1) {
		if (ERR_GET_REASON(ERR_peek_last_error()) != PEM_R_NO_START_LINE)
			return openssl_error(err, ERROR_CONFIG, -EBADMSG, "a PEM block is damaged");
		ERR_clear_error();
		return 0;
	}
	*ret = (struct pem_block){
		.type = type,
		.data = data,
		.length = (size_t)length,
		.encrypted = header[0] != '\0',
	};
	OPENSSL_secure_free(header);
	return 1;
}
