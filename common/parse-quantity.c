/* Quantities of Kubernetes as thousandths of their unit; see parse.h. */
#include <errno.h>
#include <string.h>

#include "common/macros.h"
#include "common/parse.h"

/* What a suffix multiplies thousandths by: base to the power, and below one a divisor. */
static const struct suffix {
	const char *text;
	int64_t base;
	int power;
} suffixes[] = {
	/* clang-format off */
	{ "",  10, 0 },   { "n", 10, -9 },  { "u", 10, -6 },  { "m", 10, -3 },
	{ "k", 10, 3 },   { "M", 10, 6 },   { "G", 10, 9 },   { "T", 10, 12 },
	{ "P", 10, 15 },  { "E", 10, 18 },
	{ "Ki", 1024, 1 }, { "Mi", 1024, 2 }, { "Gi", 1024, 3 }, { "Ti", 1024, 4 },
	{ "Pi", 1024, 5 }, { "Ei", 1024, 6 },
	/* clang-format on */
};

#define DIGITS_LIMIT 100000000000000000 /* one more digit fits below INT64_MAX */

enum { EXPONENT_MAX = 30 };

/* A decimal number as digits and the power of ten that they are to be multiplied by. Digits that
 * would not fit are a power of ten more (before the point) or dropped (behind it). */
struct decimal {
	int64_t digits;
	int power;
	unsigned count; /* of characters read */
};

static void read_digits(const char **text, bool is_fraction, struct decimal *decimal)
{
	for (; **text >= '0' && **text <= '9'; (*text)++) {
		decimal->count++;
		if (decimal->digits >= DIGITS_LIMIT) {
			decimal->power += is_fraction ? 0 : 1;
			continue;
		}
		decimal->digits = decimal->digits * 10 + (**text - '0');
		decimal->power -= is_fraction ? 1 : 0;
	}
}

/* "e3" or "E-3"; "E" alone is a suffix. */
static int read_exponent(const char *text, int *ret)
{
	int64_t exponent;

	if (*text != 'e' && *text != 'E')
		return 0;
	text++;
	if (*text == '+')
		text++;
	if (parse_i64(text, &exponent) < 0)
		return 0;
	if (exponent < -EXPONENT_MAX || exponent > EXPONENT_MAX)
		return -ERANGE;
	*ret = (int)exponent;
	return 1;
}

/* number * base ^ power, rounded up; saturates. */
static int64_t scale(int64_t number, int64_t base, int power)
{
	for (; power > 0; power--)
		if (__builtin_mul_overflow(number, base, &number))
			return INT64_MAX;
	for (; power < 0 && number > 0; power++)
		number = number / base + (number % base != 0);
	return number;
}

int parse_quantity(const char *text, int64_t *ret_thousandths)
{
	struct decimal decimal = { 0 };
	const struct suffix *suffix = NULL;
	int exponent = 0, r;
	int64_t number;

	if (*text == '+')
		text++;
	read_digits(&text, false, &decimal);
	if (*text == '.') {
		text++;
		read_digits(&text, true, &decimal);
	}
	if (decimal.count == 0)
		return -EINVAL;
	r = read_exponent(text, &exponent);
	if (r < 0)
		return r;
	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(suffixes); i++)
		if (strcmp(suffixes[i].text, text) == 0)
			suffix = &suffixes[i];
	if (r == 0 && !suffix)
		return -EINVAL;
	decimal.power += 3 + exponent;
	if (!suffix || suffix->base == 10) {
		*ret_thousandths =
		    scale(decimal.digits, 10, decimal.power + (suffix ? suffix->power : 0));
		return 0;
	}
	number = scale(decimal.digits, suffix->base, suffix->power);
	*ret_thousandths = number == INT64_MAX ? number : scale(number, 10, decimal.power);
	return 0;
}
