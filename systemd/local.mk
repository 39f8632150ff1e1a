noinst_LIBRARIES += libsysd.a
libsysd_a_SOURCES = \
	systemd/bus.c \
	systemd/bus.h \
	systemd/bus-internal.h \
	systemd/unit.c \
	systemd/unit.h \
	systemd/unit-job.c \
	systemd/notify.c \
	systemd/notify.h

# What systemd reads. Directories that configure keeps as ${prefix}/… are known only to make.
systemdsystemunit_DATA = systemd/units/agentd.service
tmpfiles_DATA = systemd/units/tmpfiles.d/agentd.conf
sysusers_DATA = systemd/units/sysusers.d/agentd.conf
EXTRA_DIST += systemd/README systemd/units/agentd.service.in $(tmpfiles_DATA) $(sysusers_DATA)
CLEANFILES += systemd/units/agentd.service

systemd/units/agentd.service: systemd/units/agentd.service.in Makefile
	$(AM_V_GEN)$(MKDIR_P) $(@D) && \
	$(SED) -e 's|@sbindir[@]|$(sbindir)|g' -e 's|@tmpfilesdir[@]|$(tmpfilesdir)|g' \
		$(top_srcdir)/systemd/units/agentd.service.in >$@.tmp && mv $@.tmp $@

# On a live system the group, the directories and PID 1's view of the unit are brought up to date;
# a package or an image does this itself.
install-data-hook:
	@if test -z "$(DESTDIR)" && test "`id -u`" = 0 && test -d /run/systemd/system; then \
		case "$(prefix)" in /usr|/usr/local) \
			set -x && systemd-sysusers "$(sysusersdir)/agentd.conf" && \
			systemd-tmpfiles --create "$(tmpfilesdir)/agentd.conf" && \
			systemctl daemon-reload ;; \
		esac; \
	fi
