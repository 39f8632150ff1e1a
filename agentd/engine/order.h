/* The start-up check of the list of rows. */
#pragma once

#include "agentd/engine/resource.h"
#include "common/error.h"

/* Names are unique, needs point backwards, and a row that can be observed has a function to do it.
 * rows ends with NULL. ERROR_BUG with the row's name. */
int order_check(const struct resource *const *rows, struct error *err);
