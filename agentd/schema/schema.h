/* The documents that a role file is made of, as tables: every field by name, type, default, check
 * and help. Parsing, printing, comparing two roles, `explain` and the manual page read them.
 *
 * Flags say what agentd does with a field: DECODE_NOT_SUPPORTED refuses it by name, DECODE_FIXED
 * keeps it as it was once a role is applied, otherwise a change is acted on. */
#pragma once

#include <stdbool.h>

#include "agentd/role.h"
#include "common/decode.h"
#include "common/value.h"

enum schema_flags {
	/* Written even when it is empty, as Go does without omitempty. */
	SCHEMA_ALWAYS = DECODE_USER,
	/* Fixed, and a change is what an upgrade would be for. */
	SCHEMA_UPGRADE = DECODE_USER << 1,
	/* Not supported, and refused by the row's own .decode, with words of its own or although
	 * it is empty. */
	SCHEMA_REFUSED = DECODE_USER << 2,
	/* Of RoleConfiguration: for a control plane, or for every role. Those without either are
	 * for a worker. */
	SCHEMA_CONTROL_PLANE = DECODE_USER << 3,
	SCHEMA_EVERY_ROLE = DECODE_USER << 4,
};

/* Kinds of documents; the order is that in which they are printed. */
enum schema_kind {
	SCHEMA_ROLE,	/* RoleConfiguration */
	SCHEMA_INIT,	/* InitConfiguration */
	SCHEMA_CLUSTER, /* ClusterConfiguration */
	SCHEMA_JOIN,	/* JoinConfiguration */
	SCHEMA_KUBELET, /* KubeletConfiguration, kept as it is */
	SCHEMA_KUBE_PROXY,
	_SCHEMA_KIND_MAX,
};

struct schema_document {
	const char *api_version, *kind;
	const struct decode_row *rows; /* NULL: passed through, or refused */
	const char *refusal;	       /* why documents of this kind are not accepted, or NULL */
	const char *help;
};
/* Indexed by enum schema_kind; kinds that are only known to be refused follow. */
extern const struct schema_document schema_documents[];
extern const size_t schema_document_count;

/* RoleConfiguration. */
struct schema_role {
	int role; /* enum role_kind; -1 = not said */
	char *endpoint, *token_file, *credential;
	struct secret *token;
	struct strv ca_cert_hashes;
	bool unsafe_skip_ca_verification, replace_node;
	struct role_policy policy;
	struct role_renewal renewal;
};

extern const struct decode_row schema_role_rows[];    /* of struct schema_role */
extern const struct decode_row schema_init_rows[];    /* of struct role */
extern const struct decode_row schema_cluster_rows[]; /* of struct role_cluster */
extern const struct decode_row schema_join_rows[];    /* of struct role */
/* Parts that several documents share. */
extern const struct decode_row schema_node_rows[]; /* of struct role_node_registration */
extern const struct decode_row schema_arg_rows[];  /* of struct role_arg */
extern const struct decode_row schema_mount_rows[];
extern const struct decode_row schema_env_rows[];
extern const struct decode_row schema_patches_rows[];
extern const struct decode_row schema_endpoint_rows[]; /* localAPIEndpoint, of struct role */
/* A field that is refused wherever it stands: .decode of DECODE_CUSTOM rows. */
int schema_refuse(const struct decode_row *row, const struct value *value, void *field,
		  void *userdata, struct error *err);
/* A limit of kubeadm's waiting, accepted at its default only: agentd tries for ever. */
int schema_decode_timeout(const struct decode_row *row, const struct value *value, void *field,
			  void *userdata, struct error *err);

/* policy: one word for all classes, or a map of classes. Encoded, it is NULL when all is enforced.
 */
extern const struct decode_row schema_policy_rows[]; /* for `explain`; without fields */
int schema_decode_policy(const struct decode_row *row, const struct value *value, void *field,
			 void *userdata, struct error *err);
struct value *schema_encode_policy(const struct role_policy *policy);

/* The documents of one text, sorted by kind. */
struct schema_text {
	const char *name;
	const struct value *documents[_SCHEMA_KIND_MAX]; /* borrowed; NULL where there is none */
};
/* Sorts a list of documents by kind. Unknown kinds, kinds twice and refused kinds are errors. */
int schema_sort(const struct value *list, const char *name, struct schema_text *ret,
		struct error *err);
/* An error at the place of a value: "NAME:LINE:COL: ...". */
int schema_error(const struct schema_text *text, const struct value *at, struct error *err,
		 const char *format, ...) PRINTF_LIKE(4, 5);
/* Decodes one kind's document into a target, which keeps what the document does not say. */
int schema_decode(const struct schema_text *text, enum schema_kind kind, void *target,
		  struct error *err);

/* Fills defaults and detected values, checks what needs more than one field. */
int schema_complete(const struct schema_text *text, const struct role_host *host, struct role *role,
		    struct error *err);

/* How secrets come out of schema_encode(). */
enum schema_secrets { SCHEMA_REDACTED, SCHEMA_IN_CLEAR };
/* The fields of a struct as a map in the order of its rows; empty ones are left out. */
struct value *schema_encode(const struct decode_row *rows, const void *target,
			    enum schema_secrets secrets);
/* A new map with apiVersion and kind. */
struct value *schema_new_document(enum schema_kind kind);
