# Manual pages: NAME.in beside each, with the version put in. A new page: a line in the list.
MANUAL_PAGES = \
	man/agentctl.1 \
	man/agentd.8 \
	man/agentd.role.5
man_MANS += $(MANUAL_PAGES)
EXTRA_DIST += $(MANUAL_PAGES:%=%.in)
CLEANFILES += $(MANUAL_PAGES)

$(MANUAL_PAGES): %: %.in Makefile
	$(AM_V_GEN)$(MKDIR_P) man && \
	$(SED) -e 's|[@]PACKAGE_VERSION[@]|$(PACKAGE_VERSION)|g' $< >$@.tmp && mv $@.tmp $@
