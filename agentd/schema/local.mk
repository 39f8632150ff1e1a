noinst_LIBRARIES += libschema.a
libschema_a_SOURCES = \
	agentd/role.c \
	agentd/role.h \
	agentd/schema/checks.c \
	agentd/schema/checks.h \
	agentd/schema/component.c \
	agentd/schema/component.h \
	agentd/schema/cluster.c \
	agentd/schema/cluster_document.c \
	agentd/schema/complete.c \
	agentd/schema/detect.c \
	agentd/schema/detect.h \
	agentd/schema/documents.c \
	agentd/schema/encode.c \
	agentd/schema/explain.c \
	agentd/schema/explain.h \
	agentd/schema/follow.c \
	agentd/schema/init.c \
	agentd/schema/join.c \
	agentd/schema/kube_proxy_config.c \
	agentd/schema/kubelet_config.c \
	agentd/schema/parts.c \
	agentd/schema/policy.c \
	agentd/schema/print.c \
	agentd/schema/schema.h \
	agentd/versions.c \
	agentd/versions.h
