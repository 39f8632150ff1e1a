# What the tree must look like. Each is one test of `make check`; none knows exceptions.
LINTS = \
	tests/lint/includes \
	tests/lint/shape \
	tests/lint/format
TESTS += $(LINTS)
dist_check_SCRIPTS += $(LINTS)
EXTRA_DIST += \
	common/may-include \
	pki/may-include \
	discovery/may-include \
	systemd/may-include \
	agentd/may-include \
	agentd/actions/may-include \
	agentd/cli/may-include \
	agentd/cri/may-include \
	agentd/engine/may-include \
	agentd/inputs/may-include \
	agentd/kube/may-include \
	agentd/manifests/may-include \
	agentd/resources/may-include \
	agentd/schema/may-include

.PHONY: lint
lint:
	$(MAKE) check TESTS="$(LINTS)"
