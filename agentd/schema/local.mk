noinst_LIBRARIES += libschema.a
libschema_a_SOURCES = \
	agentd/role.c \
	agentd/role.h \
	agentd/schema/schema.h
