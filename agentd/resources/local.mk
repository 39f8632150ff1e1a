noinst_LIBRARIES += libresources.a
libresources_a_SOURCES = \
	agentd/resources/addons.c \
	agentd/resources/apiserver.c \
	agentd/resources/bootstrap.c \
	agentd/resources/bootstrap.h \
	agentd/resources/certificates.c \
	agentd/resources/clock.c \
	agentd/resources/cluster_config.c \
	agentd/resources/discovery.c \
	agentd/resources/etcd_member.c \
	agentd/resources/files.c \
	agentd/resources/files.h \
	agentd/resources/issue.c \
	agentd/resources/issue.h \
	agentd/resources/kubeconfigs.c \
	agentd/resources/kubelet_config.c \
	agentd/resources/kubelet_files.c \
	agentd/resources/kubelet_files.h \
	agentd/resources/kubelet_identity.c \
	agentd/resources/kubelet_unit.c \
	agentd/resources/identity_rules.c \
	agentd/resources/identity_rules.h \
	agentd/resources/node.c \
	agentd/resources/node_identity.c \
	agentd/resources/node_move.c \
	agentd/resources/object.c \
	agentd/resources/object.h \
	agentd/resources/preflight.c \
	agentd/resources/runtime.c \
	agentd/resources/static_pods.c \
	agentd/resources/token_secret.c \
	agentd/resources/token_secret.h \
	agentd/resources/tokens.c
