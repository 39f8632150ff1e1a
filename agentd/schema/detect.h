/* What is found out about the host where the role says nothing: the address to advertise and the
 * socket of the container runtime. The rules are kubeadm's. */
#pragma once

#include <stddef.h>

#include "agentd/role.h"
#include "common/error.h"
#include "common/parse.h"

/* An address that other hosts can use: not unspecified, loopback, link-local or multicast. */
bool detect_is_global(const struct parse_address *address);
/* Whether an advertiseAddress leaves it to us which address it is: NULL, "", unspecified, loopback.
 */
bool detect_is_open(const char *given);
/* Whether an interface that is up has the address. Negative if the host cannot be asked. */
int detect_has_address(const char *address, const struct role_host *host, struct error *err);
/* Turns localAPIEndpoint.advertiseAddress into an address of this host: NULL, "" and an unspecified
 * address mean the one of the interface with the default route, a loopback address means the first
 * global address on the loopback interface. Routes are read below host->root, addresses are
 * host->addresses, or the kernel's. Messages read as the end of "advertiseAddress ...". */
int detect_advertise_address(const char *given, const struct role_host *host, char **ret,
			     struct error *err);
/* "unix:///..." of the one runtime whose socket is there; containerd's if none is. */
int detect_cri_socket(const struct role_host *host, char **ret, struct error *err);
