/* The status as Prometheus text: for the textfile collector and for the optional port. */
#pragma once

#include "common/buf.h"
#include "common/value.h"

#define METRICS_CONTENT_TYPE "text/plain; version=0.0.4; charset=utf-8"

/* Appends all metrics of a value of Status. -EFBIG when buf is full. */
int metrics_write(const struct value *status, struct buf *buf);
