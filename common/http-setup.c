/* What curl is told about a request, and what its failures mean; see http-setup.h and http.h. */
#include "common/http-setup.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>

#include <curl/curl.h>

#include "common/alloc.h"
#include "common/macros.h"
#include "config.h"

enum {
	CONNECTION_AGE_S = 60, /* an idle one that is older is not used again */
	CONNECTION_LIFE_S = 600,
	CURL_BUFFER = 16 * 1024,
	FIRST_GOOD_H2C = 0x080000, /* curl before it breaks h2c connections that are used again */
};
#define CIPHERS "ECDHE+AESGCM:ECDHE+CHACHA20:@SECLEVEL=2"

/* One option, in a function with `easy` and `err` that returns an errno. */
#define SET(option, value)                                                            \
	do {                                                                          \
		CURLcode code_ = curl_easy_setopt(easy, option, value);               \
		if (code_ != CURLE_OK)                                                \
			return error_set(err, ERROR_BUG, -ENOTSUP, "%s: %s", #option, \
					 curl_easy_strerror(code_));                  \
	} while (0)

/* Whether url's host is this machine, without asking anybody for its address. */
static bool is_loopback(const char *host)
{
	struct in_addr ip4;

	return strcmp(host, "localhost") == 0 || strcmp(host, "[::1]") == 0 ||
	       (inet_pton(AF_INET, host, &ip4) == 1 && ntohl(ip4.s_addr) >> 24 == 127);
}

static int parse_url(const char *text, char **ret_scheme, char **ret_host, struct error *err)
{
	char *scheme = NULL, *host = NULL;
	CURLU *url = curl_url();
	CURLUcode code;

	code = curl_url_set(url, CURLUPART_URL, text, CURLU_DISALLOW_USER);
	if (code == CURLUE_OK)
		code = curl_url_get(url, CURLUPART_SCHEME, &scheme, 0);
	if (code == CURLUE_OK)
		code = curl_url_get(url, CURLUPART_HOST, &host, 0);
	curl_url_cleanup(url);
	if (code == CURLUE_OK) {
		*ret_scheme = xstrdup(scheme);
		*ret_host = xstrdup(host);
	}
	curl_free(scheme);
	curl_free(host);
	if (code != CURLUE_OK)
		return error_set(err, ERROR_CONFIG, -EINVAL, "this is not a URL: %s",
				 curl_url_strerror(code));
	return 0;
}

int http_setup_check(const struct http_identity *identity, const struct http_request *request,
		     struct error *err)
{
	_cleanup_free_ char *scheme = NULL, *host = NULL;
	bool plain;
	int r;

	r = parse_url(request->url, &scheme, &host, err);
	if (r < 0)
		return r;
	plain = strcmp(scheme, "http") == 0;
	if (!plain && strcmp(scheme, "https") != 0)
		return error_set(err, ERROR_CONFIG, -EPROTONOSUPPORT, "only https can be used");
	if (plain && !request->unix_path && !is_loopback(host))
		return error_set(err, ERROR_CONFIG, -EPROTONOSUPPORT,
				 "http without TLS is only for this machine itself");
	if (plain && identity->bearer)
		return error_set(err, ERROR_BUG, -EPERM,
				 "a token must not be sent over a connection without TLS");
	if (!plain && !identity->insecure && !identity->ca_pem)
		return error_set(err, ERROR_BUG, -ENOKEY, "no certificate authority was given");
	return 0;
}

/* Dead peers are found in half a minute without waking anybody: the kernel asks them. */
static curl_socket_t open_socket(void *userdata, curlsocktype purpose,
				 struct curl_sockaddr *address)
{
	static const struct {
		int level, option, value;
	} options[] = {
		{ SOL_SOCKET, SO_KEEPALIVE, 1 },	  { IPPROTO_TCP, TCP_KEEPIDLE, 10 },
		{ IPPROTO_TCP, TCP_KEEPINTVL, 5 },	  { IPPROTO_TCP, TCP_KEEPCNT, 2 },
		{ IPPROTO_TCP, TCP_USER_TIMEOUT, 15000 },
	};
	int fd = socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);

	if (fd < 0)
		return CURL_SOCKET_BAD;
	/* A socket without them still works, and unix sockets have none. */
	for (size_t i = 0; address->family != AF_UNIX && i < ARRAY_SIZE(options); i++)
		(void)setsockopt(fd, options[i].level, options[i].option, &options[i].value,
				 sizeof(options[i].value));
	return fd;
}

static int add_header(struct curl_slist **headers, const char *line, struct error *err)
{
	struct curl_slist *longer;

	if (strpbrk(line, "\r\n"))
		return error_set(err, ERROR_BUG, -EINVAL, "a header must be one line");
	longer = curl_slist_append(*headers, line);
	if (!longer)
		abort();
	*headers = longer;
	return 0;
}

static int add_bearer(struct curl_slist **headers, const struct secret *bearer, struct error *err)
{
	char *line = xasprintf("Authorization: Bearer %s", secret_bytes(bearer));
	int r = add_header(headers, line, err);

	secret_wipe(line, strlen(line));
	free(line);
	return r;
}

static int add_headers(struct curl_slist **headers, const struct http_identity *identity,
		       const struct http_request *request, struct error *err)
{
	bool has_type = !request->body;
	int r = 0;

	for (const char *const *line = request->headers; line && *line && r == 0; line++) {
		has_type |= strncasecmp(*line, "Content-Type:", strlen("Content-Type:")) == 0;
		r = add_header(headers, *line, err);
	}
	if (r == 0 && !has_type)
		r = add_header(headers, "Content-Type: application/json", err);
	/* Never wait for a "100 Continue". */
	if (r == 0)
		r = add_header(headers, "Expect:", err);
	if (r == 0 && identity->bearer)
		r = add_bearer(headers, identity->bearer, err);
	return r;
}

void http_setup_free_lists(struct http_lists *lists)
{
	for (struct curl_slist *item = lists->headers; item; item = item->next)
		secret_wipe(item->data, strlen(item->data));
	curl_slist_free_all(lists->headers);
	curl_slist_free_all(lists->connect_to);
	*lists = (struct http_lists){ 0 };
}

/* Whatever host and port the URL has, the connection goes to this address. */
static int set_address(CURL *easy, const char *address, void **ret_list, struct error *err)
{
	_cleanup_free_ char *entry = xasprintf(strchr(address, ':') ? "::[%s]:" : "::%s:", address);

	*ret_list = curl_slist_append(NULL, entry);
	if (!*ret_list)
		abort();
	SET(CURLOPT_CONNECT_TO, (struct curl_slist *)*ret_list);
	return 0;
}

static int set_blob(CURL *easy, CURLoption option, const char *bytes, size_t length,
		    struct error *err)
{
	struct curl_blob blob = { (void *)bytes, length, CURL_BLOB_NOCOPY };

	SET(option, &blob);
	return 0;
}

static int set_tls(CURL *easy, const struct http_identity *identity, struct error *err)
{
	int r = 0;

	SET(CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
	SET(CURLOPT_SSL_CIPHER_LIST, CIPHERS);
	SET(CURLOPT_SSL_VERIFYPEER, identity->insecure ? 0L : 1L);
	SET(CURLOPT_SSL_VERIFYHOST, identity->insecure ? 0L : 2L);
	SET(CURLOPT_SSL_SESSIONID_CACHE, 0L);
	/* Only the roots of the identity, never the system's. */
	SET(CURLOPT_CAINFO, NULL);
	SET(CURLOPT_CAPATH, NULL);
	if (identity->ca_pem)
		r = set_blob(easy, CURLOPT_CAINFO_BLOB, identity->ca_pem, strlen(identity->ca_pem),
			     err);
	if (r == 0 && identity->certificate_pem)
		r = set_blob(easy, CURLOPT_SSLCERT_BLOB, identity->certificate_pem,
			     strlen(identity->certificate_pem), err);
	if (r == 0 && identity->key_pem)
		r = set_blob(easy, CURLOPT_SSLKEY_BLOB, secret_bytes(identity->key_pem),
			     secret_length(identity->key_pem), err);
	return r;
}

static int set_connection(CURL *easy, const struct http_request *request, struct error *err)
{
	bool once =
	    request->h2c && curl_version_info(CURLVERSION_NOW)->version_num < FIRST_GOOD_H2C;

	SET(CURLOPT_PROTOCOLS_STR, "http,https");
	SET(CURLOPT_PROXY, "");
	SET(CURLOPT_NOPROXY, "*");
	SET(CURLOPT_NETRC, (long)CURL_NETRC_IGNORED);
	SET(CURLOPT_NOSIGNAL, 1L);
	SET(CURLOPT_OPENSOCKETFUNCTION, open_socket);
	SET(CURLOPT_BUFFERSIZE, (long)CURL_BUFFER);
	SET(CURLOPT_MAXAGE_CONN, (long)CONNECTION_AGE_S);
	SET(CURLOPT_MAXLIFETIME_CONN, (long)CONNECTION_LIFE_S);
	if (request->unix_path)
		SET(CURLOPT_UNIX_SOCKET_PATH, request->unix_path);
	SET(CURLOPT_HTTP_VERSION,
	    request->h2c ? (long)CURL_HTTP_VERSION_2_PRIOR_KNOWLEDGE : (long)CURL_HTTP_VERSION_1_1);
	SET(CURLOPT_FRESH_CONNECT, once || request->want_certificate ? 1L : 0L);
	SET(CURLOPT_FORBID_REUSE, once ? 1L : 0L);
	SET(CURLOPT_CERTINFO, request->want_certificate ? 1L : 0L);
	return 0;
}

static int set_request(CURL *easy, const struct http_request *request, struct error *err)
{
	SET(CURLOPT_URL, request->url);
	SET(CURLOPT_PATH_AS_IS, 1L);
	SET(CURLOPT_USERAGENT, "agentd/" AGENTD_VERSION);
	SET(CURLOPT_FOLLOWLOCATION, 0L);
	if (request->body) {
		SET(CURLOPT_POST, 1L);
		SET(CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)request->body_length);
		SET(CURLOPT_POSTFIELDS, request->body);
	} else if (strcmp(request->method, "HEAD") == 0) {
		SET(CURLOPT_NOBODY, 1L);
	}
	SET(CURLOPT_CUSTOMREQUEST, request->method);
	return 0;
}

int http_setup_easy(void *easy, const struct http_identity *identity,
		    const struct http_request *request, struct http_lists *ret_lists,
		    struct error *err)
{
	struct curl_slist *headers = NULL;
	int r;

	*ret_lists = (struct http_lists){ 0 };
	r = add_headers(&headers, identity, request, err);
	ret_lists->headers = headers;
	if (r == 0 && request->address)
		r = set_address(easy, request->address, &ret_lists->connect_to, err);
	if (r == 0)
		r = set_request(easy, request, err);
	if (r == 0)
		r = set_connection(easy, request, err);
	if (r == 0)
		r = set_tls(easy, identity, err);
	if (r < 0)
		return r;
	SET(CURLOPT_HTTPHEADER, headers);
	return 0;
}

/* What a failure of curl means for us. Those that are not listed are lost connections. */
static const struct meaning {
	CURLcode curl;
	enum error_class class;
	int code;
} meanings[] = {
	{ CURLE_COULDNT_RESOLVE_HOST, ERROR_NETWORK, -EHOSTUNREACH },
	{ CURLE_COULDNT_CONNECT, ERROR_NETWORK, -ECONNREFUSED },
	{ CURLE_OPERATION_TIMEDOUT, ERROR_NETWORK, -ETIMEDOUT },
	{ CURLE_PEER_FAILED_VERIFICATION, ERROR_TRUST, -EKEYREJECTED },
	{ CURLE_SSL_ISSUER_ERROR, ERROR_TRUST, -EKEYREJECTED },
	{ CURLE_SSL_INVALIDCERTSTATUS, ERROR_TRUST, -EKEYREJECTED },
	/* The roots that we were given cannot be read; our own certificate or its key cannot. */
	{ CURLE_SSL_CACERT_BADFILE, ERROR_TRUST, -EBADMSG },
	{ CURLE_SSL_CERTPROBLEM, ERROR_CONFIG, -EBADMSG },
	{ CURLE_SSL_CONNECT_ERROR, ERROR_NETWORK, -EPROTO },
	{ CURLE_SSL_CIPHER, ERROR_NETWORK, -EPROTO },
	/* The server ended a stream of HTTP/2. */
	{ CURLE_HTTP2_STREAM, ERROR_NETWORK, -EPROTO },
	{ CURLE_WEIRD_SERVER_REPLY, ERROR_NETWORK, -EBADMSG },
	{ CURLE_UNSUPPORTED_PROTOCOL, ERROR_NETWORK, -EBADMSG },
};

/* Alerts by which a server says that it does not accept our certificate; TLS has no other way. */
static const char *const denials[] = {
	"alert bad certificate",     "alert certificate expired",  "alert certificate unknown",
	"alert certificate revoked", "alert certificate required", "alert unknown ca",
	"alert access denied",
};

static bool is_denial(CURLcode code, const char *text)
{
	if (code != CURLE_SSL_CONNECT_ERROR && code != CURLE_RECV_ERROR)
		return false;
	for (size_t i = 0; i < ARRAY_SIZE(denials); i++)
		if (strcasestr(text, denials[i]))
			return true;
	return false;
}

void http_setup_error(void *easy, int code, const char *text, struct error *err)
{
	struct meaning meaning = { (CURLcode)code, ERROR_NETWORK, -ECONNRESET };
	long number = 0;

	for (size_t i = 0; i < ARRAY_SIZE(meanings); i++)
		if (meanings[i].curl == meaning.curl)
			meaning = meanings[i];
	if (meaning.curl == CURLE_COULDNT_CONNECT &&
	    curl_easy_getinfo(easy, CURLINFO_OS_ERRNO, &number) == CURLE_OK && number > 0) {
		(void)error_errno(err, meaning.class, (int)-number, "cannot connect");
		return;
	}
	if (*text == '\0')
		text = curl_easy_strerror(meaning.curl);
	if (is_denial(meaning.curl, text))
		(void)error_set(err, ERROR_DENIED, -EACCES,
				"the server does not accept our certificate: %s", text);
	else
		(void)error_set(err, meaning.class, meaning.code, "%s", text);
}

void http_setup_serial(void *easy, char *ret, size_t size)
{
	static const char name[] = "Serial Number:";
	struct curl_certinfo *info = NULL;
	size_t used = 0;

	if (curl_easy_getinfo(easy, CURLINFO_CERTINFO, &info) != CURLE_OK || !info ||
	    info->num_of_certs < 1)
		return;
	for (struct curl_slist *item = info->certinfo[0]; item; item = item->next) {
		if (strncmp(item->data, name, strlen(name)) != 0)
			continue;
		for (const char *p = item->data + strlen(name); *p && used + 1 < size; p++)
			if (isxdigit((unsigned char)*p))
				ret[used++] = (char)tolower((unsigned char)*p);
		ret[used] = '\0';
		return;
	}
}
