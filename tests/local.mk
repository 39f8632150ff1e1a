# One check program per folder, linked to the libraries; each has a .mk of its own beside its sources.
include tests/unit/common.mk
include tests/unit/loop.mk
include tests/unit/pki.mk
include tests/unit/discovery.mk
include tests/unit/systemd.mk
include tests/unit/schema.mk
include tests/unit/kube.mk
include tests/unit/engine.mk
include tests/unit/resources.mk
include tests/unit/agentd.mk
include tests/unit/varlink.mk
include tests/fuzz/local.mk
include tests/lint/local.mk
include tests/integration/local.mk
