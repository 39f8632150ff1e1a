# Fuzz targets: fuzzers with --enable-fuzzer CC=clang, replays of their corpus in `make check`
# otherwise. A new target NAME: its name in the list, the lines of one of the others, and seeds in
# corpus/NAME/.
EXTRA_DIST += tests/fuzz/corpus
FUZZ_CPPFLAGS = $(AM_CPPFLAGS) -DCORPUS_DIRECTORY
FUZZ_TARGETS = \
	tests/fuzz/fuzz-clusterinfo \
	tests/fuzz/fuzz-json \
	tests/fuzz/fuzz-kubeconfig \
	tests/fuzz/fuzz-pem \
	tests/fuzz/fuzz-role \
	tests/fuzz/fuzz-varlink \
	tests/fuzz/fuzz-yaml
if FUZZER
noinst_PROGRAMS += $(FUZZ_TARGETS)
FUZZ_MAIN =
FUZZ_LDFLAGS = $(AM_LDFLAGS) -fsanitize=fuzzer
else
check_PROGRAMS += $(FUZZ_TARGETS)
TESTS += $(FUZZ_TARGETS)
FUZZ_MAIN = tests/fuzz/replay.c
FUZZ_LDFLAGS = $(AM_LDFLAGS)
endif
EXTRA_DIST += tests/fuzz/replay.c

tests_fuzz_fuzz_yaml_SOURCES = tests/fuzz/fuzz-yaml.c tests/fuzz/fuzz.h $(FUZZ_MAIN)
tests_fuzz_fuzz_yaml_CPPFLAGS = $(FUZZ_CPPFLAGS)='"$(abs_top_srcdir)/tests/fuzz/corpus/yaml"'
tests_fuzz_fuzz_yaml_LDFLAGS = $(FUZZ_LDFLAGS)
tests_fuzz_fuzz_yaml_LDADD = libcommon.a $(DEPS_LIBS)

tests_fuzz_fuzz_json_SOURCES = tests/fuzz/fuzz-json.c tests/fuzz/fuzz.h $(FUZZ_MAIN)
tests_fuzz_fuzz_json_CPPFLAGS = $(FUZZ_CPPFLAGS)='"$(abs_top_srcdir)/tests/fuzz/corpus/json"'
tests_fuzz_fuzz_json_LDFLAGS = $(FUZZ_LDFLAGS)
tests_fuzz_fuzz_json_LDADD = libcommon.a $(DEPS_LIBS)

tests_fuzz_fuzz_role_SOURCES = tests/fuzz/fuzz-role.c tests/fuzz/fuzz.h $(FUZZ_MAIN)
tests_fuzz_fuzz_role_CPPFLAGS = $(FUZZ_CPPFLAGS)='"$(abs_top_srcdir)/tests/fuzz/corpus/role"'
tests_fuzz_fuzz_role_LDFLAGS = $(FUZZ_LDFLAGS)
tests_fuzz_fuzz_role_LDADD = libschema.a libdiscovery.a libpki.a libcommon.a $(DEPS_LIBS)

tests_fuzz_fuzz_clusterinfo_SOURCES = tests/fuzz/fuzz-clusterinfo.c tests/fuzz/fuzz.h $(FUZZ_MAIN)
tests_fuzz_fuzz_clusterinfo_CPPFLAGS = $(FUZZ_CPPFLAGS)='"$(abs_top_srcdir)/tests/fuzz/corpus/clusterinfo"'
tests_fuzz_fuzz_clusterinfo_LDFLAGS = $(FUZZ_LDFLAGS)
tests_fuzz_fuzz_clusterinfo_LDADD = libdiscovery.a libpki.a libcommon.a $(DEPS_LIBS)

tests_fuzz_fuzz_kubeconfig_SOURCES = tests/fuzz/fuzz-kubeconfig.c tests/fuzz/fuzz.h $(FUZZ_MAIN)
tests_fuzz_fuzz_kubeconfig_CPPFLAGS = $(FUZZ_CPPFLAGS)='"$(abs_top_srcdir)/tests/fuzz/corpus/kubeconfig"'
tests_fuzz_fuzz_kubeconfig_LDFLAGS = $(FUZZ_LDFLAGS)
tests_fuzz_fuzz_kubeconfig_LDADD = libdiscovery.a libpki.a libcommon.a $(DEPS_LIBS)

tests_fuzz_fuzz_pem_SOURCES = tests/fuzz/fuzz-pem.c tests/fuzz/fuzz.h $(FUZZ_MAIN)
tests_fuzz_fuzz_pem_CPPFLAGS = $(FUZZ_CPPFLAGS)='"$(abs_top_srcdir)/tests/fuzz/corpus/pem"'
tests_fuzz_fuzz_pem_LDFLAGS = $(FUZZ_LDFLAGS)
tests_fuzz_fuzz_pem_LDADD = libpki.a libcommon.a $(DEPS_LIBS)

tests_fuzz_fuzz_varlink_SOURCES = tests/fuzz/fuzz-varlink.c tests/fuzz/fuzz.h $(FUZZ_MAIN)
tests_fuzz_fuzz_varlink_CPPFLAGS = $(FUZZ_CPPFLAGS)='"$(abs_top_srcdir)/tests/fuzz/corpus/varlink"'
tests_fuzz_fuzz_varlink_LDFLAGS = $(FUZZ_LDFLAGS)
tests_fuzz_fuzz_varlink_LDADD = libinputs.a libcommon.a $(DEPS_LIBS)
