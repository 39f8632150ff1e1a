noinst_LIBRARIES += libresources.a
libresources_a_SOURCES = \
	agentd/resources/preflight.c
