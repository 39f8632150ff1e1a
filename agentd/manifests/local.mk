MANIFESTS = \
	$(top_srcdir)/agentd/manifests/agentd.yaml \
	$(top_srcdir)/agentd/manifests/coredns.yaml \
	$(top_srcdir)/agentd/manifests/etcd.yaml \
	$(top_srcdir)/agentd/manifests/kube-apiserver.yaml \
	$(top_srcdir)/agentd/manifests/kube-controller-manager.yaml \
	$(top_srcdir)/agentd/manifests/kube-proxy.yaml \
	$(top_srcdir)/agentd/manifests/kube-scheduler.yaml \
	$(top_srcdir)/agentd/manifests/rbac.yaml

noinst_LIBRARIES += libmanifests.a
libmanifests_a_SOURCES = \
	agentd/manifests/render.c agentd/manifests/render.h \
	agentd/manifests/static_pods.c agentd/manifests/static_pods.h
nodist_libmanifests_a_SOURCES = agentd/manifests/embedded.c

agentd/manifests/embedded.c: $(MANIFESTS) $(top_srcdir)/agentd/manifests/embed
	$(AM_V_GEN)$(MKDIR_P) agentd/manifests && \
	$(PYTHON) $(top_srcdir)/agentd/manifests/embed $(MANIFESTS) > $@.tmp && mv $@.tmp $@

BUILT_SOURCES += agentd/manifests/embedded.c
CLEANFILES += agentd/manifests/embedded.c
EXTRA_DIST += agentd/manifests/embed $(MANIFESTS)
