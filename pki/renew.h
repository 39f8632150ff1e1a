/* When to renew: pure. */
#pragma once

#include <stdint.h>

/* The moment at percent (such as 66) of a life, spread by up to 5 % either way by random. */
int64_t renew_due(int64_t not_before, int64_t not_after, unsigned percent, uint32_t random);
