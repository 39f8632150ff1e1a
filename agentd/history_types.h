/* The table of types of history entries: how each is told to the journal and to the cluster. */
#pragma once

struct history_type {
	const char *type;	/* "Repaired" */
	const char *message_id; /* common/message-ids.h */
	int level;		/* syslog's */
	/* Type of the Event on the Node, "Normal" or "Warning"; NULL = no Event. */
	const char *event;
};

/* Never NULL: a type that is not in the table is told as any other entry. */
const struct history_type *history_type_find(const char *type);
