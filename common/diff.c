/* Unified diffs; see diff.h. Myers' shortest edit script over the lines between the common head and
 * tail of both texts. */
#include "common/diff.h"

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "common/alloc.h"

/* Steps of the search: memory grows with their square (4 MiB). */
enum { STEPS_MAX = 1000, CONTEXT = 3 };

struct line {
	const char *text;
	size_t length; /* with its newline, if it has one */
};

struct lines {
	struct line *items;
	size_t count;
	bool *changed; /* deleted of a, or added in b */
};

static void lines_done(struct lines *lines)
{
	free(lines->items);
	free(lines->changed);
}
DEFINE_CLEANUP_VALUE(struct lines, lines_done)

static void split(const char *text, size_t length, struct lines *ret)
{
	size_t count = 0;

	for (size_t i = 0; i < length; i++)
		count += text[i] == '\n';
	count += length > 0 && text[length - 1] != '\n';
	ret->items = NEW_ARRAY(struct line, count + 1);
	ret->changed = NEW_ARRAY(bool, count + 1);
	while (length > 0) {
		const char *newline = memchr(text, '\n', length);
		size_t size = newline ? (size_t)(newline - text) + 1 : length;

		ret->items[ret->count++] = (struct line){ text, size };
		text += size;
		length -= size;
	}
}

static bool same(const struct line *a, const struct line *b)
{
	return a->length == b->length && memcmp(a->text, b->text, a->length) == 0;
}

/* The part of both texts between the common head and tail. */
struct window {
	const struct line *a, *b;
	int n, m;
	bool *deleted, *added;
};

/* The furthest x on each diagonal k = x - y after every step, one row behind the other: row d has
 * the diagonals -d to d. */
static int *row_of(int *rows, int d)
{
	return rows + (size_t)d * (size_t)d + (size_t)d;
}

static bool goes_down(const int *row, int d, int k)
{
	return k == -d || (k != d && row[k - 1] < row[k + 1]);
}

/* Fills the rows until the end is reached. Returns the number of steps, -1 if there are too many.
 */
static int search(const struct window *window, int *rows)
{
	int start[3] = { 0 }, *before = start + 1;

	for (int d = 0; d <= STEPS_MAX; d++) {
		int *row = row_of(rows, d);

		for (int k = -d; k <= d; k += 2) {
			int x = d == 0			  ? 0
				: goes_down(before, d, k) ? before[k + 1]
							  : before[k - 1] + 1;
			int y = x - k;

			while (x < window->n && y >= 0 && y < window->m &&
			       same(&window->a[x], &window->b[y])) {
				x++;
				y++;
			}
			row[k] = x;
			if (x >= window->n && y >= window->m)
				return d;
		}
		before = row;
	}
	return -1;
}

/* Walks back from the end and marks what each step deleted or added. */
static void trace(const struct window *window, int *rows, int steps)
{
	int x = window->n, y = window->m;

	for (int d = steps; d > 0; d--) {
		const int *before = row_of(rows, d - 1);
		int k = x - y;
		bool down = goes_down(before, d, k);
		int from = down ? k + 1 : k - 1;

		x = before[from];
		y = x - from;
		if (down)
			window->added[y] = true;
		else
			window->deleted[x] = true;
	}
}

static void compare(struct lines *a, struct lines *b)
{
	size_t head = 0, tail = 0, room = (STEPS_MAX + 1) * (size_t)(STEPS_MAX + 1);
	struct window window;
	int steps = -1;

	while (head < a->count && head < b->count && same(&a->items[head], &b->items[head]))
		head++;
	while (tail < a->count - head && tail < b->count - head &&
	       same(&a->items[a->count - 1 - tail], &b->items[b->count - 1 - tail]))
		tail++;
	window = (struct window){
		.a = a->items + head,
		.b = b->items + head,
		.n = (int)(a->count - head - tail),
		.m = (int)(b->count - head - tail),
		.deleted = a->changed + head,
		.added = b->changed + head,
	};
	/* Rows are written as far as they are needed, and only that memory is real. */
	_cleanup_free_ int *rows = xmalloc(room * sizeof(int));
	steps = search(&window, rows);
	if (steps >= 0) {
		trace(&window, rows, steps);
		return;
	}
	memset(window.deleted, true, (size_t)window.n);
	memset(window.added, true, (size_t)window.m);
}

/* Printing. */

/* A place in both texts at once; lines that are in both are passed together. */
struct cursor {
	size_t a, b;
};

static bool is_change(const struct lines *a, const struct lines *b, struct cursor at)
{
	return (at.a < a->count && a->changed[at.a]) || (at.b < b->count && b->changed[at.b]);
}

static bool is_end(const struct lines *a, const struct lines *b, struct cursor at)
{
	return at.a >= a->count && at.b >= b->count;
}

static void step(const struct lines *a, const struct lines *b, struct cursor *at)
{
	if (at->a < a->count && a->changed[at->a]) {
		at->a++;
	} else if (at->b < b->count && b->changed[at->b]) {
		at->b++;
	} else {
		at->a++;
		at->b++;
	}
}

/* Where the hunk ends that begins with a change: after so many equal lines. */
static struct cursor find_end(const struct lines *a, const struct lines *b, struct cursor at)
{
	struct cursor end = at;
	size_t equal = 0;

	while (!is_end(a, b, at) && equal <= 2 * CONTEXT) {
		bool change = is_change(a, b, at);

		step(a, b, &at);
		equal = change ? 0 : equal + 1;
		if (change)
			end = at;
	}
	for (size_t i = 0; i < CONTEXT && !is_end(a, b, end); i++)
		step(a, b, &end);
	return end;
}

static int print_line(char mark, const struct line *line, struct buf *buf)
{
	bool ends = line->text[line->length - 1] == '\n';
	int r;

	r = buf_append_char(buf, mark);
	if (r >= 0)
		r = buf_append(buf, line->text, line->length);
	if (r >= 0 && !ends)
		r = buf_append_string(buf, "\n\\ No newline at end of file\n");
	return r;
}

static int print_range(char mark, size_t from, size_t to, struct buf *buf)
{
	/* An empty range stands behind the line before it. */
	size_t first = from == to ? from : from + 1;

	return to - from == 1 ? buf_printf(buf, "%c%zu", mark, first)
			      : buf_printf(buf, "%c%zu,%zu", mark, first, to - from);
}

static int print_hunk(const struct lines *a, const struct lines *b, struct cursor at,
		      struct cursor end, struct buf *buf)
{
	int r;

	r = buf_append_string(buf, "@@ ");
	if (r >= 0)
		r = print_range('-', at.a, end.a, buf);
	if (r >= 0)
		r = buf_append_char(buf, ' ');
	if (r >= 0)
		r = print_range('+', at.b, end.b, buf);
	if (r >= 0)
		r = buf_append_string(buf, " @@\n");
	while (r >= 0 && (at.a < end.a || at.b < end.b)) {
		if (at.a < a->count && a->changed[at.a])
			r = print_line('-', &a->items[at.a], buf);
		else if (at.b < b->count && b->changed[at.b])
			r = print_line('+', &b->items[at.b], buf);
		else
			r = print_line(' ', &a->items[at.a], buf);
		step(a, b, &at);
	}
	return r;
}

static int print(const struct lines *a, const struct lines *b, struct buf *buf)
{
	struct cursor at = { 0 };
	int r = 0;

	while (r >= 0 && !is_end(a, b, at)) {
		size_t before = MIN((size_t)CONTEXT, at.a);
		struct cursor start, end;

		if (!is_change(a, b, at)) {
			step(a, b, &at);
			continue;
		}
		start = (struct cursor){ at.a - before, at.b - before };
		end = find_end(a, b, at);
		r = print_hunk(a, b, start, end, buf);
		at = end;
	}
	return r;
}

int diff_unified(const char *a, size_t a_length, const char *a_name, const char *b, size_t b_length,
		 const char *b_name, struct buf *buf)
{
	_cleanup_(lines_done) struct lines before = { 0 }, after = { 0 };
	size_t length = buf->length;
	int r;

	if (a_length == b_length && memcmp(a, b, a_length) == 0)
		return 0;
	split(a, a_length, &before);
	split(b, b_length, &after);
	compare(&before, &after);
	r = buf_printf(buf, "--- %s\n+++ %s\n", a_name, b_name);
	if (r >= 0)
		r = print(&before, &after, buf);
	if (r < 0)
		buf_truncate(buf, length);
	return r;
}
