/* Shows the versions of other hands and puts them back; see drift.h. */
#include "agentd/actions/drift.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>

#include "agentd/drift.h"
#include "agentd/facts.h"
#include "agentd/kube/apipath.h"
#include "agentd/kube/fields.h"
#include "agentd/resources.h"
#include "agentd/resources/object.h"
#include "common/alloc.h"
#include "common/diff.h"
#include "common/file.h"
#include "common/names.h"
#include "common/parse.h"
#include "common/task.h"
#include "common/yaml.h"

/* Who writes an object that is put back: not one of agentd's own managers, so that the fields are
 * the administrator's. */
#define MANAGER "agentd-restore"

/* A reply has to fit into a message, where every byte may take six. */
#define DIFF_MAX (128 * KIB)

static const char *text_of(const struct value *map, const char *key)
{
	return value_string_or(value_get(map, key), "");
}

static int load(const struct context *ctx, uint64_t id, struct value **ret, struct buf *theirs,
		struct buf *ours, struct error *err)
{
	int r = drift_load(ctx->drift, id, ret, theirs, ours, err);

	if (r == 0)
		return error_set(err, ERROR_CONFIG, -ENOENT,
				 "there is no kept version %" PRIu64 ": see agentctl drift list",
				 id);
	return r;
}

/* Showing. */

static bool is_text(const struct buf *buf)
{
	const char *bytes = buf->data;
	size_t left = buf->length;

	while (left > 0) {
		uint32_t c = 0;
		size_t length = parse_utf8(bytes, left, &c);

		if (length == 0 || (c < 0x20 && !strchr("\t\n\r\f", (int)c)) || c == 0)
			return false;
		bytes += length;
		left -= length;
	}
	return true;
}

static struct value *put_diff(struct value *map, const struct buf *theirs, const struct buf *ours)
{
	_cleanup_(buf_done) struct buf diff = BUF_INIT(DIFF_MAX);
	_cleanup_free_ char *a = xasprintf("%s (agentd's)", text_of(map, "name"));
	_cleanup_free_ char *b =
	    xasprintf("%s (kept %s)", text_of(map, "name"), text_of(map, "time"));
	bool has_bytes =
	    value_is_true(value_get(map, "theirs")) || value_is_true(value_get(map, "ours"));

	if (!has_bytes || value_is_true(value_get(map, "secret")) || !is_text(theirs) ||
	    !is_text(ours))
		return map;
	if (diff_unified(ours->data, ours->length, a, theirs->data, theirs->length, b, &diff) < 0)
		return map;
	return value_put(map, "diff", value_new_string(diff.data));
}

struct value *actions_drift_show(const struct context *ctx, uint64_t id, struct error *err)
{
	_cleanup_(buf_done) struct buf theirs = BUF_INIT(DRIFT_TEXT_MAX);
	_cleanup_(buf_done) struct buf ours = BUF_INIT(DRIFT_TEXT_MAX);
	struct value *map = NULL;

	if (load(ctx, id, &map, &theirs, &ours, err) < 0)
		return NULL;
	map = put_diff(map, &theirs, &ours);
	map = value_remove(map, "theirs");
	return value_remove(map, "ours");
}

char *actions_drift_what(const struct context *ctx, uint64_t id, struct error *err)
{
	_cleanup_(value_unref) struct value *map = NULL;
	const struct value *about;

	if (load(ctx, id, &map, NULL, NULL, err) < 0)
		return NULL;
	about = value_get(map, "about");
	if (strcmp(text_of(map, "kind"), "object") == 0)
		return xasprintf("%s/%s", text_of(about, "collection"), text_of(about, "object"));
	return xstrdup(text_of(map, "name"));
}

/* Putting back: the state of a task, whatever the kind is. */

struct restore {
	struct context *ctx;
	uint64_t id;
	struct value *version;
	struct buf bytes;
	struct value *object; /* as it was kept; NULL = it had been deleted */
	struct kube *kube;    /* the administrator's, where the object takes that */
	char *path;	      /* of the object */
	struct value *live;
};

static struct restore *restore_of(struct task *task)
{
	return task_context(task);
}

static void restore_free(void *state)
{
	struct restore *restore = state;

	value_unref(restore->version);
	value_unref(restore->object);
	value_unref(restore->live);
	buf_done(&restore->bytes);
	kube_free(restore->kube);
	free(restore->path);
	free(restore);
}

static const struct value *about_of(const struct restore *restore)
{
	return value_get(restore->version, "about");
}

static int told(struct task *task, struct op *op, struct error *err)
{
	struct restore *restore = restore_of(task);

	(void)op;
	(void)err;
	history_add(restore->ctx->history, "Restored", text_of(restore->version, "name"),
		    "version %" PRIu64 " of another hand was put back, and is held", restore->id);
	return STAGE_NEXT;
}

/* Files. */

static int number_of(const struct value *map, const char *key)
{
	int64_t number = -1;

	(void)value_to_int(value_get(map, key), &number);
	return (int)number;
}

static int restore_file(struct task *task, struct op *op, struct error *err)
{
	const struct restore *restore = restore_of(task);
	const struct value *about = about_of(restore);
	const char *type = text_of(about, "type");
	_cleanup_free_ char *path =
	    context_path(restore->ctx, "%s", text_of(restore->version, "name"));
	struct file_content content = {
		.path = path,
		.bytes = restore->bytes.data,
		.length = restore->bytes.length,
		.mode = (mode_t)strtoul(text_of(about, "mode"), NULL, 8),
		.uid = (uid_t)number_of(about, "uid"),
		.gid = (gid_t)number_of(about, "gid"),
	};
	int r;

	(void)op;
	if (strcmp(type, "link") == 0)
		content.mode = S_IFLNK;
	if (strcmp(type, "none") == 0)
		r = file_remove(path, err);
	else if (strcmp(type, "link") == 0 || strcmp(type, "file") == 0)
		r = file_replace(&content, err);
	else
		r = error_set(err, ERROR_CONFIG, -EINVAL,
			      "%s was a %s, which cannot be put back: make it by hand, it is held",
			      path, type);
	return r < 0 ? r : STAGE_NEXT;
}

static const struct stage file_stages[] = {
	{ "put the file back", NULL, restore_file },
	{ "tell it", NULL, told },
	{ 0 },
};

/* Units. */

static struct op *restore_unit_file(struct task *task, struct error *err)
{
	struct restore *restore = restore_of(task);
	const char *unit = text_of(restore->version, "name");
	const char *state = text_of(about_of(restore), "unitFileState");
	const char *load = text_of(about_of(restore), "loadState");

	(void)err;
	if (strcmp(load, "masked") == 0 || strncmp(state, "masked", 6) == 0)
		return unit_mask(restore->ctx->bus, unit);
	if (strcmp(state, "disabled") == 0)
		return unit_disable(restore->ctx->bus, unit);
	return NULL;
}

static struct op *restore_unit_reload(struct task *task, struct error *err)
{
	(void)err;
	return unit_daemon_reload(restore_of(task)->ctx->bus);
}

static struct op *restore_unit_stop(struct task *task, struct error *err)
{
	struct restore *restore = restore_of(task);

	(void)err;
	if (strcmp(text_of(about_of(restore), "activeState"), "inactive") != 0)
		return NULL;
	return unit_stop(restore->ctx->bus, text_of(restore->version, "name"));
}

static const struct stage unit_stages[] = {
	{ "disable or mask the unit", restore_unit_file, NULL },
	{ "reload systemd", restore_unit_reload, NULL },
	{ "stop the unit", restore_unit_stop, NULL, .timeout_s = 90 },
	{ "tell it", NULL, told },
	{ 0 },
};

/* Objects. */

/* The row that keeps the object; NULL if no row does any more. */
static const struct object *find_object(const struct restore *restore)
{
	const char *row = text_of(restore->version, "resource");

	for (const struct resource *const *resource = resources_list(); *resource; resource++)
		if ((*resource)->apply == object_apply && strcmp((*resource)->name, row) == 0)
			return (*resource)->data;
	return NULL;
}

static struct kube *kube_of(const struct restore *restore)
{
	return restore->kube ? restore->kube : restore->ctx->kube;
}

static int choose_client(struct task *task, struct op *op, struct error *err)
{
	struct restore *restore = restore_of(task);
	const struct object *object = find_object(restore);

	(void)op;
	if (!restore->ctx->kube)
		return error_set(err, ERROR_PENDING, -EAGAIN,
				 "this node has no certificate for the API server yet");
	if (!object || !object->masters)
		return STAGE_NEXT;
	restore->kube = facts_masters_client(restore->ctx, err);
	return restore->kube ? STAGE_NEXT : err->code;
}

static struct op *read_live(struct task *task, struct error *err)
{
	(void)err;
	return kube_get(kube_of(restore_of(task)), restore_of(task)->path);
}

static int keep_live(struct task *task, struct op *op, struct error *err)
{
	(void)err;
	value_unref(restore_of(task)->live);
	restore_of(task)->live = value_ref(op_value(op));
	return STAGE_NEXT;
}

/* The merge patch that makes live what it was: null for what it did not have. NULL = nothing. */
static struct value *patch_of(const struct value *live, const struct value *kept,
			      struct fields_place *place)
{
	struct value *patch = NULL;

	VALUE_FOREACH(i, kept) {
		const char *key = value_key(kept, i);
		const struct value *before = value_item(kept, i), *now = value_get(live, key);
		struct fields_mark mark = fields_enter_key(place, key);
		struct value *child = NULL;

		if (fields_is_servers(place->text.data) || (now && value_equal(now, before)))
			child = NULL;
		else if (value_type(before) == VALUE_MAP && value_type(now) == VALUE_MAP)
			child = patch_of(now, before, place);
		else
			child = value_ref(before);
		if (child)
			patch = value_put(patch ? patch : value_new_map(), key, child);
		fields_leave(place, mark);
	}
	VALUE_FOREACH(i, live) {
		const char *key = value_key(live, i);
		struct fields_mark mark = fields_enter_key(place, key);

		if (!value_get(kept, key) && !fields_is_servers(place->text.data))
			patch = value_put(patch ? patch : value_new_map(), key, value_new_null());
		fields_leave(place, mark);
	}
	return patch;
}

static struct op *restore_object(struct task *task, struct error *err)
{
	struct restore *restore = restore_of(task);
	_cleanup_(fields_place_done) struct fields_place place = FIELDS_PLACE_INIT;
	_cleanup_(value_unref) struct value *patch = NULL;
	const char *collection = text_of(about_of(restore), "collection");

	(void)err;
	if (!restore->object)
		return restore->live ? kube_delete(kube_of(restore), restore->path) : NULL;
	if (!restore->live)
		return kube_create(kube_of(restore), collection, restore->object);
	patch = patch_of(restore->live, restore->object, &place);
	return patch ? kube_merge_patch(kube_of(restore), restore->path, patch, MANAGER) : NULL;
}

static const struct stage object_stages[] = {
	{ "choose an identity", NULL, choose_client },
	{ "read the object", read_live, keep_live, .timeout_s = 30 },
	{ "put the object back", restore_object, NULL, .timeout_s = 30 },
	{ "tell it", NULL, told },
	{ 0 },
};

static int read_object(struct restore *restore, struct error *err)
{
	const char *name = text_of(restore->version, "name");

	restore->path = apipath_join(text_of(about_of(restore), "collection"),
				     text_of(about_of(restore), "object"));
	if (restore->bytes.length == 0)
		return 0;
	return yaml_parse_one(restore->bytes.data, restore->bytes.length, name, &restore->object,
			      err);
}

struct op *actions_drift_restore(struct context *ctx, uint64_t id, struct error *err)
{
	struct restore *restore = NEW(struct restore);
	const char *kind;
	int r;

	restore->ctx = ctx;
	restore->id = id;
	restore->bytes = BUF_INIT(DRIFT_TEXT_MAX);
	r = load(ctx, id, &restore->version, &restore->bytes, NULL, err);
	kind = text_of(restore->version, "kind");
	if (r >= 0 && strcmp(kind, "object") == 0)
		r = read_object(restore, err);
	if (r < 0) {
		restore_free(restore);
		return NULL;
	}
	return task_op_new(ctx->loop,
			   strcmp(kind, "file") == 0   ? file_stages
			   : strcmp(kind, "unit") == 0 ? unit_stages
						       : object_stages,
			   restore, restore_free);
}
