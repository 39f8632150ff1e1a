noinst_LIBRARIES += libdiscovery.a
libdiscovery_a_SOURCES = \
	discovery/token.c \
	discovery/token.h \
	discovery/jws.c \
	discovery/jws.h \
	discovery/kubeconfig.c \
	discovery/kubeconfig.h \
	discovery/clusterinfo.c \
	discovery/clusterinfo.h \
	discovery/discover.c \
	discovery/discover.h
EXTRA_DIST += discovery/README
