/* Text to numbers, times and addresses, and back; see parse.h. The network part is in
 * parse-address.c. */
#include "common/parse.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "common/macros.h"

size_t parse_utf8(const char *bytes, size_t length, uint32_t *ret)
{
	static const uint32_t lowest[] = { 0, 0, 0x80, 0x800, 0x10000 };
	const unsigned char *text = (const unsigned char *)bytes;
	size_t size;
	uint32_t c;

	if (length == 0)
		return 0;
	if (text[0] < 0x80) {
		*ret = text[0];
		return 1;
	}
	if (text[0] < 0xc2 || text[0] > 0xf4)
		return 0;
	size = text[0] >= 0xf0 ? 4 : text[0] >= 0xe0 ? 3 : 2;
	if (size > length)
		return 0;
	c = text[0] & (0xffu >> (size + 1));
	for (size_t i = 1; i < size; i++) {
		if ((text[i] & 0xc0) != 0x80)
			return 0;
		c = c << 6 | (text[i] & 0x3fu);
	}
	if (c < lowest[size] || (c >= 0xd800 && c < 0xe000) || c > 0x10ffff)
		return 0;
	*ret = c;
	return size;
}

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* Reads the digits at *text. Returns -EINVAL without one, -ERANGE where they do not fit. */
static int read_digits(const char **text, uint64_t *ret)
{
	uint64_t number = 0;

	if (!is_digit(**text))
		return -EINVAL;
	for (; is_digit(**text); (*text)++)
		if (__builtin_mul_overflow(number, 10, &number) ||
		    __builtin_add_overflow(number, (uint64_t)(**text - '0'), &number))
			return -ERANGE;
	*ret = number;
	return 0;
}

int parse_u64(const char *text, uint64_t *ret)
{
	uint64_t number;
	int r;

	if (strspn(text, "0123456789") != strlen(text))
		return -EINVAL;
	r = read_digits(&text, &number);
	if (r < 0)
		return r;
	*ret = number;
	return 0;
}

int parse_i64(const char *text, int64_t *ret)
{
	bool is_negative = *text == '-';
	uint64_t number;
	int r;

	r = parse_u64(text + is_negative, &number);
	if (r < 0)
		return r;
	if (number > (uint64_t)INT64_MAX + is_negative)
		return -ERANGE;
	*ret = is_negative ? (int64_t)(0 - number) : (int64_t)number;
	return 0;
}

int parse_port(const char *text, uint16_t *ret)
{
	uint64_t port;
	int r;

	r = parse_u64(text, &port);
	if (r < 0)
		return r;
	if (port < 1 || port > UINT16_MAX)
		return -ERANGE;
	*ret = (uint16_t)port;
	return 0;
}

static const struct unit {
	const char *name;
	uint64_t ns;
} units[] = {
	/* A name that another one begins with stands behind that. */
	{ "ns", 1 },
	{ "us", 1000 },
	{ "\xc2\xb5s", 1000 }, /* the micro sign */
	{ "\xce\xbcs", 1000 }, /* the Greek letter */
	{ "ms", NSEC_PER_MSEC },
	{ "s", NSEC_PER_SEC },
	{ "m", 60 * NSEC_PER_SEC },
	{ "h", 3600 * NSEC_PER_SEC },
};

static const struct unit *read_unit(const char **text)
{
	for (size_t i = 0; i < ARRAY_SIZE(units); i++) {
		size_t length = strlen(units[i].name);

		if (strncmp(*text, units[i].name, length) == 0) {
			*text += length;
			return &units[i];
		}
	}
	return NULL;
}

/* Reads one "1.5h" and adds it to *total. */
static int read_part(const char **text, uint64_t *total)
{
	uint64_t whole = 0, fraction = 0, scale = 1;
	bool has_digits = is_digit(**text);
	const struct unit *unit;
	int r;

	if (has_digits) {
		r = read_digits(text, &whole);
		if (r < 0)
			return r;
	}
	if (**text == '.') {
		(*text)++;
		has_digits |= is_digit(**text);
		/* More digits than nanoseconds are below every unit's precision. */
		for (; is_digit(**text); (*text)++)
			if (scale < 1000000000000000ULL) {
				fraction = fraction * 10 + (uint64_t)(**text - '0');
				scale *= 10;
			}
	}
	unit = read_unit(text);
	if (!has_digits || !unit)
		return -EINVAL;
	fraction = (uint64_t)((unsigned __int128)fraction * unit->ns / scale);
	if (__builtin_mul_overflow(whole, unit->ns, &whole) ||
	    __builtin_add_overflow(whole, fraction, &whole) ||
	    __builtin_add_overflow(*total, whole, total))
		return -ERANGE;
	return 0;
}

int parse_duration(const char *text, int64_t *ret_ns)
{
	bool is_negative = *text == '-';
	uint64_t total = 0;
	int r;

	if (*text == '-' || *text == '+')
		text++;
	if (!*text)
		return -EINVAL;
	if (strcmp(text, "0") == 0) {
		*ret_ns = 0;
		return 0;
	}
	while (*text) {
		r = read_part(&text, &total);
		if (r < 0)
			return r;
	}
	if (total > (uint64_t)INT64_MAX + is_negative)
		return -ERANGE;
	*ret_ns = is_negative ? (int64_t)(0 - total) : (int64_t)total;
	return 0;
}

/* "1.5" of 1500000000 with the unit of 1000000000: a fraction without zeros at its end. */
static void print_fraction(uint64_t ns, uint64_t unit, struct buf *buf)
{
	uint64_t fraction = ns % unit;

	(void)buf_printf(buf, "%llu", (unsigned long long)(ns / unit));
	if (fraction == 0)
		return;
	(void)buf_append_char(buf, '.');
	for (unit /= 10; fraction > 0; unit /= 10) {
		(void)buf_append_char(buf, (char)('0' + fraction / unit));
		fraction %= unit;
	}
}

void format_duration(int64_t ns, struct buf *buf)
{
	uint64_t left = ns < 0 ? 0 - (uint64_t)ns : (uint64_t)ns;
	uint64_t minute = 60 * NSEC_PER_SEC, hour = 60 * minute;

	if (ns < 0)
		(void)buf_append_char(buf, '-');
	if (left == 0) {
		(void)buf_append_string(buf, "0s");
	} else if (left < 1000) {
		(void)buf_printf(buf, "%lluns", (unsigned long long)left);
	} else if (left < NSEC_PER_MSEC) {
		print_fraction(left, 1000, buf);
		(void)buf_append_string(buf, "\xc2\xb5s");
	} else if (left < NSEC_PER_SEC) {
		print_fraction(left, NSEC_PER_MSEC, buf);
		(void)buf_append_string(buf, "ms");
	} else {
		if (left >= hour)
			(void)buf_printf(buf, "%lluh", (unsigned long long)(left / hour));
		if (left >= minute)
			(void)buf_printf(buf, "%llum", (unsigned long long)(left % hour / minute));
		print_fraction(left % minute, NSEC_PER_SEC, buf);
		(void)buf_append_char(buf, 's');
	}
}

/* Reads exactly count digits. */
static bool fixed_digits(const char **text, int count, int *ret)
{
	int number = 0;

	for (int i = 0; i < count; i++, (*text)++) {
		if (!is_digit(**text))
			return false;
		number = number * 10 + (**text - '0');
	}
	*ret = number;
	return true;
}

static bool skip(const char **text, char c)
{
	if (**text != c)
		return false;
	(*text)++;
	return true;
}

/* "Z" or "+01:00" to seconds east of Greenwich, and nothing behind it. */
static bool read_zone(const char **text, int *ret_offset)
{
	int hours, minutes, sign = **text == '-' ? -1 : 1;

	if (skip(text, 'Z')) {
		*ret_offset = 0;
		return !**text;
	}
	if ((!skip(text, '+') && !skip(text, '-')) || !fixed_digits(text, 2, &hours) ||
	    !skip(text, ':') || !fixed_digits(text, 2, &minutes) || **text || hours > 23 ||
	    minutes > 59)
		return false;
	*ret_offset = sign * (hours * 3600 + minutes * 60);
	return true;
}

int parse_time(const char *text, int64_t *ret_s)
{
	struct tm date = { 0 }, normal;
	int year, month, offset;
	time_t seconds;

	if (!fixed_digits(&text, 4, &year) || !skip(&text, '-') ||
	    !fixed_digits(&text, 2, &month) || !skip(&text, '-') ||
	    !fixed_digits(&text, 2, &date.tm_mday) || !skip(&text, 'T') ||
	    !fixed_digits(&text, 2, &date.tm_hour) || !skip(&text, ':') ||
	    !fixed_digits(&text, 2, &date.tm_min) || !skip(&text, ':') ||
	    !fixed_digits(&text, 2, &date.tm_sec))
		return -EINVAL;
	if (skip(&text, '.')) {
		if (!is_digit(*text))
			return -EINVAL;
		text += strspn(text, "0123456789");
	}
	if (!read_zone(&text, &offset))
		return -EINVAL;
	if (month < 1 || month > 12 || date.tm_mday < 1 || date.tm_hour > 23 || date.tm_min > 59 ||
	    date.tm_sec > 59)
		return -ERANGE;

	date.tm_year = year - 1900;
	date.tm_mon = month - 1;
	normal = date;
	seconds = timegm(&normal);
	/* The 30th of February becomes a day of March. */
	if (normal.tm_mday != date.tm_mday)
		return -ERANGE;
	*ret_s = seconds - offset;
	return 0;
}

void format_time(int64_t s, char ret[static 32])
{
	time_t seconds = (time_t)s;
	struct tm date = { 0 };

	(void)gmtime_r(&seconds, &date);
	(void)strftime(ret, 32, "%Y-%m-%dT%H:%M:%SZ", &date);
}
