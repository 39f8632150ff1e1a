# Programs as a whole, driven by pytest; each file of tests is one test of `make check`, which skips
# it where pytest is missing.
TEST_EXTENSIONS = .py
PY_LOG_COMPILER = $(top_srcdir)/tests/integration/pytest
AM_TESTS_ENVIRONMENT = \
	AGENTD_BUILD='$(abs_top_builddir)'; export AGENTD_BUILD; \
	PYTHON='$(PYTHON)'; export PYTHON;
INTEGRATION_TESTS = \
	tests/integration/test_agentctl.py \
	tests/integration/test_cri.py \
	tests/integration/test_discovery.py \
	tests/integration/test_fake_systemd.py \
	tests/integration/test_http.py \
	tests/integration/test_kills.py \
	tests/integration/test_kube.py \
	tests/integration/test_kube_half_open.py \
	tests/integration/test_pki_golden.py \
	tests/integration/test_role_verdicts.py \
	tests/integration/test_socket.py \
	tests/integration/test_unit_file.py
TESTS += $(INTEGRATION_TESTS)
EXTRA_DIST += $(INTEGRATION_TESTS) tests/integration/pytest tests/integration/conftest.py \
	tests/golden/pki/ecdsa-ipv6.txt \
	tests/golden/pki/ecdsa-ipv6.yaml \
	tests/golden/pki/ecdsa-p384.txt \
	tests/golden/pki/ecdsa-p384.yaml \
	tests/golden/pki/rsa.txt \
	tests/golden/pki/rsa.yaml

check_PROGRAMS += tests/integration/pki-probe
tests_integration_pki_probe_SOURCES = tests/integration/pki-probe.c
tests_integration_pki_probe_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_integration_pki_probe_LDADD = libpki.a libcommon.a $(DEPS_LIBS)

check_PROGRAMS += tests/integration/http-probe
tests_integration_http_probe_SOURCES = tests/integration/http-probe.c
tests_integration_http_probe_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_integration_http_probe_LDADD = libcommon.a $(DEPS_LIBS)

check_PROGRAMS += tests/integration/discover-probe
tests_integration_discover_probe_SOURCES = tests/integration/discover-probe.c
tests_integration_discover_probe_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_integration_discover_probe_LDADD = libdiscovery.a libpki.a libcommon.a $(DEPS_LIBS)

check_PROGRAMS += tests/integration/role-probe
tests_integration_role_probe_SOURCES = tests/integration/role-probe.c
tests_integration_role_probe_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_integration_role_probe_LDADD = libschema.a libdiscovery.a libpki.a libcommon.a $(DEPS_LIBS)

EXTRA_DIST += tests/integration/controlprobe.py tests/integration/varlink.py tests/golden/agentctl
check_PROGRAMS += tests/integration/control-probe
tests_integration_control_probe_SOURCES = tests/integration/control-probe.c
tests_integration_control_probe_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_integration_control_probe_LDADD = libinputs.a libsysd.a libcommon.a $(DEPS_LIBS)

check_PROGRAMS += tests/integration/kube-probe
tests_integration_kube_probe_SOURCES = tests/integration/kube-probe.c
tests_integration_kube_probe_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_integration_kube_probe_LDADD = libobjects.a libcommon.a $(DEPS_LIBS)

check_PROGRAMS += tests/integration/dns-probe
tests_integration_dns_probe_SOURCES = tests/integration/dns-probe.c
tests_integration_dns_probe_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_integration_dns_probe_LDADD = $(AGENTD_LIBS) $(AGENTD_LIBS) $(DEPS_LIBS)
EXTRA_DIST += \
	tests/fake/apiserver.py \
	tests/fake/README \
	tests/fake/fakecluster.py \
	tests/fake/fakecontrollers.py \
	tests/fake/fakecri.py \
	tests/fake/fakefields.py \
	tests/fake/fakehttp.py \
	tests/fake/fakepki.py \
	tests/fake/fakerbac.py \
	tests/fake/fakestore.py \
	tests/fake/faketls.py \
	tests/integration/killworker.py \
	tests/integration/killworld.py \
	tests/integration/kubepolicies.py \
	tests/integration/kubeprobe.py

# On a real API server: they need the lab's programs, so tests/run runs them and make check does not.
EXTRA_DIST += \
	tests/integration/realapi.py \
	tests/integration/test_dns_real.py \
	tests/integration/test_fake_apiserver.py \
	tests/integration/test_kube_real.py
