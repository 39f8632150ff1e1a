/* Kubeconfig files: read what matters, write as kubeadm does. */
#pragma once

#include <stddef.h>

#include "common/buf.h"
#include "common/error.h"
#include "common/secret.h"

struct kubeconfig {
	char *server; /* "https://10.0.0.1:6443" */
	char *ca_pem; /* certificate-authority-data decoded, or the file's content; NULL: none */
	char *cluster, *user, *context;
	char *certificate_pem;		   /* embedded client certificate, or NULL */
	struct secret *key_pem;		   /* embedded key, or NULL */
	struct secret *token;		   /* or NULL */
	char *certificate_path, *key_path; /* client-certificate, client-key: by file, or NULL */
};
void kubeconfig_done(struct kubeconfig *config);
DEFINE_CLEANUP_VALUE(struct kubeconfig, kubeconfig_done)

/* The cluster named "" if there is one, else the current context's. No file that the text names is
 * read: it may come from a stranger. Fields that change whom to trust or to talk to and that agentd
 * does not know (insecure-skip-tls-verify, tls-server-name, proxy-url, exec, ...) are refused.
 * Errors are ERROR_CONFIG with name:line:col. */
int kubeconfig_parse(const char *text, size_t length, const char *name, struct kubeconfig *ret,
		     struct error *err);
/* The same for a file on this host: certificate-authority and tokenFile are read, paths are made
 * absolute. Returns 0 if there is no such file, else 1. */
int kubeconfig_read(const char *path, struct kubeconfig *ret, struct error *err);
/* kubeadm's layout (section 4): embedded data or, where certificate_path is set, file references.
 * The writers append; -EFBIG when buf is full. What holds a key is wiped by the caller. */
int kubeconfig_write(const struct kubeconfig *config, struct buf *buf);
/* The layout that the kubelet leaves after its TLS bootstrap: default-cluster, default-context
 * (namespace default), default-auth, both paths = certificate_path (section 4.3). */
int kubeconfig_write_kubelet(const char *server, const char *ca_pem, const char *certificate_path,
			     struct buf *buf);
/* The text of cluster-info's `kubeconfig` key, byte for byte (section 10.3). */
int kubeconfig_write_cluster_info(const char *server, const char *ca_pem, struct buf *buf);
