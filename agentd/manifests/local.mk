noinst_LIBRARIES += libmanifests.a
libmanifests_a_SOURCES = \
	agentd/manifests/render.c \
	agentd/manifests/render.h
