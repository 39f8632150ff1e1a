# What the tree must look like. Each is one test of `make check`; none knows exceptions.
LINTS = \
	tests/lint/includes \
	tests/lint/shape \
	tests/lint/format \
	tests/lint/banned \
	tests/lint/docs
TESTS += $(LINTS)
dist_check_SCRIPTS += $(LINTS)
EXTRA_DIST += .clang-tidy tests/lint/README \
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

check_PROGRAMS += tests/lint/tables
tests_lint_tables_SOURCES = tests/lint/tables.c
tests_lint_tables_LDADD = $(AGENTD_LIBS) $(DEPS_LIBS)

.PHONY: lint
lint: all tests/lint/tables
	@AGENTD_BUILD='$(abs_top_builddir)'; export AGENTD_BUILD; failed=0; for lint in $(LINTS); do $(top_srcdir)/$$lint || test $$? = 77 || failed=1; done; exit $$failed

# Two more readers of the code, slower and sometimes wrong, so not part of `make check`.
TIDY_FIND = find common pki discovery systemd agentd -name '*.c'
TIDY_FLAGS = $(DEFS) -iquote . -iquote $(abs_top_builddir) $(DEPS_CFLAGS) $(SMARTCOLS_CFLAGS)

.PHONY: tidy cppcheck
tidy: $(BUILT_SOURCES)
	cd $(top_srcdir) && $(TIDY_FIND) | sort | xargs -n 8 -P 2 sh -c 'clang-tidy --quiet "$$@" -- \
		-std=gnu17 -D_GNU_SOURCE -Ulinux -DOPENSSL_API_COMPAT=30000 $(TIDY_FLAGS)' sh

cppcheck: $(BUILT_SOURCES)
	cd $(top_srcdir) && $(TIDY_FIND) | sort | cppcheck --file-list=- --quiet --std=c11 \
		--enable=warning,performance,portability --inline-suppr --error-exitcode=1 \
		--suppress=internalAstError --suppress=missingInclude --suppress=ctuuninitvar \
		--suppress=zerodivcond -D_GNU_SOURCE -I.
