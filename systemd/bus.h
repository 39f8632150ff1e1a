/* The system bus on the loop. systemd/ is the only includer of sd-bus; everyone else sees ops. */
#pragma once

#include "common/error.h"
#include "common/loop.h"

struct bus;

/* Connects now, and again with back-off whenever the connection is lost. address NULL = the system
 * bus. */
struct bus *bus_new(struct loop *loop, const char *address);
struct bus *bus_free(struct bus *bus);
DEFINE_CLEANUP(struct bus, bus_free)
/* Sends what is queued and re-arms for what sd-bus waits for; called by the after-batch hook. */
void bus_flush(struct bus *bus);
