/* The list of strings; see strv.h. */
#include "common/strv.h"

#include <stdarg.h>
#include <string.h>

#include "common/alloc.h"
#include "common/buf.h"

void strv_done(struct strv *list)
{
	for (size_t i = 0; i < list->count; i++)
		free(list->items[i]);
	free(list->items);
	*list = STRV_INIT;
}

void strv_add_take(struct strv *list, char *text)
{
	list->items = xreallocarray(list->items, list->count + 2, sizeof(*list->items));
	list->items[list->count++] = text;
	list->items[list->count] = NULL;
}

void strv_add(struct strv *list, const char *text)
{
	strv_add_take(list, xstrdup(text));
}

void strv_addf(struct strv *list, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	strv_add_take(list, xvasprintf(format, args));
	va_end(args);
}

bool strv_contains(const struct strv *list, const char *text)
{
	for (size_t i = 0; i < list->count; i++)
		if (strcmp(list->items[i], text) == 0)
			return true;
	return false;
}

void strv_add_unique(struct strv *list, const char *text)
{
	if (!strv_contains(list, text))
		strv_add(list, text);
}

void strv_copy(struct strv *to, const struct strv *from)
{
	for (size_t i = 0; i < from->count; i++)
		strv_add(to, from->items[i]);
}

static int compare(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

void strv_sort(struct strv *list)
{
	if (list->count > 1)
		qsort(list->items, list->count, sizeof(*list->items), compare);
}

void strv_split(struct strv *list, const char *text, char separator)
{
	while (*text) {
		const char *end = strchrnul(text, separator);
		const char *first = text, *last = end;

		while (first < last && strchr(" \t\r\n", *first))
			first++;
		while (last > first && strchr(" \t\r\n", last[-1]))
			last--;
		if (last > first)
			strv_add_take(list, xstrndup(first, (size_t)(last - first)));
		text = *end ? end + 1 : end;
	}
}

char *strv_join(const struct strv *list, const char *separator)
{
	_cleanup_(buf_done) struct buf text = BUF_INIT(SIZE_MAX - 1);

	for (size_t i = 0; i < list->count; i++) {
		if (i > 0)
			(void)buf_append_string(&text, separator);
		(void)buf_append_string(&text, list->items[i]);
	}
	return buf_take(&text);
}
