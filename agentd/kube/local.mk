noinst_LIBRARIES += libobjects.a
libobjects_a_SOURCES = \
	agentd/kube/apipath.c \
	agentd/kube/apipath.h \
	agentd/kube/cache.c \
	agentd/kube/cache.h \
	agentd/kube/client.c \
	agentd/kube/client.h \
	agentd/kube/etcd.c \
	agentd/kube/etcd.h \
	agentd/kube/fields.c \
	agentd/kube/fields.h \
	agentd/kube/lease.c \
	agentd/kube/lease.h \
	agentd/kube/mend.c \
	agentd/kube/names.h \
	agentd/kube/objects.c \
	agentd/kube/objects.h \
	agentd/kube/policy.c \
	agentd/kube/policy.h \
	agentd/kube/reply.c \
	agentd/kube/reply.h \
	agentd/kube/store.c \
	agentd/kube/store.h \
	agentd/kube/wait.c \
	agentd/kube/watch.c
