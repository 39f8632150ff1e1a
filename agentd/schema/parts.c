/* The tables of what several documents of kubeadm share: arguments, volumes, variables, node
 * registration, the local endpoint; see schema.h. */
#include <errno.h>

#include "agentd/schema/checks.h"
#include "agentd/schema/schema.h"
#include "common/parse.h"

int schema_refuse(const struct decode_row *row, const struct value *value, void *field,
		  void *userdata, struct error *err)
{
	return error_set(err, ERROR_CONFIG, -EINVAL, "is not supported yet");
}

int schema_decode_timeout(const struct decode_row *row, const struct value *value, void *field,
			  void *userdata, struct error *err)
{
	const char *text = value_string(value);
	int64_t wanted = 0, given = 0;

	if (!text || parse_duration(text, &given) < 0)
		return error_set(err, ERROR_CONFIG, -EINVAL, "is not a duration such as %s",
				 row->standard);
	if (parse_duration(row->standard, &wanted) == 0 && given != wanted)
		return error_set(err, ERROR_CONFIG, -EINVAL,
				 "other than %s is not supported: agentd tries for ever",
				 row->standard);
	return 0;
}

static const char *const path_types[] = {
	"",	      "DirectoryOrCreate", "Directory", "FileOrCreate", "File", "Socket",
	"CharDevice", "BlockDevice",	   NULL
};
static const char *const taint_effects[] = { "NoSchedule", "PreferNoSchedule", "NoExecute", NULL };

/* clang-format off */
const struct decode_row schema_arg_rows[] = {
	{ "name", DECODE_STRING, DECODE_FIELD(struct role_arg, name),
	  .flags = DECODE_REQUIRED | DECODE_NOT_EMPTY | SCHEMA_ALWAYS, .check = check_arg_name,
	  .help = "Name of the argument, without the leading dashes" },
	{ "value", DECODE_STRING, DECODE_FIELD(struct role_arg, value), .flags = SCHEMA_ALWAYS,
	  .help = "Its value" },
	{},
};

const struct decode_row schema_mount_rows[] = {
	{ "name", DECODE_STRING, DECODE_FIELD(struct role_mount, name),
	  .flags = DECODE_REQUIRED | SCHEMA_ALWAYS, .check = check_volume_name,
	  .help = "Name of the volume in the pod" },
	{ "hostPath", DECODE_STRING, DECODE_FIELD(struct role_mount, host_path),
	  .flags = DECODE_REQUIRED | DECODE_NOT_EMPTY | SCHEMA_ALWAYS,
	  .check = check_absolute_path, .help = "Path on the host" },
	{ "mountPath", DECODE_STRING, DECODE_FIELD(struct role_mount, mount_path),
	  .flags = DECODE_REQUIRED | DECODE_NOT_EMPTY | SCHEMA_ALWAYS,
	  .help = "Path in the container" },
	{ "readOnly", DECODE_BOOL, DECODE_FIELD(struct role_mount, read_only), .standard = "false",
	  .help = "Whether the container may only read" },
	{ "pathType", DECODE_STRING, DECODE_FIELD(struct role_mount, path_type),
	  .choices = path_types, .help = "What must be at hostPath, or is made there" },
	{},
};

static const struct decode_row field_ref_rows[] = {
	{ "apiVersion", DECODE_STRING, .flags = DECODE_NOT_SUPPORTED, .help = "Version of the field" },
	{ "fieldPath", DECODE_STRING, .flags = DECODE_NOT_SUPPORTED, .help = "Field of the pod" },
	{},
};

static const struct decode_row value_from_rows[] = {
	{ "fieldRef", DECODE_MAP, .rows = field_ref_rows, .flags = DECODE_NOT_SUPPORTED,
	  .help = "A field of the pod" },
	{},
};

const struct decode_row schema_env_rows[] = {
	{ "name", DECODE_STRING, .flags = DECODE_NOT_SUPPORTED, .help = "Name of the variable" },
	{ "value", DECODE_STRING, .flags = DECODE_NOT_SUPPORTED, .help = "Its value" },
	{ "valueFrom", DECODE_MAP, .rows = value_from_rows, .flags = DECODE_NOT_SUPPORTED,
	  .help = "Where its value comes from" },
	{},
};

const struct decode_row schema_patches_rows[] = {
	{ "directory", DECODE_STRING, .flags = DECODE_NOT_SUPPORTED,
	  .help = "Directory with patches of what is made" },
	{},
};

static const struct decode_row taint_rows[] = {
	{ "key", DECODE_STRING, DECODE_FIELD(struct role_taint, key),
	  .flags = DECODE_REQUIRED | SCHEMA_ALWAYS, .check = check_taint_key,
	  .help = "Key of the taint" },
	{ "value", DECODE_STRING, DECODE_FIELD(struct role_taint, value),
	  .check = check_taint_value, .help = "Its value" },
	{ "effect", DECODE_STRING, DECODE_FIELD(struct role_taint, effect),
	  .flags = DECODE_REQUIRED | SCHEMA_ALWAYS, .choices = taint_effects,
	  .help = "What happens to pods that do not tolerate it" },
	{ "timeAdded", DECODE_STRING, .flags = DECODE_NOT_SUPPORTED,
	  .help = "When the taint was added" },
	{},
};

const struct decode_row schema_node_rows[] = {
	{ "name", DECODE_STRING, DECODE_FIELD(struct role_node_registration, name),
	  .flags = DECODE_FIXED, .check = check_node_name, .standard = "the host name",
	  .help = "Name of the node, in lower case" },
	{ "criSocket", DECODE_STRING, DECODE_FIELD(struct role_node_registration, cri_socket),
	  .check = check_cri_socket,
	  .standard = "the first that exists: containerd, CRI-O, cri-dockerd",
	  .help = "Socket of the container runtime" },
	{ "taints", DECODE_LIST, DECODE_ITEMS(struct role_node_registration, taints),
	  .rows = taint_rows, .present_offset = offsetof(struct role_node_registration, taints.is_set),
	  .standard = "node-role.kubernetes.io/control-plane:NoSchedule on a control plane",
	  .help = "Taints that the node begins with; [] for none" },
	{ "kubeletExtraArgs", DECODE_LIST,
	  DECODE_ITEMS(struct role_node_registration, kubelet_extra_args), .rows = schema_arg_rows,
	  .help = "Further arguments of the kubelet; they replace agentd's of the same name" },
	{ "ignorePreflightErrors", DECODE_STRINGS,
	  DECODE_FIELD(struct role_node_registration, ignore_preflight_errors),
	  .help = "Checks whose errors are only warnings, by name; or [all]" },
	{ "imagePullPolicy", DECODE_STRING, .flags = DECODE_NOT_SUPPORTED,
	  .standard = "IfNotPresent", .help = "When images are pulled" },
	{ "imagePullSerial", DECODE_BOOL, .flags = DECODE_NOT_SUPPORTED, .standard = "true",
	  .help = "Whether images are pulled one after another" },
	{},
};

const struct decode_row schema_endpoint_rows[] = {
	{ "advertiseAddress", DECODE_STRING, DECODE_FIELD(struct role, advertise_address),
	  .check = check_address,
	  .standard = "the address of the interface with the default route",
	  .help = "Address at which other members reach this API server" },
	{ "bindPort", DECODE_INT, DECODE_FIELD(struct role, bind_port), .flags = DECODE_FIXED,
	  .minimum = 0, .maximum = 65535, .standard = "6443",
	  .help = "Port of this node's API server" },
	{},
};
/* clang-format on */
