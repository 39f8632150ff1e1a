/* The table of types of history entries; see history_types.h. */
#include "agentd/history_types.h"

#include <stddef.h>
#include <string.h>
#include <syslog.h>

#include "common/message-ids.h"

/* clang-format off */
static const struct history_type types[] = {
	{ "Repaired",    MESSAGE_ID_REPAIR,   LOG_NOTICE,  "Warning" },
	{ "Restored",    MESSAGE_ID_REPAIR,   LOG_NOTICE,  NULL },
	{ "Fight",       MESSAGE_ID_FIGHT,    LOG_WARNING, "Warning" },
	{ "FightEnded",  MESSAGE_ID_FIGHT,    LOG_NOTICE,  "Normal" },
	{ "Held",        MESSAGE_ID_HOLD,     LOG_NOTICE,  NULL },
	{ "Released",    MESSAGE_ID_HOLD,     LOG_NOTICE,  NULL },
	{ "Renewed",     MESSAGE_ID_RENEWAL,  LOG_NOTICE,  "Normal" },
	{ "ExpiresSoon", MESSAGE_ID_EXPIRY,   LOG_WARNING, "Warning" },
	{ "Expired",     MESSAGE_ID_EXPIRY,   LOG_WARNING, "Warning" },
	{ "Restarted",   MESSAGE_ID_RESTART,  LOG_NOTICE,  NULL },
	{ "Rotated",     MESSAGE_ID_TOKEN,    LOG_NOTICE,  "Normal" },
	{ "Created",     MESSAGE_ID_TOKEN,    LOG_NOTICE,  NULL },
	{ "Deleted",     MESSAGE_ID_TOKEN,    LOG_NOTICE,  NULL },
	{ "Burned",      MESSAGE_ID_TOKEN,    LOG_NOTICE,  NULL },
	{ "Moved",       MESSAGE_ID_EVICTION, LOG_NOTICE,  "Normal" },
	{ "Approved",    MESSAGE_ID_APPROVAL, LOG_NOTICE,  NULL },
	{ "Refused",     MESSAGE_ID_REFUSAL,  LOG_WARNING, "Warning" },
	{ "Healed",      MESSAGE_ID_IDENTITY, LOG_NOTICE,  "Normal" },
	/* The engine logs these itself, as transitions. */
	{ "Blocked",     MESSAGE_ID_TRANSITION, LOG_DEBUG, NULL },
	{ "Unblocked",   MESSAGE_ID_TRANSITION, LOG_DEBUG, NULL },
	{ "NodeReady",   MESSAGE_ID_TRANSITION, LOG_DEBUG, NULL },
	{ "NodeNotReady", MESSAGE_ID_TRANSITION, LOG_DEBUG, NULL },
	{ NULL,          MESSAGE_ID_HISTORY,  LOG_NOTICE,  NULL },
};
/* clang-format on */

const struct history_type *history_type_find(const char *type)
{
	const struct history_type *row = types;

	while (row->type && strcmp(row->type, type) != 0)
		row++;
	return row;
}
