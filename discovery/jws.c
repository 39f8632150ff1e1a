/* The detached signature of cluster-info; see jws.h. */
#include "discovery/jws.h"

#include <errno.h>
#include <string.h>

#include "pki/hmac.h"

enum { CONTENT_MAX = 64 * 1024 };

int jws_sign(const struct token *token, const char *content, size_t length, struct buf *ret,
	     struct error *err)
{
	_cleanup_(buf_done) struct buf header = BUF_INIT(64), input = BUF_INIT(128 * KIB);
	size_t header_length;
	uint8_t mac[32];
	int r;

	if (length > CONTENT_MAX)
		return error_set(err, ERROR_TRUST, -EFBIG, "the kubeconfig is longer than %d KiB",
				 CONTENT_MAX / 1024);
	(void)buf_printf(&header, "{\"alg\":\"HS256\",\"kid\":\"%s\"}", token->id);
	hmac_base64url(header.data, header.length, &input);
	header_length = input.length;
	(void)buf_append_char(&input, '.');
	hmac_base64url(content, length, &input);
	r = hmac_sha256(token->secret, input.data, input.length, mac, err);
	if (r < 0)
		return r;

	(void)buf_append(ret, input.data, header_length);
	(void)buf_append_string(ret, "..");
	hmac_base64url(mac, sizeof(mac), ret);
	return 0;
}

int jws_verify(const struct token *token, const char *content, size_t length, const char *signature,
	       struct error *err)
{
	_cleanup_(buf_done) struct buf expected = BUF_INIT(KIB);
	int r;

	r = jws_sign(token, content, length, &expected, err);
	if (r < 0)
		return r;

	if (strlen(signature) != expected.length ||
	    !hmac_equal(signature, expected.data, expected.length))
		return error_set(err, ERROR_TRUST, -EKEYREJECTED,
				 "the signature for token %s does not fit: the secret half of the"
				 " token is wrong, or somebody is between this host and the control"
				 " plane; make a new token with `agentctl token create` there",
				 token->id);
	return 0;
}
