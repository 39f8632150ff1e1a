/* Decides whether a cluster-info is to be believed; see clusterinfo.h. Whoever reads this should
 * find every way in which a stranger's certificate could get through, and that there is none. */
#include "discovery/clusterinfo.h"

#include <errno.h>
#include <string.h>

#include "common/alloc.h"
#include "common/parse.h"
#include "discovery/jws.h"
#include "discovery/kubeconfig.h"
#include "pki/cert.h"
#include "pki/pin.h"

enum { CERTIFICATES_MAX = 4, SERVER_MAX = 512 };

void clusterinfo_done(struct clusterinfo *info)
{
	free(info->server);
	free(info->ca_pem);
	free(info->kubeconfig);
	*info = (struct clusterinfo){ 0 };
}

bool clusterinfo_server_is_valid(const char *server)
{
	static const char scheme[] = "https://";
	static const char characters[] = "abcdefghijklmnopqrstuvwxyz"
					 "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
					 "0123456789.-:[]";
	_cleanup_free_ char *authority = NULL;
	struct parse_address address;
	char host[256];
	uint16_t port;
	size_t length;

	if (strlen(server) > SERVER_MAX || strncmp(server, scheme, strlen(scheme)) != 0)
		return false;
	server += strlen(scheme);
	length = strspn(server, characters);
	if (length == 0 || (server[length] != '\0' && strcmp(server + length, "/") != 0))
		return false;
	authority = xstrndup(server, length);
	if (parse_host_port(authority, host, sizeof(host), &port) < 0 || host[0] == '\0')
		return false;
	/* Without brackets nobody can tell an IPv6 address and its port apart. */
	return authority[0] == '[' || !strchr(host, ':') || parse_ip(host, &address) < 0;
}

/* The ConfigMap's own form. Nothing in it is to be trusted, so that what is wrong with it is the
 * other side's trouble, and asking again may help. */
static int check_form(const struct value *config_map, struct error *err)
{
	const char *kind = value_string_or(value_get(config_map, "kind"), "");
	const char *name = value_string_or(value_at(config_map, "metadata", "name"), "");
	const char *namespace = value_string_or(value_at(config_map, "metadata", "namespace"), "");

	if (strcmp(kind, "ConfigMap") != 0 || strcmp(name, "cluster-info") != 0 ||
	    strcmp(namespace, "kube-public") != 0)
		return error_set(err, ERROR_NETWORK, -EBADMSG,
				 "the reply is not the ConfigMap kube-public/cluster-info: is the"
				 " endpoint a Kubernetes API server?");
	return 0;
}

/* The text at key of the ConfigMap's data, NULL if there is none. */
static const char *data_text(const struct value *config_map, const char *key)
{
	const struct value *text = value_at(config_map, "data", key);

	if (!value_string(text) || value_string_length(text) == 0 ||
	    strlen(value_string(text)) != value_string_length(text))
		return NULL;
	return value_string(text);
}

/* Without pins, which the caller has asked for: what is there must at least be CAs. */
static int select_all(const struct cert_list *certs, struct cert_list *ret, struct error *err)
{
	for (size_t i = 0; i < certs->count; i++) {
		if (!cert_is_ca(certs->items[i]) || !cert_key_is_strong(certs->items[i]))
			return error_set(
			    err, ERROR_TRUST, -EKEYREJECTED,
			    "a certificate of the cluster's CA bundle is not a CA's, or"
			    " has a key that is too weak");
		cert_list_add(ret, certs->items[i]);
	}
	return 0;
}

/* Appends each certificate once. */
static void write_pem(const struct cert_list *certs, struct buf *buf)
{
	for (size_t i = 0; i < certs->count; i++) {
		bool seen = false;

		for (size_t j = 0; j < i; j++)
			seen = seen || cert_equal(certs->items[i], certs->items[j]);
		if (!seen)
			cert_to_pem(certs->items[i], buf);
	}
}

static int select_ca(const char *ca_pem, const struct strv *pins, bool unsafe_skip, char **ret,
		     struct error *err)
{
	_cleanup_(cert_list_done) struct cert_list certs = { 0 }, selected = { 0 };
	_cleanup_(buf_done) struct buf pem = BUF_INIT(128 * KIB);
	int r;

	r = cert_list_from_pem(ca_pem, strlen(ca_pem), &certs, err);
	if (r < 0)
		return error_wrap(err, r, "certificate-authority-data");
	if (certs.count > CERTIFICATES_MAX)
		return error_set(err, ERROR_TRUST, -E2BIG,
				 "the cluster's CA bundle has %zu certificates, more than %d",
				 certs.count, CERTIFICATES_MAX);
	if (pins->count > 0)
		r = pin_select(pins, &certs, &selected, err);
	else if (unsafe_skip)
		r = select_all(&certs, &selected, err);
	else
		r = error_set(
		    err, ERROR_CONFIG, -EINVAL,
		    "without caCertHashes nobody can tell the cluster's CA from an"
		    " impostor's; `agentctl token create --print-join-command` on a control"
		    " plane prints them");
	if (r < 0)
		return r;

	write_pem(&selected, &pem);
	*ret = buf_take(&pem);
	return 0;
}

/* What the signed text says. */
static int read_signed(const char *text, const struct strv *pins, bool unsafe_skip,
		       struct clusterinfo *ret, struct error *err)
{
	_cleanup_(kubeconfig_done) struct kubeconfig config = { 0 };
	char *ca_pem = NULL;
	int r;

	r = kubeconfig_parse(text, strlen(text), "cluster-info", &config, err);
	if (r < 0)
		return r;
	if (!clusterinfo_server_is_valid(config.server))
		return error_set(err, ERROR_TRUST, -EINVAL,
				 "the server \"%.128s\" is not of the form https://HOST:PORT",
				 config.server);
	if (!config.ca_pem)
		return error_set(err, ERROR_TRUST, -ENODATA,
				 "there is no certificate-authority-data in it");
	r = select_ca(config.ca_pem, pins, unsafe_skip, &ca_pem, err);
	if (r < 0)
		return r;

	*ret = (struct clusterinfo){
		.server = TAKE_PTR(config.server),
		.ca_pem = ca_pem,
		.kubeconfig = xstrdup(text),
	};
	return 0;
}

int clusterinfo_decide(const struct value *config_map, const struct token *token,
		       const struct strv *pins, bool unsafe_skip, bool *ret_signed,
		       struct clusterinfo *ret, struct error *err)
{
	_cleanup_free_ char *key = xasprintf("jws-kubeconfig-%s", token->id);
	const char *text, *signature;
	int r;

	STRV_FOREACH(pin, pins) {
		r = pin_check(pin, err);
		if (r < 0)
			return error_wrap(err, r, "caCertHashes");
	}
	r = check_form(config_map, err);
	if (r < 0)
		return r;

	signature = data_text(config_map, key);
	if (!signature) {
		*ret_signed = false;
		return 0;
	}
	text = data_text(config_map, "kubeconfig");
	if (!text)
		return error_set(err, ERROR_NETWORK, -ENODATA,
				 "cluster-info has no kubeconfig in it: restore it with"
				 " `kubeadm init phase bootstrap-token` on a control plane");
	r = jws_verify(token, text, strlen(text), signature, err);
	if (r < 0)
		return error_wrap(err, r, "cluster-info");
	r = read_signed(text, pins, unsafe_skip, ret, err);
	if (r < 0) {
		/* Signed or not, it is somebody else's text: asking again may help where changing
		 * our role does not. */
		if (pins->count > 0 || unsafe_skip)
			err->class = ERROR_TRUST;
		return error_wrap(err, r, "cluster-info");
	}
	*ret_signed = true;
	return 0;
}
