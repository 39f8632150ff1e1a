/* Files of the kubelet that several rows look at. */
#pragma once

#include "agentd/context.h"
#include "pki/cert.h"

#define KUBELET_CONF	"/etc/kubernetes/kubelet.conf"
#define KUBELET_PKI	"/var/lib/kubelet/pki"
#define KUBELET_CURRENT "/var/lib/kubelet/pki/kubelet-client-current.pem"
#define KUBELET_CONFIG	"/var/lib/kubelet/config.yaml"
#define KUBELET_UNIT	"kubelet.service"
#define KUBELET_UNIT_ROW "kubelet-unit"

/* Writes certificate and key as the kubelet itself would have left them: kubelet-client-DATE.pem,
 * 0600, and kubelet-client-current.pem leading to it: both or none. */
int kubelet_files_keep_certificate(const struct context *ctx, const char *certificate_pem,
				   const struct secret *key_pem, struct error *err);
/* Another certificate is about to be made for a kubelet that may run with the former one, which it
 * reads when it starts: kubelet-unit starts it again once the new one is there. */
void kubelet_files_expect_certificate(const struct context *ctx);
/* The certificate (and, where ret_key is not NULL, the key) that kubelet-client-current.pem leads
 * to. Returns 1, or 0 if there is none that can be read. */
int kubelet_files_load_certificate(const struct context *ctx, struct cert **ret_cert,
				   struct key **ret_key);
