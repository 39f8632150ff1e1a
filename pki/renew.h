/* When to renew: pure. */
#pragma once

#include <stdint.h>

struct renew_window {
	unsigned at_percent;	 /* of a certificate's life, such as 66 */
	unsigned spread_percent; /* of its life, either way, such as 5 */
};

/* The moment at the window's percentage of a life, spread within the window by random. */
int64_t renew_due(int64_t not_before, int64_t not_after, const struct renew_window *window,
		  uint32_t random);
/* A number that is the same for the same texts and unlike for others, to spread by: so a
 * certificate's moment stays where it is, whoever asks. */
uint32_t renew_random(const char *node, const char *name, const char *serial);
