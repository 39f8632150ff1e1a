/* The capped buffer; see buf.h. */
#include "common/buf.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "common/alloc.h"

char buf_empty_[1];

static void wipe_and_free(struct buf *buf)
{
	if (!buf->allocated)
		return;
	explicit_bzero(buf->data, buf->allocated);
	free(buf->data);
}

void buf_done(struct buf *buf)
{
	wipe_and_free(buf);
	*buf = BUF_INIT(buf->cap);
}

void buf_reset(struct buf *buf)
{
	buf->length = 0;
	buf->overflow = false;
	if (buf->allocated)
		buf->data[0] = '\0';
}

/* Makes room for `more` bytes beyond length, and the NUL. */
static int reserve(struct buf *buf, size_t more)
{
	size_t need, size;
	char *grown;

	if (more > buf->cap || buf->length > buf->cap - more) {
		buf->overflow = true;
		return -EFBIG;
	}
	need = buf->length + more + 1;
	if (need <= buf->allocated)
		return 0;
	size = MAX(buf->allocated * 2, (size_t)64);
	size = MIN(MAX(size, need), buf->cap + 1);
	/* Not by realloc(), which would leave a copy behind. */
	grown = xmalloc(size);
	memcpy(grown, buf->data, buf->length + 1);
	wipe_and_free(buf);
	buf->data = grown;
	buf->allocated = size;
	return 0;
}

int buf_append(struct buf *buf, const void *bytes, size_t length)
{
	int r;

	if (length == 0)
		return 0;
	r = reserve(buf, length);
	if (r < 0)
		return r;

	memcpy(buf->data + buf->length, bytes, length);
	buf->length += length;
	buf->data[buf->length] = '\0';
	return 0;
}

int buf_append_string(struct buf *buf, const char *text)
{
	return buf_append(buf, text, strlen(text));
}

int buf_append_char(struct buf *buf, char c)
{
	return buf_append(buf, &c, 1);
}

int buf_vprintf(struct buf *buf, const char *format, va_list args)
{
	_cleanup_free_ char *text = xvasprintf(format, args);

	return buf_append_string(buf, text);
}

int buf_printf(struct buf *buf, const char *format, ...)
{
	va_list args;
	int r;

	va_start(args, format);
	r = buf_vprintf(buf, format, args);
	va_end(args);
	return r;
}

void buf_consume(struct buf *buf, size_t count)
{
	assert(count <= buf->length);
	if (count == 0)
		return;
	buf->length -= count;
	memmove(buf->data, buf->data + count, buf->length + 1);
}

void buf_truncate(struct buf *buf, size_t length)
{
	assert(length <= buf->length);
	if (length == buf->length)
		return;
	buf->length = length;
	buf->data[length] = '\0';
}

char *buf_take(struct buf *buf)
{
	char *text = buf->allocated ? buf->data : xstrdup("");

	*buf = BUF_INIT(buf->cap);
	return text;
}
