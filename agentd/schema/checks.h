/* What may stand in a text of a role: the .check functions of the tables. Each returns 0, or
 * -EINVAL and says what is wrong ("is not an address"), to be read behind the field's name. An
 * empty text is a field left out, as in kubeadm, and passes unless the function says otherwise. */
#pragma once

#include <stdbool.h>

#include "common/error.h"

/* Names: DNS subdomain; one that may have "*." in front, or an address; a node's (case is lost). */
int check_dns_name(const char *text, struct error *err);
int check_san(const char *text, struct error *err);
int check_san_any_case(const char *text, struct error *err); /* case is lost */
int check_node_name(const char *text, struct error *err);
int check_volume_name(const char *text, struct error *err); /* "" is refused */

/* Network: one subnet, or two of different families; addresses; endpoints. */
int check_service_subnet(const char *text, struct error *err);
int check_pod_subnet(const char *text, struct error *err);
int check_address(const char *text, struct error *err);
int check_endpoint(const char *text, struct error *err);      /* host, host:port */
int check_endpoint_port(const char *text, struct error *err); /* host:port; "" is refused */
int check_cri_socket(const char *text, struct error *err);    /* unix:///... or a path */

/* Files, images, versions. */
int check_absolute_path(const char *text, struct error *err);
int check_ca_path(const char *text, struct error *err);
int check_kubeconfig_path(const char *text, struct error *err); /* or file:///... */
int check_image_repository(const char *text, struct error *err);
int check_image_tag(const char *text, struct error *err);
int check_version(const char *text, struct error *err); /* v1.36.3, or stable-1 and the like */

/* Node, arguments and tokens. */
int check_arg_name(const char *text, struct error *err);  /* "" is refused */
int check_taint_key(const char *text, struct error *err); /* "" is refused */
int check_taint_value(const char *text, struct error *err);
int check_token(const char *text, struct error *err);
int check_token_group(const char *text, struct error *err);
int check_pin(const char *text, struct error *err);
int check_credential(const char *text, struct error *err);

/* Whether a version text is a label such as "stable-1" or "latest-1.36"; *ret_minor gets the minor
 * that it names, or 0. */
bool check_is_version_label(const char *text, unsigned *ret_minor);
/* "v1.36.3" or "1.36.3-rc.1": false for anything else. */
bool check_parse_version(const char *text, unsigned *ret_major, unsigned *ret_minor);
