/* The descriptions of the interfaces of the control socket, in Varlink's own language: types and
 * errors as text, methods from their table (methods.c). */
#include "agentd/inputs/interface.h"

#include "agentd/inputs/methods.h"

static const char types[] =
    "# A node of a Kubernetes cluster and the role that agentd keeps it in.\n"
    "#\n"
    "# Times are RFC 3339. Fields that do not apply are absent. Reading is for root and the\n"
    "# group agentd, what changes something is for root.\n"
    "interface " METHODS_INTERFACE "\n"
    "\n"
    "# Roles accepted so far, and the last one that everything was brought in line with.\n"
    "type Generation (wanted: int, reached: int)\n"
    "\n"
    "# status is True, False or Unknown; True is fine. reason is one word for programs.\n"
    "type Condition (\n"
    "  type: string,\n"
    "  status: string,\n"
    "  reason: ?string,\n"
    "  message: ?string,\n"
    "  since: ?string\n"
    ")\n"
    "\n"
    "# A resource, one thing that is kept true. verdict is in-sync, drifted or unknown; stage is\n"
    "# set while something is done about it, error when that failed last.\n"
    "type Row (\n"
    "  name: string,\n"
    "  verdict: string,\n"
    "  reason: ?string,\n"
    "  since: ?string,\n"
    "  waitsFor: ?string,\n"
    "  stage: ?string,\n"
    "  stageSince: ?string,\n"
    "  error: ?string,\n"
    "  errorClass: ?string,\n"
    "  nextTry: ?string,\n"
    "  observed: int,\n"
    "  applied: int,\n"
    "  failed: int\n"
    ")\n"
    "\n"
    "# Since the start of agentd: wake-ups of its loop, requests to API servers.\n"
    "type Counters (wakeups: int, requests: int)\n"
    "\n"
    "# A resource that is not in sync. stages is what would be done, absent where nothing can.\n"
    "type Change (\n"
    "  name: string,\n"
    "  verdict: string,\n"
    "  reason: ?string,\n"
    "  waitsFor: ?string,\n"
    "  stages: ?[]string\n"
    ")\n"
    "\n"
    "# A resource that must be in sync before.\n"
    "type Need (name: string, verdict: string)\n"
    "\n"
    "# A bootstrap token without its secret. expiration is absent where it never expires.\n"
    "type Token (\n"
    "  id: string,\n"
    "  expiration: ?string,\n"
    "  usages: []string,\n"
    "  description: ?string,\n"
    "  groups: ?[]string\n"
    ")\n";

static const char errors[] =
    "\n"
    "# The host has no role, or not the one that it takes.\n"
    "error NoRole ()\n"
    "\n"
    "# There is no resource of this name.\n"
    "error NotFound (name: string)\n"
    "\n"
    "# A role is wrong, or may not follow the one in force. Nothing was changed.\n"
    "error RoleRefused (message: string)\n"
    "\n"
    "# Something else; class is that of agentd's errors, such as network, denied, storage.\n"
    "error Failed (message: string, class: string)\n"
    "\n"
    "# Too many connections. Try again later.\n"
    "error Busy ()\n";

const char interface_of_service[] =
    "# The Varlink Service Interface is provided by every varlink service. It\n"
    "# describes the service and the interfaces it implements.\n"
    "interface org.varlink.service\n"
    "\n"
    "# Get a list of all the interfaces a service provides and information\n"
    "# about the implementation.\n"
    "method GetInfo() -> (\n"
    "  vendor: string,\n"
    "  product: string,\n"
    "  version: string,\n"
    "  url: string,\n"
    "  interfaces: []string\n"
    ")\n"
    "\n"
    "# Get the description of an interface that is implemented by this service.\n"
    "method GetInterfaceDescription(interface: string) -> (description: string)\n"
    "\n"
    "# The requested interface was not found.\n"
    "error InterfaceNotFound (interface: string)\n"
    "\n"
    "# The requested method was not found\n"
    "error MethodNotFound (method: string)\n"
    "\n"
    "# The interface defines the requested method, but the service does not\n"
    "# implement it.\n"
    "error MethodNotImplemented (method: string)\n"
    "\n"
    "# One of the passed parameters is invalid.\n"
    "error InvalidParameter (parameter: string)\n"
    "\n"
    "# Client is denied access\n"
    "error PermissionDenied ()\n"
    "\n"
    "# Method is expected to be called with 'more' set to true, but wasn't\n"
    "error ExpectedMore ()\n";

int interface_describe(struct buf *buf)
{
	int r;

	r = buf_append_string(buf, types);
	for (const struct method *method = methods_table; method->name && r >= 0; method++)
		r = buf_printf(buf, "\n# %s.%s\nmethod %s%s -> %s\n", method->help,
			       method->privilege == METHODS_CHANGE ? " For root." : "",
			       method->name, method->in, method->out);
	if (r < 0)
		return r;
	return buf_append_string(buf, errors);
}
