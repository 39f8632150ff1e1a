/* Reads kubeconfigs and writes them as kubeadm and the kubelet do; see kubeconfig.h. */
#include "discovery/kubeconfig.h"

#include <errno.h>
#include <string.h>

#include "common/alloc.h"
#include "common/file.h"
#include "common/value.h"
#include "common/yaml.h"
#include "pki/hmac.h"

enum { TEXT_MAX = 256 * 1024, CA_MAX = 64 * 1024, TOKEN_MAX = 4 * 1024 };

void kubeconfig_done(struct kubeconfig *config)
{
	free(config->server);
	free(config->ca_pem);
	free(config->cluster);
	free(config->user);
	free(config->context);
	free(config->certificate_pem);
	secret_unref(config->key_pem);
	secret_unref(config->token);
	free(config->certificate_path);
	free(config->key_path);
	*config = (struct kubeconfig){ 0 };
}

/* What the readers below need to know: the name for messages, and the directory that relative
 * paths start from, NULL where no file may be read. */
struct source {
	const char *name, *directory;
};

static int refuse(const struct source *source, const struct value *at, struct error *err,
		  const char *format, ...) PRINTF_LIKE(4, 5);

static int refuse(const struct source *source, const struct value *at, struct error *err,
		  const char *format, ...)
{
	_cleanup_free_ char *text = NULL;
	va_list args;

	va_start(args, format);
	text = xvasprintf(format, args);
	va_end(args);
	return error_set(err, ERROR_CONFIG, -EINVAL, "%s:%u:%u: %s", source->name, value_line(at),
			 value_column(at), text);
}

/* The string at key of a map; *ret stays as it is if there is none, or an empty one. */
static int get_string(const struct source *source, const struct value *map, const char *key,
		      const char **ret, struct error *err)
{
	const struct value *value = value_get(map, key);
	const char *text = value_string(value);

	if (value_type(value) == VALUE_NULL)
		return 0;
	if (!text)
		return refuse(source, value, err, "%s must be a string, not %s", key,
			      value_type_name(value_type(value)));
	if (value_string_length(value) != strlen(text))
		return refuse(source, value, err, "%s has a NUL byte in it", key);
	if (*text)
		*ret = text;
	return 0;
}

/* The map called `field` of the item of list `key` that has this name; *ret stays NULL if there is
 * none. */
static int find_named(const struct source *source, const struct value *root, const char *key,
		      const char *name, const char *field, const struct value **ret,
		      struct error *err)
{
	const struct value *list = value_get(root, key), *found = NULL;

	if (value_type(list) != VALUE_NULL && value_type(list) != VALUE_LIST)
		return refuse(source, list, err, "%s must be a list, not %s", key,
			      value_type_name(value_type(list)));
	VALUE_FOREACH(i, list) {
		const struct value *item = value_item(list, i);
		const char *item_name = "";
		int r;

		if (value_type(item) != VALUE_MAP)
			return refuse(source, item, err, "an item of %s must be a map, not %s", key,
				      value_type_name(value_type(item)));
		r = get_string(source, item, "name", &item_name, err);
		if (r < 0)
			return r;
		if (strcmp(item_name, name) != 0)
			continue;
		if (found)
			return refuse(source, item, err, "%s has the name \"%s\" twice", key, name);
		found = value_get(item, field);
		if (value_type(found) != VALUE_MAP)
			return refuse(source, item, err, "the item \"%s\" of %s has no %s", name,
				      key, field);
	}
	*ret = found;
	return 0;
}

/* The base64 at key, decoded; *ret stays NULL if there is none. */
static int get_data(const struct source *source, const struct value *map, const char *key,
		    struct secret **ret, struct error *err)
{
	const char *text = NULL;
	struct secret *data = NULL;
	int r;

	r = get_string(source, map, key, &text, err);
	if (r < 0 || !text)
		return r;

	r = hmac_base64_decode_secret(text, strlen(text), &data);
	if (r < 0)
		return refuse(source, value_get(map, key), err, "%s is not base64", key);
	if (strlen(secret_bytes(data)) != secret_length(data)) {
		secret_unref(data);
		return refuse(source, value_get(map, key), err, "%s has a NUL byte in it", key);
	}
	*ret = data;
	return 0;
}

static int get_data_text(const struct source *source, const struct value *map, const char *key,
			 char **ret, struct error *err)
{
	_cleanup_(secret_unref) struct secret *data = NULL;
	int r;

	r = get_data(source, map, key, &data, err);
	if (r < 0)
		return r;

	if (data)
		*ret = xstrdup(secret_bytes(data));
	return 0;
}

/* The path at key, made absolute; *ret stays NULL if there is none. */
static int get_path(const struct source *source, const struct value *map, const char *key,
		    char **ret, struct error *err)
{
	const char *path = NULL;
	int r;

	r = get_string(source, map, key, &path, err);
	if (r < 0 || !path)
		return r;

	if (path[0] == '/')
		*ret = xstrdup(path);
	else if (source->directory)
		*ret = xasprintf("%s/%s", source->directory, path);
	else
		return refuse(source, value_get(map, key), err, "%s must be an absolute path", key);
	return 0;
}

/* Reads the file that key names; *ret stays NULL if it names none. */
static int get_file(const struct source *source, const struct value *map, const char *key,
		    size_t max, struct secret **ret, struct error *err)
{
	_cleanup_(buf_done) struct buf text = BUF_INIT(max);
	_cleanup_free_ char *path = NULL;
	int r;

	r = get_path(source, map, key, &path, err);
	if (r < 0 || !path)
		return r;
	if (!source->directory)
		return refuse(source, value_get(map, key), err,
			      "%s names a file, which is not read here: embed it", key);

	r = file_read(path, &text, err);
	if (r == 0)
		r = error_set(err, ERROR_CONFIG, -ENOENT, "there is no such file");
	if (r < 0)
		return error_wrap(err, r, "%s: %s: %s", source->name, key, path);
	*ret = secret_new(text.data, text.length);
	secret_wipe(text.data, text.length);
	return 0;
}

/* Fields that change whom we would trust or talk to, and that agentd does not know. */
static const char *const unknown_cluster[] = { "insecure-skip-tls-verify", "tls-server-name",
					       "proxy-url" };
static const char *const unknown_user[] = { "exec", "auth-provider", "username", "password",
					    "as",   "as-groups" };

static int refuse_unknown(const struct source *source, const struct value *map,
			  const char *const *keys, size_t count, struct error *err)
{
	for (size_t i = 0; i < count; i++) {
		const struct value *value = value_get(map, keys[i]);
		bool is_set = value_is_true(value) || value_count(value) > 0 ||
			      value_string_length(value) > 0;

		if (is_set)
			return refuse(source, value, err, "%s is not supported", keys[i]);
	}
	return 0;
}

static int read_cluster(const struct source *source, const struct value *cluster,
			struct kubeconfig *config, struct error *err)
{
	_cleanup_(secret_unref) struct secret *file = NULL;
	const char *server = NULL;
	int r;

	r = refuse_unknown(source, cluster, unknown_cluster, ARRAY_SIZE(unknown_cluster), err);
	if (r < 0)
		return r;
	r = get_string(source, cluster, "server", &server, err);
	if (r < 0)
		return r;
	if (!server)
		return refuse(source, cluster, err, "the cluster has no server");
	config->server = xstrdup(server);

	r = get_data_text(source, cluster, "certificate-authority-data", &config->ca_pem, err);
	if (r < 0 || config->ca_pem)
		return r;
	r = get_file(source, cluster, "certificate-authority", CA_MAX, &file, err);
	if (r < 0)
		return r;
	if (file)
		config->ca_pem = xstrdup(secret_bytes(file));
	return 0;
}

static int read_token(const struct source *source, const struct value *user,
		      struct kubeconfig *config, struct error *err)
{
	_cleanup_(secret_unref) struct secret *file = NULL;
	const char *text = NULL;
	size_t length;
	int r;

	r = get_string(source, user, "token", &text, err);
	if (r == 0 && !text) {
		r = get_file(source, user, "tokenFile", TOKEN_MAX, &file, err);
		text = file ? secret_bytes(file) : NULL;
	}
	if (r < 0 || !text)
		return r;

	length = strlen(text);
	while (length > 0 && strchr(" \t\r\n", text[length - 1]))
		length--;
	if (length > 0)
		config->token = secret_new(text, length);
	return 0;
}

static int read_user(const struct source *source, const struct value *user,
		     struct kubeconfig *config, struct error *err)
{
	int r;

	r = refuse_unknown(source, user, unknown_user, ARRAY_SIZE(unknown_user), err);
	if (r < 0)
		return r;
	r = get_data_text(source, user, "client-certificate-data", &config->certificate_pem, err);
	if (r < 0)
		return r;
	r = get_data(source, user, "client-key-data", &config->key_pem, err);
	if (r < 0)
		return r;
	r = get_path(source, user, "client-certificate", &config->certificate_path, err);
	if (r < 0)
		return r;
	r = get_path(source, user, "client-key", &config->key_path, err);
	if (r < 0)
		return r;
	return read_token(source, user, config, err);
}

static int check_root(const struct source *source, const struct value *root, struct error *err)
{
	const char *kind = "Config", *version = "v1";
	int r;

	if (value_type(root) != VALUE_MAP)
		return refuse(source, root, err, "a kubeconfig is a map, and this is %s",
			      value_type_name(value_type(root)));
	r = get_string(source, root, "kind", &kind, err);
	if (r < 0)
		return r;
	r = get_string(source, root, "apiVersion", &version, err);
	if (r < 0)
		return r;
	if (strcmp(kind, "Config") != 0 || strcmp(version, "v1") != 0)
		return refuse(source, root, err,
			      "a kubeconfig is of kind Config, version v1, and "
			      "this is of kind %s, version %s",
			      kind, version);
	return 0;
}

/* Reads the current context: the names of its cluster and user, empty if it names none. */
static int read_context(const struct source *source, const struct value *root,
			const char **ret_context, const char **ret_cluster, const char **ret_user,
			struct error *err)
{
	const struct value *context = NULL;
	int r;

	r = get_string(source, root, "current-context", ret_context, err);
	if (r < 0 || !**ret_context)
		return r;
	r = find_named(source, root, "contexts", *ret_context, "context", &context, err);
	if (r < 0)
		return r;
	if (!context)
		return refuse(source, value_get(root, "current-context"), err,
			      "there is no context named \"%s\"", *ret_context);
	r = get_string(source, context, "cluster", ret_cluster, err);
	if (r < 0)
		return r;
	return get_string(source, context, "user", ret_user, err);
}

/* The cluster without a name, as cluster-info has it, else the one called *name, which becomes ""
 * in the first case. */
static int find_cluster(const struct source *source, const struct value *root, const char **name,
			const struct value **ret, struct error *err)
{
	const struct value *cluster = NULL;
	int r;

	r = find_named(source, root, "clusters", "", "cluster", &cluster, err);
	if (r < 0)
		return r;
	if (cluster) {
		*name = "";
	} else if (**name) {
		r = find_named(source, root, "clusters", *name, "cluster", &cluster, err);
		if (r < 0)
			return r;
	}
	if (!cluster)
		return refuse(source, root, err,
			      "there is neither a cluster without a name nor a current-context that"
			      " leads to one");
	*ret = cluster;
	return 0;
}

static int read_root(const struct source *source, const struct value *root,
		     struct kubeconfig *config, struct error *err)
{
	const char *context = "", *cluster_name = "", *user_name = "";
	const struct value *cluster = NULL, *user = NULL;
	int r;

	r = check_root(source, root, err);
	if (r < 0)
		return r;
	r = read_context(source, root, &context, &cluster_name, &user_name, err);
	if (r < 0)
		return r;

	r = find_cluster(source, root, &cluster_name, &cluster, err);
	if (r < 0)
		return r;
	if (*user_name) {
		r = find_named(source, root, "users", user_name, "user", &user, err);
		if (r < 0)
			return r;
		if (!user)
			return refuse(source, root, err, "there is no user named \"%s\"",
				      user_name);
	}

	config->context = xstrdup(context);
	config->cluster = xstrdup(cluster_name);
	config->user = xstrdup(user_name);
	r = read_cluster(source, cluster, config, err);
	if (r < 0 || !user)
		return r;
	return read_user(source, user, config, err);
}

static int parse(const struct source *source, const char *text, size_t length,
		 struct kubeconfig *ret, struct error *err)
{
	_cleanup_(kubeconfig_done) struct kubeconfig config = { 0 };
	_cleanup_(value_unref) struct value *root = NULL;
	int r;

	r = yaml_parse_one(text, length, source->name, &root, err);
	if (r < 0)
		return r;
	r = read_root(source, root, &config, err);
	if (r < 0)
		return r;

	*ret = config;
	config = (struct kubeconfig){ 0 };
	return 0;
}

int kubeconfig_parse(const char *text, size_t length, const char *name, struct kubeconfig *ret,
		     struct error *err)
{
	struct source source = { .name = name };

	return parse(&source, text, length, ret, err);
}

int kubeconfig_read(const char *path, struct kubeconfig *ret, struct error *err)
{
	_cleanup_(buf_done) struct buf text = BUF_INIT(TEXT_MAX);
	const char *slash = strrchr(path, '/');
	_cleanup_free_ char *directory =
	    slash ? xstrndup(path, (size_t)(slash - path)) : xstrdup(".");
	struct source source = { .name = path, .directory = directory };
	int r;

	r = file_read(path, &text, err);
	if (r <= 0)
		return r;

	r = parse(&source, text.data, text.length, ret, err);
	secret_wipe(text.data, text.length);
	return r < 0 ? r : 1;
}

static struct value *base64_value(const char *bytes, size_t length)
{
	_cleanup_(buf_done) struct buf text = BUF_INIT(MIB);
	struct value *value;

	hmac_base64(bytes, length, &text);
	value = value_new_string_length(text.data, text.length);
	secret_wipe(text.data, text.length);
	return value;
}

/* A list of one item { name, field: child }, in the order of Go's writer. */
static struct value *named(const char *name, const char *field, struct value *child)
{
	struct value *item = value_new_map();

	item = value_put(item, "name", value_new_string(name));
	item = value_put(item, field, child);
	return value_append(value_new_list(), value_sort_keys(item));
}

static struct value *cluster_value(const char *server, const char *ca_pem)
{
	struct value *cluster = value_new_map();

	if (ca_pem)
		cluster = value_put(cluster, "certificate-authority-data",
				    base64_value(ca_pem, strlen(ca_pem)));
	return value_put(cluster, "server", value_new_string(server));
}

static struct value *put_secret(struct value *map, const char *key, const struct secret *secret)
{
	return value_put(map, key,
			 value_new_string_length(secret_bytes(secret), secret_length(secret)));
}

static struct value *user_value(const struct kubeconfig *config)
{
	struct value *user = value_new_map();

	if (config->certificate_path) {
		user = value_put(user, "client-certificate",
				 value_new_string(config->certificate_path));
		user = value_put(user, "client-key",
				 value_new_string(config->key_path ? config->key_path
								   : config->certificate_path));
	} else if (config->certificate_pem && config->key_pem) {
		user = value_put(
		    user, "client-certificate-data",
		    base64_value(config->certificate_pem, strlen(config->certificate_pem)));
		user = value_put(
		    user, "client-key-data",
		    base64_value(secret_bytes(config->key_pem), secret_length(config->key_pem)));
	}
	if (config->token)
		user = put_secret(user, "token", config->token);
	return user;
}

static struct value *context_value(const struct kubeconfig *config, const char *namespace)
{
	struct value *context = value_new_map();

	context = value_put(context, "cluster", value_new_string(config->cluster));
	if (namespace)
		context = value_put(context, "namespace", value_new_string(namespace));
	return value_put(context, "user", value_new_string(config->user));
}

static int write_all(const struct kubeconfig *config, const char *namespace, struct buf *buf)
{
	_cleanup_(value_unref) struct value *root = value_new_map();

	root = value_put(root, "apiVersion", value_new_string("v1"));
	root = value_put(
	    root, "clusters",
	    named(config->cluster, "cluster", cluster_value(config->server, config->ca_pem)));
	root = value_put(root, "contexts",
			 named(config->context, "context", context_value(config, namespace)));
	root = value_put(root, "current-context", value_new_string(config->context));
	root = value_put(root, "kind", value_new_string("Config"));
	root = value_put(root, "users", named(config->user, "user", user_value(config)));
	return yaml_write(root, buf);
}

int kubeconfig_write(const struct kubeconfig *config, struct buf *buf)
{
	return write_all(config, NULL, buf);
}

int kubeconfig_write_kubelet(const char *server, const char *ca_pem, const char *certificate_path,
			     struct buf *buf)
{
	_cleanup_(kubeconfig_done) struct kubeconfig config = {
		.server = xstrdup(server),
		.ca_pem = xstrdup(ca_pem),
		.cluster = xstrdup("default-cluster"),
		.user = xstrdup("default-auth"),
		.context = xstrdup("default-context"),
		.certificate_path = xstrdup(certificate_path),
	};

	return write_all(&config, "default", buf);
}

int kubeconfig_write_cluster_info(const char *server, const char *ca_pem, struct buf *buf)
{
	_cleanup_(value_unref) struct value *root = value_new_map();

	root = value_put(root, "apiVersion", value_new_string("v1"));
	root = value_put(root, "clusters", named("", "cluster", cluster_value(server, ca_pem)));
	root = value_put(root, "contexts", value_new_null());
	root = value_put(root, "current-context", value_new_string(""));
	root = value_put(root, "kind", value_new_string("Config"));
	root = value_put(root, "users", value_new_null());
	return yaml_write(root, buf);
}
