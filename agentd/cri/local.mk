# The messages are generated. `linux` is a field of theirs and a macro of GNU C, hence -Ulinux.
noinst_LIBRARIES += libcri.a
libcri_a_SOURCES = \
	agentd/cri/cri.c \
	agentd/cri/cri.h \
	agentd/cri/grpc.c \
	agentd/cri/grpc.h
nodist_libcri_a_SOURCES = agentd/cri/api.pb-c.c agentd/cri/api.pb-c.h
libcri_a_CPPFLAGS = $(AM_CPPFLAGS) -Ulinux
EXTRA_DIST += agentd/cri/README agentd/cri/api.proto
BUILT_SOURCES += agentd/cri/api.pb-c.h
CLEANFILES += agentd/cri/api.pb-c.c agentd/cri/api.pb-c.h

agentd/cri/api.pb-c.c: $(top_srcdir)/agentd/cri/api.proto
	$(AM_V_GEN)$(MKDIR_P) agentd/cri && \
	$(PROTOC_C) --proto_path=$(top_srcdir) --c_out=$(top_builddir) agentd/cri/api.proto
agentd/cri/api.pb-c.h: agentd/cri/api.pb-c.c
