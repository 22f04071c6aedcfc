# SPDX-License-Identifier: GPL-2.0-only
# Rings of tests: unit (no root), bpf (this machine's kernel), vm (real kernels).

KERNELS	?= 6.1 6.12
VM	:= tests/vm
SCENARIOS ?= $(sort $(wildcard $(VM)/scenarios/*))

# The module for each kernel of the laboratory, and what tests load beside it.
vm-modules: ## the module for every kernel of KERNELS
	$(Q)set -e; for k in $(KERNELS); do \
		kdir=$$($(VM)/fetch --print KDIR $$k); \
		run=$$($(VM)/fetch --print RUN $$k); \
		$(MAKE) --no-print-directory module lab-module KDIR=$$kdir KMOD_RUN="$$run"; \
	done

lab-module:
	$(call say,KMOD,$(KRELEASE) lab_disk)
	$(Q)mkdir -p $(B)/lab/$(KRELEASE)
	$(Q)cp -rsf $(CURDIR)/$(VM)/modules/. $(B)/lab/$(KRELEASE)/
	$(Q)ln -sfn $(CURDIR)/kmod/compat $(B)/lab/$(KRELEASE)/compat
	$(Q)$(KMOD_RUN) $(MAKE) -s -C $(KDIR) M=$(abspath $(B)/lab/$(KRELEASE)) modules

# A tool is one file, or a folder of files that may talk to the daemon.
TOOL_FOLDERS := $(filter-out lib,$(notdir $(patsubst %/,%,$(wildcard tests/tools/*/))))

tools: $(patsubst tests/tools/%.c,$(B)/tests/bin/%,$(wildcard tests/tools/*.c)) \
	$(TOOL_FOLDERS:%=$(B)/tests/bin/%)

$(B)/tests/bin/%: tests/tools/%.c
	$(call say,CC,$@)
	$(Q)mkdir -p $(@D) $(B)/tests/tools
	$(Q)$(CC) $(CPPFLAGS) $(CFLAGS) -MMD -MP -MF $(B)/tests/tools/$*.d -o $@ $<

$(B)/tests/tools/%.o: tests/tools/%.c
	$(call say,CC,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(CPPFLAGS) $(shell pkg-config --cflags json-c) $(CFLAGS) -MMD -MP -c -o $@ $<

define tool_folder
$(B)/tests/bin/$(1): $(B)/daemon/cli/client.o \
	$(patsubst %.c,$(B)/%.o,$(wildcard tests/tools/$(1)/*.c tests/tools/lib/*.c))
	$$(call say,LD,$$@)
	$$(Q)mkdir -p $$(@D)
	$$(Q)$$(CC) $$(CFLAGS) $$(LDFLAGS) -o $$@ $$^ -pthread $$(shell pkg-config --libs json-c)
endef
$(foreach folder,$(TOOL_FOLDERS),$(eval $(call tool_folder,$(folder))))

vm-check: all vm-modules tools ## the scenarios of tests/vm on KERNELS
	$(Q)set -e; for k in $(KERNELS); do for s in $(SCENARIOS); do $(VM)/run $$k $$s; done; done

# The examples of docs/, built as their first comment says.
$(B)/docs/%: docs/examples/%.c
	$(call say,CC,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) -Iinclude $(CFLAGS) -o $@ $< -lbpf

bpf-check: all tools $(B)/tests/bpf/t_track $(B)/docs/histogram ## tracking without the module on this machine's kernel (root)
	$(Q)$(B)/tests/bpf/t_track || [ $$? -eq 77 ]
	$(Q)for s in tracking inspection command; do \
		rc=0; tests/bpf/host tests/bpf/$$s || rc=$$?; [ $$rc -eq 0 ] || [ $$rc -eq 77 ] || exit 1; \
	done

$(B)/tests/bpf/t_track: tests/bpf/t_track.c $(B)/bpf/track.skel.h
	$(call say,CC,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(CPPFLAGS) $(CFLAGS) -MMD -MP -o $@ $< -lcmocka -lbpf

bench-bpf: all tools ## what tracking costs on this machine, by the kernel's own statistics (root)
	$(Q)tests/bpf/host tests/bench/bpf-cost

bench: all tools vm-modules ## how much longer the ways of a write and a read are, in virtual time
	$(Q)set -e; for k in $(KERNELS); do $(VM)/run $$k tests/bench/path-length; done

check: deps ## all tests, in VMs where they need the module
	$(Q)tests/check

demo: deps ## the main job on real input: live incremental backup of ext4 under load
	$(Q)tests/demo/run $(if $(filter 1,$(HOST)),--host,$(KERNELS))

shell: all vm-modules tools ## a shell in a VM of the first of KERNELS with everything loaded
	$(Q)$(VM)/run --shell $(firstword $(KERNELS)) $(VM)/scenarios/00-empty

-include tests/fuzz/build.mk

.PHONY: vm-modules lab-module tools bench bench-bpf
-include $(wildcard $(B)/tests/bpf/*.d $(B)/tests/tools/*.d $(B)/tests/tools/*/*.d)
