/* The role file (rolefile.h): when to read it, whether it is a new one, and what to say of it. */
#include "agentd/inputs/rolefile.h"

#include <string.h>
#include <sys/stat.h>

#include "common/alloc.h"
#include "common/file.h"
#include "common/fs.h"
#include "common/macros.h"
#include "common/notice.h"
#include "common/secret.h"

#define ROLE_TEXT_MAX (256 * KIB)

/* Writers such as cloud-init write in place, and change the mode after they closed the file. */
#define QUIET_NS       (250 * NSEC_PER_MSEC)
#define QUIET_SLACK_NS (50 * NSEC_PER_MSEC)
/* So long nothing is said of a file that is wrong: the rest of it may be on its way. */
#define PATIENCE_NS	  (2 * NSEC_PER_SEC)
#define PATIENCE_SLACK_NS (500 * NSEC_PER_MSEC)
#define RETRY_NS	  (10 * NSEC_PER_SEC)
#define RETRY_SLACK_NS	  (5 * NSEC_PER_SEC)

/* In the order in which they count. */
static const char *const places[] = {
	"/etc/agentd/role.yaml",
	"/run/agentd/role.yaml",
	"/usr/lib/agentd/role.yaml",
};

struct rolefile {
	struct loop *loop;
	uid_t uid;
	struct rolefile_hooks hooks;
	char *paths[ARRAY_SIZE(places)]; /* with the root in front */
	struct notice *notice;
	struct loop_deferred now; /* reads on this round */
	struct loop_timer *later; /* reads after a pause */
	uint64_t event_ns;	  /* when something happened to a file last */
	bool in_place;		  /* it was written in place since it was read last */

	/* What was last said, so that it is said once. */
	char *reported_path, *exposed_path;
	struct error reported;
	bool has_reported;
};

/* What is in the file that counts. */
struct content {
	const char *path; /* NULL = there is none */
	struct buf text;
	mode_t mode;
	char digest[FILE_DIGEST_SIZE];
};

static void content_done(struct content *content)
{
	secret_wipe(content->text.data, content->text.length);
	buf_done(&content->text);
}
DEFINE_CLEANUP_VALUE(struct content, content_done)

/* Reads the first file that exists. An error is about ret->path. */
static int read_content(const struct rolefile *rolefile, struct content *ret, struct error *err)
{
	int r = 0;

	*ret = (struct content){ .text = BUF_INIT(ROLE_TEXT_MAX) };
	for (size_t i = 0; i < ARRAY_SIZE(places) && r == 0; i++) {
		r = fs_read_trusted(rolefile->paths[i], rolefile->uid, &ret->text, &ret->mode, err);
		if (r != 0)
			ret->path = rolefile->paths[i];
	}
	if (r > 0)
		file_digest(ret->text.data, ret->text.length, ret->digest);
	return r;
}

static bool is_token_character(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

/* Whether a dot is that of a bootstrap token, [a-z0-9]{6}.[a-z0-9]{16}. */
static bool is_dot_of_token(const char *text, const char *dot)
{
	size_t before = 0, after = 0;

	while (before < 7 && before < (size_t)(dot - text) &&
	       is_token_character(*(dot - 1 - before)))
		before++;
	while (after < 17 && is_token_character(dot[1 + after]))
		after++;
	return before == 6 && after == 16;
}

static bool has_secret(const char *text)
{
	if (strstr(text, "PRIVATE KEY-----"))
		return true;
	for (const char *dot = strchr(text, '.'); dot; dot = strchr(dot + 1, '.'))
		if (is_dot_of_token(text, dot))
			return true;
	return false;
}

static bool is_same_text(const char *a, const char *b)
{
	return a == b || (a && b && strcmp(a, b) == 0);
}

static void report(struct rolefile *rolefile, const char *path, const struct error *err)
{
	const struct error none = ERROR_INIT;

	if (!err)
		err = &none;
	if (rolefile->has_reported && is_same_text(path, rolefile->reported_path) &&
	    strcmp(err->message, rolefile->reported.message) == 0)
		return;
	free(rolefile->reported_path);
	rolefile->reported_path = xstrdup(path);
	rolefile->reported = *err;
	rolefile->has_reported = true;
	rolefile->hooks.report(path, error_is_set(err) ? err : NULL, rolefile->hooks.userdata);
}

static void report_exposure(struct rolefile *rolefile, const struct content *content)
{
	bool is_exposed =
	    content->path && (content->mode & S_IROTH) && has_secret(content->text.data);
	const char *path = is_exposed ? content->path : NULL;

	if (is_same_text(path, rolefile->exposed_path))
		return;
	free(rolefile->exposed_path);
	rolefile->exposed_path = xstrdup(path);
	rolefile->hooks.exposed(path, content->mode, rolefile->hooks.userdata);
}

/* Something is wrong with the file. What is wrong while it is being written is not said yet. */
static void refuse(struct rolefile *rolefile, const struct content *content,
		   const struct error *err)
{
	uint64_t now = clock_ns(loop_clock(rolefile->loop));

	if (err->class == ERROR_CONFIG && now < rolefile->event_ns + PATIENCE_NS) {
		loop_timer_arm_at(rolefile->later, rolefile->event_ns + PATIENCE_NS,
				  PATIENCE_SLACK_NS);
		return;
	}
	if (err->class != ERROR_CONFIG)
		loop_timer_arm(rolefile->later, RETRY_NS, RETRY_SLACK_NS);
	report(rolefile, content->path, err);
}

static void offer(struct rolefile *rolefile, const struct content *content)
{
	const struct rolefile_hooks *hooks = &rolefile->hooks;
	struct error err = ERROR_INIT;
	int r;

	r = hooks->offer(content->text.data, content->text.length, content->path, hooks->userdata,
			 &err);
	if (r < 0) {
		refuse(rolefile, content, &err);
		return;
	}
	hooks->set_seen_digest(content->digest, hooks->userdata);
	report(rolefile, content->path, NULL);
}

/* Reads the file and decides what it is. */
static void look(void *userdata)
{
	struct rolefile *rolefile = userdata;
	_cleanup_(content_done) struct content content = { .path = NULL };
	struct error err = ERROR_INIT;
	const char *seen;
	int r;

	loop_timer_disarm(rolefile->later);
	loop_undefer(rolefile->loop, &rolefile->now);
	rolefile->in_place = false;
	r = read_content(rolefile, &content, &err);
	if (r < 0) {
		refuse(rolefile, &content, &err);
		return;
	}
	report_exposure(rolefile, &content);
	if (r == 0) {
		report(rolefile, NULL, NULL);
		return;
	}

	seen = rolefile->hooks.seen_digest(rolefile->hooks.userdata);
	if (seen && strcmp(content.digest, seen) == 0)
		report(rolefile, content.path, NULL);
	else
		offer(rolefile, &content);
}

static void something_happened(const char *path, enum notice_kind kind, void *userdata)
{
	struct rolefile *rolefile = userdata;

	rolefile->event_ns = clock_ns(loop_clock(rolefile->loop));
	switch (kind) {
	case NOTICE_BEING_WRITTEN:
		/* Whoever writes closes the file at last. */
		rolefile->in_place = true;
		loop_timer_disarm(rolefile->later);
		loop_undefer(rolefile->loop, &rolefile->now);
		break;
	case NOTICE_CHANGED:
		if (rolefile->in_place)
			loop_timer_arm(rolefile->later, QUIET_NS, QUIET_SLACK_NS);
		else
			loop_defer(rolefile->loop, &rolefile->now);
		break;
	}
}

/* Whether a file is so young that somebody may still be writing it. */
static bool is_young(const struct rolefile *rolefile)
{
	int64_t now = clock_wall(loop_clock(rolefile->loop));
	struct stat st;

	for (size_t i = 0; i < ARRAY_SIZE(places); i++)
		if (lstat(rolefile->paths[i], &st) == 0 && st.st_mtim.tv_sec >= now - 1 &&
		    st.st_mtim.tv_sec <= now)
			return true;
	return false;
}

struct rolefile *rolefile_new(struct loop *loop, const char *root, uid_t uid,
			      const struct rolefile_hooks *hooks)
{
	struct rolefile *rolefile = NEW(struct rolefile);

	*rolefile = (struct rolefile){
		.loop = loop,
		.uid = uid,
		.hooks = *hooks,
		.now = { .fn = look, .userdata = rolefile },
		.event_ns = clock_ns(loop_clock(loop)),
	};
	rolefile->later = loop_timer_new(loop, look, rolefile);
	rolefile->notice = notice_new(loop, something_happened, rolefile);
	for (size_t i = 0; i < ARRAY_SIZE(places); i++) {
		rolefile->paths[i] = xasprintf("%s%s", root, places[i]);
		notice_watch(rolefile->notice, rolefile->paths[i]);
	}
	if (is_young(rolefile))
		loop_timer_arm(rolefile->later, QUIET_NS, QUIET_SLACK_NS);
	else
		loop_defer(loop, &rolefile->now);
	return rolefile;
}

struct rolefile *rolefile_free(struct rolefile *rolefile)
{
	if (!rolefile)
		return NULL;
	notice_free(rolefile->notice);
	loop_timer_free(rolefile->later);
	loop_undefer(rolefile->loop, &rolefile->now);
	for (size_t i = 0; i < ARRAY_SIZE(places); i++)
		free(rolefile->paths[i]);
	free(rolefile->reported_path);
	free(rolefile->exposed_path);
	free(rolefile);
	return NULL;
}

void rolefile_look(struct rolefile *rolefile)
{
	/* What is being written is looked at when that is over. */
	if (!rolefile->in_place)
		loop_defer(rolefile->loop, &rolefile->now);
}

void rolefile_supersede(struct rolefile *rolefile)
{
	_cleanup_(content_done) struct content content = { .path = NULL };
	struct error err = ERROR_INIT;

	/* A file that cannot be read is not offered either. */
	if (read_content(rolefile, &content, &err) > 0)
		rolefile->hooks.set_seen_digest(content.digest, rolefile->hooks.userdata);
}
