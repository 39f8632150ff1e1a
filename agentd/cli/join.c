/* What joins the next node (join.h). */
#include "agentd/cli/join.h"

#include "common/secret.h"
#include "common/yaml.h"

#define ROLE_FILE "/etc/agentd/role.yaml"

static const char *text_of(const struct value *token, const char *key)
{
	return value_string_or(value_get(token, key), "");
}

void join_command(const struct value *token, struct buf *buf)
{
	const struct value *hashes = value_get(token, "caCertHashes");

	(void)buf_printf(buf, "kubeadm join %s --token %s", text_of(token, "endpoint"),
			 text_of(token, "token"));
	VALUE_FOREACH(i, hashes)
		(void)buf_printf(buf, " --discovery-token-ca-cert-hash %s",
				 value_string_or(value_item(hashes, i), ""));
	(void)buf_append_char(buf, '\n');
}

void join_role_file(const struct value *token, struct buf *buf)
{
	struct value *role = value_new_map();
	const struct value *hashes = value_get(token, "caCertHashes");

	role = value_put(role, "apiVersion", value_new_string("agentd.io/v1alpha1"));
	role = value_put(role, "kind", value_new_string("RoleConfiguration"));
	role = value_put(role, "role", value_new_string("worker"));
	role = value_put(role, "endpoint", value_new_string(text_of(token, "endpoint")));
	role = value_put(role, "token", value_new_string(text_of(token, "token")));
	if (value_count(hashes) > 0)
		role = value_put(role, "caCertHashes", value_ref(hashes));
	(void)yaml_write(role, buf);
	value_unref(role);
}

void join_user_data(const struct value *token, struct buf *buf)
{
	_cleanup_(buf_done) struct buf content = BUF_INIT(buf->cap);
	struct value *file = value_new_map(), *data = value_new_map();

	join_role_file(token, &content);
	file = value_put(file, "path", value_new_string(ROLE_FILE));
	file = value_put(file, "owner", value_new_string("root:root"));
	file = value_put(file, "permissions", value_new_string("0600"));
	file = value_put(file, "content", value_new_string(content.data));
	data = value_put(data, "write_files", value_append(value_new_list(), file));
	/* cloud-init knows the document by its first line. */
	(void)buf_append_string(buf, "#cloud-config\n");
	(void)yaml_write(data, buf);
	value_unref(data);
	secret_wipe(content.data, content.length);
}
