noinst_LIBRARIES += libengine.a
libengine_a_SOURCES = \
	agentd/engine/engine.c agentd/engine/engine.h \
	agentd/engine/fight.c agentd/engine/fight.h \
	agentd/engine/hold.c \
	agentd/engine/holds.c agentd/engine/holds.h \
	agentd/engine/ledger.c agentd/engine/ledger.h \
	agentd/engine/order.c agentd/engine/order.h \
	agentd/engine/report.c agentd/engine/report.h \
	agentd/engine/resource.c agentd/engine/resource.h \
	agentd/engine/state.h \
	agentd/engine/tasks.c \
	agentd/engine/triggers.c
