/* Enum and text; see names.h. */
#include "common/names.h"

#include <string.h>

const char *names_text(const char *const *table, int count, int value)
{
	return value >= 0 && value < count && table[value] ? table[value] : "?";
}

int names_value(const char *const *table, int count, const char *text)
{
	for (int i = 0; i < count; i++)
		if (table[i] && text && strcmp(table[i], text) == 0)
			return i;
	return -1;
}

enum { NEAREST_MAX = 64 };

/* Levenshtein distance of two short texts, with one row of the matrix at a time. */
static int distance(const char *a, const char *b)
{
	size_t a_length = strlen(a), b_length = strlen(b);
	int row[NEAREST_MAX + 1];

	if (a_length > NEAREST_MAX || b_length > NEAREST_MAX)
		return NEAREST_MAX;
	for (size_t j = 0; j <= b_length; j++)
		row[j] = (int)j;
	for (size_t i = 1; i <= a_length; i++) {
		int diagonal = row[0];

		row[0] = (int)i;
		for (size_t j = 1; j <= b_length; j++) {
			int above = row[j];
			int changed = diagonal + (a[i - 1] != b[j - 1]);

			row[j] = MIN(changed, MIN(above, row[j - 1]) + 1);
			diagonal = above;
		}
	}
	return row[b_length];
}

const char *names_nearest(const char *const *table, int count, const char *text)
{
	const char *nearest = NULL;
	int best = 3;

	for (int i = 0; i < count; i++) {
		int d = table[i] ? distance(table[i], text) : NEAREST_MAX;

		if (d < best) {
			best = d;
			nearest = table[i];
		}
	}
	return nearest;
}
