/* OpenSSL's errors, memory BIOs and names, in our terms; see openssl.h. */
#include "pki/openssl.h"

#include <arpa/inet.h>
#include <openssl/err.h>
#include <string.h>

#include "common/alloc.h"

int openssl_error(struct error *err, enum error_class class, int code, const char *format, ...)
{
	unsigned long last = ERR_peek_last_error();
	const char *reason = last ? ERR_reason_error_string(last) : NULL;
	_cleanup_(buf_done) struct buf text = BUF_INIT(sizeof(err->message));
	va_list args;

	va_start(args, format);
	(void)buf_vprintf(&text, format, args);
	va_end(args);
	if (reason)
		(void)buf_printf(&text, ": %s", reason);
	ERR_clear_error();
	return error_set(err, class, code, "%s", text.data);
}

void *openssl_must(void *object)
{
	if (!object)
		abort();
	return object;
}

void openssl_append(BIO *bio, struct buf *buf)
{
	char *data = NULL;
	long length = BIO_get_mem_data(bio, &data);

	if (length > 0)
		(void)buf_append(buf, data, (size_t)length);
}

/* The characters of a PrintableString, without `*` and `&`, which Go leaves to UTF8String. */
static bool is_printable(const char *text)
{
	static const char characters[] = "abcdefghijklmnopqrstuvwxyz"
					 "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
					 "0123456789 '()+,-./:=?";

	return strspn(text, characters) == strlen(text);
}

void openssl_name_add(X509_NAME *name, int nid, const char *text, bool same_set)
{
	int type = is_printable(text) ? V_ASN1_PRINTABLESTRING : V_ASN1_UTF8STRING;

	if (X509_NAME_add_entry_by_NID(name, nid, type, (const unsigned char *)text,
				       (int)strlen(text), -1, same_set ? -1 : 0) != 1)
		abort();
}

char *openssl_address_text(const ASN1_OCTET_STRING *address)
{
	int length = ASN1_STRING_length(address);
	int family = length == 4 ? AF_INET : AF_INET6;
	char text[INET6_ADDRSTRLEN];

	if (length != 4 && length != 16)
		return NULL;
	return xstrdup(inet_ntop(family, ASN1_STRING_get0_data(address), text, sizeof(text)));
}
