# Completion for bash, made of agentctl's tables by `make completion`; tests/integration fails where
# it is out of date.
bashcompletiondir = $(datadir)/bash-completion/completions
dist_bashcompletion_DATA = contrib/completion/agentctl

.PHONY: completion
completion: agentd/cli/agentctl
	$(AM_V_GEN)agentd/cli/agentctl help --completion >$(top_srcdir)/contrib/completion/agentctl
