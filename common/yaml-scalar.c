/* The meaning of plain scalars; see yaml-scalar.h. The order of the attempts is that of yaml.v2's
 * resolve(): words, times, integers, other numbers. */
#include "common/yaml-scalar.h"

#include <stdint.h>
#include <string.h>

#include "common/alloc.h"
#include "common/buf.h"

static const struct word {
	const char *text;
	enum yaml_meaning meaning;
} words[] = {
	/* clang-format off */
	{ "",      YAML_MEANS_NULL },
	{ "~",     YAML_MEANS_NULL },
	{ "null",  YAML_MEANS_NULL },
	{ "Null",  YAML_MEANS_NULL },
	{ "NULL",  YAML_MEANS_NULL },
	{ "y",     YAML_MEANS_TRUE },
	{ "Y",     YAML_MEANS_TRUE },
	{ "yes",   YAML_MEANS_TRUE },
	{ "Yes",   YAML_MEANS_TRUE },
	{ "YES",   YAML_MEANS_TRUE },
	{ "true",  YAML_MEANS_TRUE },
	{ "True",  YAML_MEANS_TRUE },
	{ "TRUE",  YAML_MEANS_TRUE },
	{ "on",    YAML_MEANS_TRUE },
	{ "On",    YAML_MEANS_TRUE },
	{ "ON",    YAML_MEANS_TRUE },
	{ "n",     YAML_MEANS_FALSE },
	{ "N",     YAML_MEANS_FALSE },
	{ "no",    YAML_MEANS_FALSE },
	{ "No",    YAML_MEANS_FALSE },
	{ "NO",    YAML_MEANS_FALSE },
	{ "false", YAML_MEANS_FALSE },
	{ "False", YAML_MEANS_FALSE },
	{ "FALSE", YAML_MEANS_FALSE },
	{ "off",   YAML_MEANS_FALSE },
	{ "Off",   YAML_MEANS_FALSE },
	{ "OFF",   YAML_MEANS_FALSE },
	{ ".nan",  YAML_MEANS_NO_NUMBER },
	{ ".NaN",  YAML_MEANS_NO_NUMBER },
	{ ".NAN",  YAML_MEANS_NO_NUMBER },
	{ ".inf",  YAML_MEANS_NO_NUMBER },
	{ ".Inf",  YAML_MEANS_NO_NUMBER },
	{ ".INF",  YAML_MEANS_NO_NUMBER },
	{ "+.inf", YAML_MEANS_NO_NUMBER },
	{ "+.Inf", YAML_MEANS_NO_NUMBER },
	{ "+.INF", YAML_MEANS_NO_NUMBER },
	{ "-.inf", YAML_MEANS_NO_NUMBER },
	{ "-.Inf", YAML_MEANS_NO_NUMBER },
	{ "-.INF", YAML_MEANS_NO_NUMBER },
	{ "<<",    YAML_MEANS_MERGE },
	/* clang-format on */
};

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* Reads one or two digits that make a number between low and high. */
static bool small_number(const char **text, int low, int high, int *ret)
{
	int number = 0, digits = 0;

	while (digits < 2 && is_digit((*text)[digits]))
		number = number * 10 + ((*text)[digits++] - '0');
	if (digits == 0 || number < low || number > high)
		return false;
	*text += digits;
	*ret = number;
	return true;
}

static bool skip(const char **text, const char *one_of)
{
	if (!**text || !strchr(one_of, **text))
		return false;
	(*text)++;
	return true;
}

static bool is_valid_day(int year, int month, int day)
{
	bool is_leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;

	if (month == 2)
		return day <= (is_leap ? 29 : 28);
	return day <= (month == 4 || month == 6 || month == 9 || month == 11 ? 30 : 31);
}

/* "Z", "+01:00". */
static bool is_zone(const char *text)
{
	int unused;

	if (skip(&text, "Z"))
		return !*text;
	return strlen(text) == 6 && skip(&text, "+-") && small_number(&text, 0, 24, &unused) &&
	       skip(&text, ":") && small_number(&text, 0, 59, &unused) && !*text;
}

/* The forms that yaml.v2 knows: a date, a date and a time with a blank, and RFC 3339; each with
 * short fields. */
static bool is_time(const char *text)
{
	int year = 0, month, day, unused;
	bool has_zone;

	if (strspn(text, "0123456789") != 4 || text[4] != '-')
		return false;
	for (int i = 0; i < 4; i++)
		year = year * 10 + (*text++ - '0');
	if (!skip(&text, "-") || !small_number(&text, 1, 12, &month) || !skip(&text, "-") ||
	    !small_number(&text, 1, 31, &day) || !is_valid_day(year, month, day))
		return false;
	if (!*text)
		return true;

	has_zone = *text != ' ';
	if (!skip(&text, "Tt ") || !small_number(&text, 0, 23, &unused) || !skip(&text, ":") ||
	    !small_number(&text, 0, 59, &unused) || !skip(&text, ":") ||
	    !small_number(&text, 0, 59, &unused))
		return false;
	if ((text[0] == '.' || text[0] == ',') && is_digit(text[1])) {
		text++;
		text += strspn(text, "0123456789");
	}
	return has_zone ? is_zone(text) : !*text;
}

/* An integer in Go's notations (0x, 0o, 0b, and 0 for octal), without underscores. */
static bool to_integer(const char *text, bool *ret_negative, uint64_t *ret)
{
	bool has_sign = *text == '-' || *text == '+';
	bool is_negative = *text == '-';
	uint64_t number = 0;
	unsigned base = 10;

	if (has_sign)
		text++;
	if (text[0] == '0' && text[1]) {
		char mark = (char)(text[1] | 0x20);

		base = mark == 'x' ? 16 : mark == 'b' ? 2 : 8;
		text += mark == 'x' || mark == 'o' || mark == 'b' ? 2 : 1;
	}
	if (!*text)
		return false;
	for (; *text; text++) {
		char c = *text;
		unsigned digit = is_digit(c) ? (unsigned)(c - '0')
				 : (c | 0x20) >= 'a' && (c | 0x20) <= 'f'
				     ? (unsigned)((c | 0x20) - 'a') + 10
				     : 99;

		if (digit >= base || __builtin_mul_overflow(number, base, &number) ||
		    __builtin_add_overflow(number, digit, &number))
			return false;
	}
	/* A sign makes it one of 63 bits. */
	if (has_sign && number > (uint64_t)INT64_MAX + is_negative)
		return false;
	*ret_negative = is_negative && number > 0;
	*ret = number;
	return true;
}

/* Whether text is [-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?; then its form in JSON, where
 * digits must stand on both sides of a point and no zero in front. */
static bool to_decimal(const char *text, char **ret)
{
	bool is_negative = *text == '-';
	const char *fraction = "", *exponent;
	size_t whole_length, fraction_length = 0, exponent_length = 0;

	text += *text == '-' || *text == '+';
	whole_length = strspn(text, "0123456789");
	exponent = text + whole_length;
	if (*exponent == '.') {
		fraction = exponent + 1;
		fraction_length = strspn(fraction, "0123456789");
		exponent = fraction + fraction_length;
	}
	if (whole_length + fraction_length == 0)
		return false;
	if (*exponent == 'e' || *exponent == 'E') {
		size_t sign = exponent[1] == '-' || exponent[1] == '+';

		exponent_length = strspn(exponent + 1 + sign, "0123456789");
		if (exponent_length == 0)
			return false;
		exponent_length += 1 + sign;
	}
	if (exponent[exponent_length])
		return false;
	if (!ret)
		return true;

	for (; whole_length > 1 && *text == '0'; whole_length--)
		text++;
	/* 1.0 is written as the integer that it is. */
	if (exponent_length == 0 && strspn(fraction, "0") >= fraction_length)
		fraction_length = 0;
	/* The integer zero has no sign. */
	if (exponent_length + fraction_length == 0 && (whole_length == 0 || *text == '0'))
		is_negative = false;
	*ret = xasprintf("%s%.*s%s%.*s%.*s", is_negative ? "-" : "",
			 whole_length ? (int)whole_length : 1, whole_length ? text : "0",
			 fraction_length ? "." : "", (int)fraction_length, fraction,
			 (int)exponent_length, exponent);
	return true;
}

static enum yaml_meaning number_meaning(const char *text, char **ret_number)
{
	_cleanup_free_ char *plain = xstrdup(text);
	char *to = plain;
	bool is_negative;
	uint64_t number;

	/* Underscores between digits are for the eye, but not after a point in front. */
	for (const char *from = text; *from; from++)
		if (*from != '_' || *text == '.')
			*to++ = *from;
	*to = '\0';

	if (*text != '.' && to_integer(plain, &is_negative, &number)) {
		if (ret_number)
			*ret_number =
			    xasprintf("%s%llu", is_negative ? "-" : "", (unsigned long long)number);
		return YAML_MEANS_NUMBER;
	}
	return to_decimal(plain, ret_number) ? YAML_MEANS_NUMBER : YAML_MEANS_STRING;
}

enum yaml_meaning yaml_scalar_meaning(const char *text, char **ret_number)
{
	for (size_t i = 0; i < ARRAY_SIZE(words); i++)
		if (strcmp(text, words[i].text) == 0)
			return words[i].meaning;
	if (!strchr("+-.0123456789", *text))
		return YAML_MEANS_STRING;
	return is_time(text) ? YAML_MEANS_TIME : number_meaning(text, ret_number);
}

/* 190:20:30 and 12:30.5 are numbers to the base of 60 for other readers of YAML 1.1, but strings
 * for Go, which quotes them for the others' sake. */
static bool is_base_60(const char *text)
{
	text += *text == '-' || *text == '+';
	if (!is_digit(*text))
		return false;
	text += strspn(text, "0123456789_");
	if (*text != ':')
		return false;
	while (*text == ':') {
		size_t digits = strspn(++text, "0123456789");

		if (digits < 1 || digits > 2 || (digits == 2 && *text > '5'))
			return false;
		text += digits;
	}
	if (*text == '.')
		text += 1 + strspn(text + 1, "0123456789_");
	return !*text;
}

bool yaml_scalar_is_plain_string(const char *text)
{
	return yaml_scalar_meaning(text, NULL) == YAML_MEANS_STRING && !is_base_60(text);
}
