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
