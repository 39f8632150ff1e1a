/* The role: documents in, one immutable counted snapshot out; see role.h. What the documents may
 * say is in the tables of agentd/schema. */
#include "agentd/role.h"

#include <errno.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "agentd/schema/checks.h"
#include "agentd/schema/schema.h"
#include "common/alloc.h"
#include "common/file.h"
#include "common/fs.h"
#include "common/names.h"
#include "common/parse.h"
#include "common/yaml.h"

enum {
	TOKEN_FILE_MAX = 4096,
	WRITTEN_MAX = 2 * 1024 * 1024,
	YEAR_S = 365 * 24 * 3600,
	COMPONENT_HEALTH_TIMEOUT_S = 240,
};

static const char *const kind_names[] = {
	[ROLE_NONE] = "none", [ROLE_CONTROL_PLANE] = "control-plane", [ROLE_WORKER] = "worker"
};

const char *role_kind_name(enum role_kind kind)
{
	return names_text(kind_names, ARRAY_SIZE(kind_names), (int)kind);
}

static const char *const class_names[] = {
	[CLASS_NONE] = "none",
	[CLASS_CERTIFICATES] = "certificates",
	[CLASS_KUBECONFIGS] = "kubeconfigs",
	[CLASS_STATIC_PODS] = "staticPods",
	[CLASS_KUBELET] = "kubelet",
	[CLASS_CLUSTER_OBJECTS] = "clusterObjects",
	[CLASS_ADDONS] = "addons",
	[CLASS_NODE] = "node",
	[CLASS_TOKENS] = "tokens",
};

const char *resource_class_name(enum resource_class class)
{
	return names_text(class_names, ARRAY_SIZE(class_names), (int)class);
}

struct role *role_ref(const struct role *role)
{
	struct role *mine = (struct role *)role;

	if (mine)
		mine->refs++;
	return mine;
}

struct role *role_unref(struct role *role)
{
	if (!role)
		return NULL;
	assert(role->refs > 0);
	if (--role->refs > 0)
		return NULL;

	decode_free(schema_init_rows, role);
	decode_free(schema_join_rows, role);
	decode_free(schema_cluster_rows, &role->cluster);
	value_unref(role->kubelet);
	value_unref(role->kube_proxy);
	value_unref(role->cluster_document);
	free(role->join.token_file);
	free(role->join.credential);
	free(role->source);
	free(role);
	return NULL;
}

static void flat_done(struct schema_role *flat)
{
	decode_free(schema_role_rows, flat);
}
DEFINE_CLEANUP_VALUE(struct schema_role, flat_done)

/* Which kind of role the documents make. */

static int refuse_document(const struct schema_text *text, enum schema_kind kind,
			   enum role_kind role, struct error *err)
{
	const char *reason = "is not for such a host";

	if (role == ROLE_WORKER && (kind == SCHEMA_KUBELET || kind == SCHEMA_KUBE_PROXY))
		reason = "comes from the cluster";
	else if (role == ROLE_WORKER)
		reason = "is for a control plane";
	else if (role == ROLE_CONTROL_PLANE)
		reason = "is for a worker";
	return schema_error(text, text->documents[kind], err, "role is %s, but %s %s",
			    role_kind_name(role), schema_documents[kind].kind, reason);
}

static bool belongs(enum schema_kind kind, enum role_kind role)
{
	switch (kind) {
	case SCHEMA_INIT:
	case SCHEMA_CLUSTER:
	case SCHEMA_KUBELET:
	case SCHEMA_KUBE_PROXY:
		return role == ROLE_CONTROL_PLANE;
	case SCHEMA_JOIN:
		return role == ROLE_WORKER;
	case SCHEMA_ROLE:
	case _SCHEMA_KIND_MAX:
		break;
	}
	return true;
}

static int choose_kind(const struct schema_text *text, const struct schema_role *flat,
		       enum role_kind *ret, struct error *err)
{
	const struct value *const *documents = text->documents;
	const struct value *first =
	    documents[SCHEMA_INIT] ? documents[SCHEMA_INIT] : documents[SCHEMA_CLUSTER];
	enum role_kind kind;

	if (flat->role >= 0)
		kind = (enum role_kind)flat->role;
	else if (first && documents[SCHEMA_JOIN])
		return schema_error(text, documents[SCHEMA_JOIN], err,
				    "JoinConfiguration makes this host a worker, but the %s in "
				    "line %u makes it a control plane",
				    value_string(value_get(first, "kind")), value_line(first));
	else if (first)
		kind = ROLE_CONTROL_PLANE;
	else if (documents[SCHEMA_JOIN])
		kind = ROLE_WORKER;
	else if (documents[SCHEMA_ROLE])
		return schema_error(text, documents[SCHEMA_ROLE], err,
				    "RoleConfiguration has no role: control-plane, worker or none");
	else
		return schema_error(text, NULL, err,
				    "no document says what this host is: a RoleConfiguration "
				    "with a role, or kubeadm's InitConfiguration, "
				    "ClusterConfiguration or JoinConfiguration");

	for (int i = 0; i < _SCHEMA_KIND_MAX; i++)
		if (documents[i] && !belongs(i, kind))
			return refuse_document(text, i, kind, err);
	*ret = kind;
	return 0;
}

/* The flat fields of RoleConfiguration. */

static int trimmed_token(const char *bytes, size_t length, struct secret **ret, struct error *err)
{
	_cleanup_(secret_unref) struct secret *token = NULL;
	int r;

	while (length > 0 && strchr(" \t\r\n", bytes[length - 1]))
		length--;
	token = secret_new(bytes, length);
	if (length == 0 || strlen(secret_bytes(token)) != length)
		return error_set(err, ERROR_CONFIG, -EINVAL, "has no token in it");
	r = check_token(secret_bytes(token), err);
	if (r < 0)
		return r;
	*ret = TAKE_PTR(token);
	return 0;
}

static int token_from_file(const char *file, const struct role_host *host, struct secret **ret,
			   struct error *err)
{
	_cleanup_(buf_done) struct buf text = BUF_INIT(TOKEN_FILE_MAX);
	_cleanup_free_ char *path = xasprintf("%s%s", host->root ? host->root : "", file);
	mode_t mode;
	int r;

	r = fs_read_trusted(path, geteuid(), &text, &mode, err);
	if (r < 0)
		return r;
	if (r == 0)
		return error_set(err, ERROR_CONFIG, -ENOENT, "%s does not exist", file);
	r = trimmed_token(text.data, text.length, ret, err);
	secret_wipe(text.data, text.length);
	return r;
}

static int token_from_credential(const char *name, const struct role_host *host,
				 struct secret **ret, struct error *err)
{
	_cleanup_(secret_unref) struct secret *credential = NULL;

	if (!host->credential || host->credential(host->userdata, name, &credential) < 0 ||
	    !credential)
		return error_set(err, ERROR_CONFIG, -ENOENT,
				 "agentd.service was given no credential %s", name);
	return trimmed_token(secret_bytes(credential), secret_length(credential), ret, err);
}

/* Which of the three fields for the token is used; NULL if none is. */
static int flat_token_key(const struct schema_text *text, const struct schema_role *flat,
			  const char **ret, struct error *err)
{
	bool has_file = flat->token_file && *flat->token_file;
	bool has_credential = flat->credential && *flat->credential;
	bool has_token = flat->token && secret_length(flat->token) > 0;

	if (has_file + has_credential + has_token > 1)
		return schema_error(text, text->documents[SCHEMA_ROLE], err,
				    "only one of token, tokenFile and credential is possible");
	*ret = has_token ? "token" : has_file ? "tokenFile" : has_credential ? "credential" : NULL;
	return 0;
}

static int flat_token(const struct schema_text *text, struct schema_role *flat, const char *key,
		      const struct role_host *host, struct secret **ret, struct error *err)
{
	struct error cause = ERROR_INIT;
	int r = 0;

	if (strcmp(key, "token") == 0)
		*ret = TAKE_PTR(flat->token);
	else if (strcmp(key, "tokenFile") == 0)
		r = token_from_file(flat->token_file, host, ret, &cause);
	else
		r = token_from_credential(flat->credential, host, ret, &cause);
	if (r < 0)
		return schema_error(text, value_get(text->documents[SCHEMA_ROLE], key), err,
				    "%s: %s", key, cause.message);
	return 0;
}

/* Refuses flat fields that say something to a host that is no worker. */
static int refuse_flat(const struct schema_text *text, enum role_kind kind, struct error *err)
{
	const struct value *document = text->documents[SCHEMA_ROLE];

	for (const struct decode_row *row = schema_role_rows; row->key; row++) {
		const struct value *value = value_get(document, row->key);
		bool empty = value_type(value) == VALUE_NULL ||
			     (value_type(value) == VALUE_BOOL && !value_is_true(value));

		if (!empty && row->kind != DECODE_NOTHING && strcmp(row->key, "role") != 0 &&
		    strcmp(row->key, "policy") != 0)
			return schema_error(text, value, err, "%s is for a worker, and role is %s",
					    row->key, role_kind_name(kind));
	}
	return 0;
}

/* Each flat field fills what the JoinConfiguration leaves open. Where both say something they have
 * to say the same; `theirs` is the place in the JoinConfiguration. */
static int refuse_other(const struct schema_text *text, const char *key, const struct value *theirs,
			struct error *err)
{
	return schema_error(text, value_get(text->documents[SCHEMA_ROLE], key), err,
			    "%s is not what the JoinConfiguration says in line %u", key,
			    value_line(theirs));
}

static const struct value *join_discovery(const struct schema_text *text, const char *key)
{
	return value_at(text->documents[SCHEMA_JOIN], "discovery", "bootstrapToken", key);
}

/* With a kubeconfig that names the cluster there is nothing to add to it. */
static int refuse_beside_file(const struct schema_text *text, const char *key, struct error *err)
{
	return schema_error(
	    text, value_get(text->documents[SCHEMA_ROLE], key), err,
	    "%s is for discovery by a token, and the JoinConfiguration names a file in line %u",
	    key, value_line(value_at(text->documents[SCHEMA_JOIN], "discovery", "file")));
}

static bool same_endpoint(const char *a, const char *b)
{
	enum { HOST_MAX = 254, API_PORT = 6443 };
	char host_a[HOST_MAX + 1], host_b[HOST_MAX + 1];
	uint16_t port_a = 0, port_b = 0;

	return parse_host_port(a, host_a, sizeof(host_a), &port_a) == 0 &&
	       parse_host_port(b, host_b, sizeof(host_b), &port_b) == 0 &&
	       strcasecmp(host_a, host_b) == 0 &&
	       (port_a ? port_a : API_PORT) == (port_b ? port_b : API_PORT);
}

static int merge_endpoint(const struct schema_text *text, struct schema_role *flat,
			  struct role_join *join, struct error *err)
{
	if (!flat->endpoint || !*flat->endpoint)
		return 0;
	if (join->file)
		return refuse_beside_file(text, "endpoint", err);
	if (join->endpoint && !same_endpoint(flat->endpoint, join->endpoint))
		return refuse_other(text, "endpoint", join_discovery(text, "apiServerEndpoint"),
				    err);
	if (!join->endpoint)
		join->endpoint = TAKE_PTR(flat->endpoint);
	return 0;
}

static bool has_all_pins(const struct strv *pins, const struct strv *of)
{
	STRV_FOREACH(pin, of) {
		bool found = false;

		STRV_FOREACH(mine, pins)
			found |= strcasecmp(mine, pin) == 0;
		if (!found)
			return false;
	}
	return true;
}

static int merge_pins(const struct schema_text *text, struct schema_role *flat,
		      struct role_join *join, struct error *err)
{
	struct strv *pins = &flat->ca_cert_hashes;
	const struct value *theirs = join_discovery(text, "unsafeSkipCAVerification");

	if (pins->count > 0 && join->file)
		return refuse_beside_file(text, "caCertHashes", err);
	if (pins->count > 0 && join->ca_cert_hashes.count > 0 &&
	    !(has_all_pins(pins, &join->ca_cert_hashes) &&
	      has_all_pins(&join->ca_cert_hashes, pins)))
		return refuse_other(text, "caCertHashes", join_discovery(text, "caCertHashes"),
				    err);
	if (pins->count > 0 && join->ca_cert_hashes.count == 0) {
		join->ca_cert_hashes = *pins;
		*pins = STRV_INIT;
	}
	if (value_type(value_get(text->documents[SCHEMA_ROLE], "unsafeSkipCAVerification")) !=
	    VALUE_BOOL)
		return 0;
	if (value_type(theirs) == VALUE_BOOL &&
	    join->unsafe_skip_ca_verification != flat->unsafe_skip_ca_verification)
		return refuse_other(text, "unsafeSkipCAVerification", theirs, err);
	join->unsafe_skip_ca_verification = flat->unsafe_skip_ca_verification;
	return 0;
}

static int merge_token(const struct schema_text *text, struct schema_role *flat,
		       const struct role_host *host, struct role_join *join, struct error *err)
{
	/* With discovery by file a token can only be for the certificate. */
	struct secret **target = join->file ? &join->tls_bootstrap_token : &join->token;
	const struct value *theirs =
	    join->file ? value_at(text->documents[SCHEMA_JOIN], "discovery", "tlsBootstrapToken")
		       : join_discovery(text, "token");
	_cleanup_(secret_unref) struct secret *token = NULL;
	const char *key = NULL;
	int r;

	r = flat_token_key(text, flat, &key, err);
	if (r < 0 || !key)
		return r;
	r = flat_token(text, flat, key, host, &token, err);
	if (r < 0)
		return r;
	join->token_file = strcmp(key, "tokenFile") == 0 ? TAKE_PTR(flat->token_file) : NULL;
	join->credential = strcmp(key, "credential") == 0 ? TAKE_PTR(flat->credential) : NULL;
	if (*target && secret_length(*target) > 0)
		return secret_equal(*target, token) ? 0 : refuse_other(text, key, theirs, err);
	secret_unref(*target);
	*target = TAKE_PTR(token);
	return 0;
}

static int merge_flat(const struct schema_text *text, struct schema_role *flat,
		      const struct role_host *host, struct role *role, struct error *err)
{
	struct role_join *join = &role->join;
	int r;

	if (!text->documents[SCHEMA_ROLE])
		return 0;
	role->policy = flat->policy;
	if (role->kind != ROLE_WORKER)
		return refuse_flat(text, role->kind, err);

	join->replace_node = flat->replace_node;
	r = merge_endpoint(text, flat, join, err);
	if (r < 0)
		return r;
	r = merge_pins(text, flat, join, err);
	if (r < 0)
		return r;
	return merge_token(text, flat, host, join, err);
}

/* Parsing. */

static int decode_documents(const struct schema_text *text, struct role *role, struct error *err)
{
	int r;

	r = schema_decode(text, SCHEMA_INIT, role, err);
	if (r < 0)
		return r;
	r = schema_decode(text, SCHEMA_JOIN, role, err);
	if (r < 0)
		return r;
	r = schema_decode(text, SCHEMA_CLUSTER, &role->cluster, err);
	if (r < 0)
		return r;
	role->cluster_document = value_ref(text->documents[SCHEMA_CLUSTER]);
	role->kubelet = value_ref(text->documents[SCHEMA_KUBELET]);
	role->kube_proxy = value_ref(text->documents[SCHEMA_KUBE_PROXY]);
	return 0;
}

static struct role *role_new(const struct schema_text *text)
{
	struct role *role = NEW(struct role);

	role->refs = 1;
	role->source = xstrdup(text->name);
	role->component_health_timeout_s = COMPONENT_HEALTH_TIMEOUT_S;
	role->cluster_given = text->documents[SCHEMA_CLUSTER] != NULL;
	role->cluster.encryption_algorithm = role->cluster_given ? KEY_RSA_2048 : KEY_ECDSA_P256;
	role->cluster.certificate_validity_s = YEAR_S;
	role->cluster.ca_certificate_validity_s = 10 * (int64_t)YEAR_S;
	return role;
}

/* Completed, a role is longer than its text; it must still be one that can be read again. */
static int check_kept(const struct role *role, struct error *err)
{
	_cleanup_(buf_done) struct buf text = BUF_INIT(WRITTEN_MAX);
	_cleanup_(value_unref) struct value *list = NULL;
	struct error cause = ERROR_INIT;
	int r;

	r = role_write(role, &text);
	if (r >= 0)
		r = yaml_parse(text.data, text.length, "completed", &list, &cause);
	secret_wipe(text.data, text.length);
	if (r < 0)
		return error_set(err, ERROR_CONFIG, r, "%s: too large, once it is completed: %s",
				 role->source, cause.code ? cause.message : "more than 2 MiB");
	return 0;
}

static int parse(const char *text, size_t length, const char *name, const struct role_host *host,
		 struct role **ret, struct error *err)
{
	_cleanup_(value_unref) struct value *list = NULL;
	_cleanup_(role_unref) struct role *role = NULL;
	_cleanup_(flat_done) struct schema_role flat = { .role = -1 };
	struct schema_text documents;
	int r;

	r = yaml_parse(text, length, name, &list, err);
	if (r < 0)
		return r;
	r = schema_sort(list, name, &documents, err);
	if (r < 0)
		return r;
	r = schema_decode(&documents, SCHEMA_ROLE, &flat, err);
	if (r < 0)
		return r;
	role = role_new(&documents);
	r = choose_kind(&documents, &flat, &role->kind, err);
	if (r < 0)
		return r;
	r = decode_documents(&documents, role, err);
	if (r < 0)
		return r;
	r = merge_flat(&documents, &flat, host, role, err);
	if (r < 0)
		return r;
	r = schema_complete(&documents, host, role, err);
	if (r < 0)
		return r;
	r = check_kept(role, err);
	if (r < 0)
		return r;
	file_digest(text, length, role->digest);
	*ret = TAKE_PTR(role);
	return 0;
}

int role_parse(const char *text, size_t length, const char *name, const struct role_host *host,
	       struct role **ret, struct error *err)
{
	int r;

	r = parse(text, length, name, host, ret, err);
	if (r >= 0)
		return 0;
	/* Messages quote names and values of the text, and terminals obey some bytes. */
	for (char *c = err->message; *c; c++)
		if ((unsigned char)*c < ' ' || *c == '\x7f')
			*c = '?';
	return r;
}

int role_read_token(const struct role *role, const struct role_host *host, struct secret **ret,
		    struct error *err)
{
	const struct role_join *join = &role->join;
	const char *what = join->token_file ? join->token_file : join->credential;
	int r;

	if (!what)
		return 0;
	if (join->token_file)
		r = token_from_file(join->token_file, host, ret, err);
	else
		r = token_from_credential(join->credential, host, ret, err);
	return r < 0 ? error_wrap(err, r, "%s", what) : 1;
}

int role_move(const struct role *role, const struct role_host *host, const char *address,
	      struct role **ret, struct error *err)
{
	_cleanup_(buf_done) struct buf text = BUF_INIT(WRITTEN_MAX);
	_cleanup_(role_unref) struct role *moved = NULL;
	int r;

	r = role_write(role, &text);
	if (r < 0)
		return error_set(err, ERROR_BUG, r, "the role cannot be written");
	r = role_parse(text.data, text.length, role->source, host, &moved, err);
	secret_wipe(text.data, text.length);
	if (r < 0)
		return r;
	free(moved->advertise_address);
	moved->advertise_address = xstrdup(address);
	moved->address_is_found = role->address_is_found;
	moved->name_is_found = role->name_is_found;
	moved->generation = role->generation;
	memcpy(moved->digest, role->digest, sizeof(moved->digest));
	*ret = TAKE_PTR(moved);
	return 0;
}

/* Shorthands. */

static char *server(const char *host_port)
{
	return xasprintf("https://%s", host_port);
}

char *role_local_server(const struct role *role)
{
	_cleanup_(buf_done) struct buf buf = BUF_INIT(KIB);

	format_host_port(role->advertise_address, role->bind_port, &buf);
	return server(buf.data);
}

char *role_cluster_server(const struct role *role)
{
	return role->cluster.control_plane_endpoint ? server(role->cluster.control_plane_endpoint)
						    : role_local_server(role);
}
