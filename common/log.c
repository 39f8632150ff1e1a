/* Log records to the journal or to standard error; see log.h. */
#include "common/log.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <systemd/sd-journal.h>

#include "common/alloc.h"
#include "common/buf.h"
#include "common/parse.h"
#include "common/strv.h"

enum { RECORD_MAX = 64 * 1024, FIELDS_MAX = 16 };

/* Set once at start, before anything logs. */
static int max_level_ = LOG_INFO;
static bool to_journal_;
static log_sink_fn sink_;
static void *sink_userdata_;

/* Whether standard error is the journal's own stream: then its socket takes whole records. */
static bool stderr_is_journal(void)
{
	const char *text = getenv("JOURNAL_STREAM");
	_cleanup_(strv_done) struct strv numbers = STRV_INIT;
	uint64_t device, inode;
	struct stat st;

	strv_split(&numbers, text ? text : "", ':');
	if (numbers.count != 2 || parse_u64(numbers.items[0], &device) < 0 ||
	    parse_u64(numbers.items[1], &inode) < 0)
		return false;
	return fstat(STDERR_FILENO, &st) == 0 && st.st_dev == device && st.st_ino == inode;
}

void log_setup(int max_level, bool to_stderr)
{
	max_level_ = max_level;
	to_journal_ = !to_stderr && stderr_is_journal();
}

void log_set_sink(log_sink_fn sink, void *userdata)
{
	sink_ = sink;
	sink_userdata_ = userdata;
}

void log_escape(const char *text, struct buf *buf)
{
	size_t left = strlen(text);

	while (left > 0) {
		uint32_t c = 0;
		size_t length = parse_utf8(text, left, &c);

		if (length > 0 && c >= 0x20 && !(c >= 0x7f && c < 0xa0)) {
			(void)buf_append(buf, text, length);
		} else if (*text == '\n') {
			(void)buf_append_string(buf, "\\n");
		} else if (*text == '\t') {
			(void)buf_append_string(buf, "\\t");
		} else {
			(void)buf_printf(buf, "\\x%02x", (unsigned char)*text);
			length = 1;
		}
		text += length;
		left -= length;
	}
}

static void write_stderr(int level, const char *scope, const char *message)
{
	_cleanup_(buf_done) struct buf line = BUF_INIT(RECORD_MAX);

	/* One write, so that records of several processes do not mix. */
	(void)buf_printf(&line, "<%d>%s: %s\n", level, scope, message);
	(void)!write(STDERR_FILENO, line.data, line.length);
}

/* What one record for the journal is made of. */
struct record {
	char *texts[FIELDS_MAX];
	struct iovec vectors[FIELDS_MAX];
	int count;
};

static void record_done(struct record *record)
{
	for (int i = 0; i < record->count; i++)
		free(record->texts[i]);
}
DEFINE_CLEANUP_VALUE(struct record, record_done)

static void record_add(struct record *record, const char *name, const char *value)
{
	char *text;

	if (record->count == FIELDS_MAX)
		return;
	text = xasprintf("%s=%s", name, value);
	record->texts[record->count] = text;
	record->vectors[record->count++] = (struct iovec){ text, strlen(text) };
}

static void record_add_int(struct record *record, const char *name, int value)
{
	char text[16];

	(void)snprintf(text, sizeof(text), "%d", value);
	record_add(record, name, text);
}

static int write_journal(int level, const char *scope, const char *file, int line,
			 const struct log_field *fields, const char *message)
{
	_cleanup_(record_done) struct record record = { 0 };

	record_add(&record, "MESSAGE", message);
	record_add_int(&record, "PRIORITY", level);
	record_add(&record, "SYSLOG_IDENTIFIER", program_invocation_short_name);
	record_add(&record, "AGENTD_SCOPE", scope);
	record_add(&record, "CODE_FILE", file);
	record_add_int(&record, "CODE_LINE", line);
	for (; fields && fields->name; fields++)
		if (fields->value)
			record_add(&record, fields->name, fields->value);
	return sd_journal_sendv(record.vectors, record.count);
}

void log_record(int level, const char *scope, const char *file, int line,
		const struct log_field *fields, const char *format, ...)
{
	_cleanup_(buf_done) struct buf message = BUF_INIT(RECORD_MAX / 2);
	_cleanup_free_ char *text = NULL;
	int saved_errno = errno;
	va_list args;

	if (level > max_level_)
		return;
	va_start(args, format);
	text = xvasprintf(format, args);
	va_end(args);
	log_escape(text, &message);

	if (sink_)
		sink_(level, scope, message.data, sink_userdata_);
	else if (!to_journal_ || write_journal(level, scope, file, line, fields, message.data) < 0)
		write_stderr(level, scope, message.data);
	errno = saved_errno;
}
