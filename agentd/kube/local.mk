noinst_LIBRARIES += libobjects.a
libobjects_a_SOURCES = \
	agentd/kube/client.c \
	agentd/kube/client.h \
	agentd/kube/cache.c \
	agentd/kube/cache.h \
	agentd/kube/objects.c \
	agentd/kube/objects.h
