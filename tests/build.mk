# SPDX-License-Identifier: GPL-2.0-only
# Rings of tests: unit (no root), bpf (this machine's kernel), vm (real kernels).

KERNELS	?= 6.1 6.12
VM	:= tests/vm
SCENARIOS ?= $(sort $(wildcard $(VM)/scenarios/*))

# A warning is an error here, where somebody mends it, and none where a user's DKMS builds the
# module.  The kernels' own headers have none.
LAB_FLAGS := W=1 KCFLAGS=-Werror

# The module for each kernel of the laboratory, and what tests load beside it.
vm-modules: ## the module for every kernel of KERNELS
	$(Q)set -e; for k in $(KERNELS); do \
		kdir=$$($(VM)/fetch --print KDIR $$k); \
		run=$$($(VM)/fetch --print RUN $$k); \
		$(MAKE) --no-print-directory module lab-module KDIR=$$kdir KMOD_RUN="$$run" \
			KMOD_FLAGS="$(LAB_FLAGS) $(KMOD_FLAGS)"; \
	done

lab-module:
	$(call say,KMOD,$(KRELEASE) lab_disk)
	$(Q)mkdir -p $(B)/lab/$(KRELEASE)
	$(Q)cp -rsf $(CURDIR)/$(VM)/modules/. $(B)/lab/$(KRELEASE)/
	$(Q)ln -sfn $(CURDIR)/kmod/compat $(B)/lab/$(KRELEASE)/compat
	$(Q)$(KMOD_RUN) $(MAKE) -s -C $(KDIR) M=$(abspath $(B)/lab/$(KRELEASE)) $(KMOD_FLAGS) modules

# Not of the headers of 7.x, which sparse can't read.
sparse: ## what sparse says about the module
	$(Q)$(MAKE) --no-print-directory module V=1 KDIR=$$($(VM)/fetch --print KDIR 6.12) \
		KMOD_FLAGS="$(LAB_FLAGS) C=2 CF=-D__CHECK_ENDIAN__"

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

# As a user of the installed library would build it, and for guests without that.
$(B)/docs/backup: docs/examples/backup.c $(B)/lib/$(LIB_FILE)
	$(call say,CC,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) -Wall -Wextra -Iinclude $(CFLAGS) -o $@ $< -L$(B)/lib -lbpfsnap

$(B)/tests/bin/backup-example: docs/examples/backup.c $(B)/lib/libbpfsnap.a
	$(call say,CC,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) -Iinclude $(CFLAGS) -o $@ $^ $(shell pkg-config --libs json-c) -pthread

$(B)/tests/bin/libcalls: tests/tools/libcalls.c $(B)/lib/libbpfsnap.a
	$(call say,CC,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(CPPFLAGS) $(CFLAGS) -o $@ $^ $(shell pkg-config --libs json-c) -pthread

tools: $(B)/tests/bin/backup-example

# What they run is built before, so that rings beside each other build nothing.
BPF_PROGRAMS := $(B)/tests/bpf/t_track $(B)/docs/histogram $(B)/docs/backup $(B)/tests/tsan/bpfsnapd
test-programs: $(BPF_PROGRAMS)

bpf-check: all tools $(BPF_PROGRAMS) ## tracking without the module on this machine's kernel (root)
	$(Q)$(B)/tests/bpf/t_track || [ $$? -eq 77 ]
	$(Q)for s in tests/bpf/tracking tests/bpf/renumber tests/bpf/killed tests/bpf/in-flight tests/bpf/inspection tests/bpf/command tests/bpf/library tests/bpf/clients \
		tests/bpf/errors tests/bpf/access tests/manual/host; do \
		rc=0; tests/bpf/host $$s || rc=$$?; [ $$rc -eq 0 ] || [ $$rc -eq 77 ] || exit 1; \
	done
	$(Q)BPFSNAPD="setarch -R $(CURDIR)/$(B)/tests/tsan/bpfsnapd" growth_kib=400000 patience_ms=2000 \
		longest_ms=10000 tests/bpf/host tests/bpf/clients || [ $$? -eq 77 ]

$(B)/tests/bpf/t_track: tests/bpf/t_track.c $(B)/bpf/track.skel.h
	$(call say,CC,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(CPPFLAGS) $(CFLAGS) -MMD -MP -o $@ $< -lcmocka -lbpf

bench-bpf: all tools ## what tracking costs on this machine, by the kernel's own statistics (root)
	$(Q)tests/bpf/host tests/bench/bpf-cost

# bench CELLS=touch MEDIA=nvme STORAGE=ext4 SUBJECTS=bpfsnap REPEAT=2 RESULT=file: docs/BENCHMARKS.md
BENCH_KERNEL = $(lastword $(KERNELS))
BENCH	= tests/bench/bench
RESULT	?= $(B)/bench.json
bench_options = --kernel $(BENCH_KERNEL) --cells '$(CELLS)' --subjects '$(SUBJECTS)' \
	--media $(or $(MEDIA),memory) --storage $(or $(STORAGE),disk) --repeat $(or $(REPEAT),1) --via '$(VIA)'

bench: all tools vm-modules ## beside the raw disk and peers, in virtual time, on the last of KERNELS
	$(Q)$(BENCH) run $(RESULT) $(bench_options)
	$(Q)$(if $(CELLS),,$(BENCH) run $(RESULT) --mode costs $(bench_options))
	$(Q)$(BENCH) table $(RESULT)
	$(Q)$(BENCH) svg $(RESULT) $(RESULT:.json=.svg)

bench-wall: all tools vm-modules ## contention and draining, in wall time on two cpus
	$(Q)$(BENCH) run $(RESULT) --mode wall $(bench_options)
	$(Q)$(BENCH) table $(RESULT)

bench-native: all tools ## questions about changes and calls on this machine's kernel (root)
	$(Q)$(BENCH) run $(RESULT) --mode native
	$(Q)$(BENCH) run $(RESULT) --mode bpf
	$(Q)$(BENCH) table $(RESULT)

bench-profile: all tools vm-modules $(B)/count-insns.so ## where the instructions of the cells go
	$(Q)tests/bench/count $(BENCH_KERNEL) $(B)/count-insns.so "$(VIA)"

bench-selftest: all tools vm-modules ## would the bench notice 200 instructions?
	$(Q)tests/bench/selftest $(BENCH_KERNEL) '$(VIA)'

$(B)/count-insns.so: tests/bench/count-insns.c
	$(call say,CC,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS) -shared -fPIC -fvisibility=hidden -o $@ $<

# KERNELS=debug runs everything else in it, too.
torture: all tools ## faults, races and deaths in a kernel that tells; MINUTES=60 for longer (builds that kernel first)
	$(Q)$(MAKE) --no-print-directory vm-modules KERNELS=debug
	$(Q)tests/torture/run
	$(Q)tests/torture/crash

check: deps ## all tests, in VMs where they need the module
	$(Q)tests/check

check-long: deps all vm-modules tools ## the long forms of scenarios on KERNELS, for hours
	$(Q)tests/vm/check-long $(KERNELS)

demo: deps ## the main job on real input: live incremental backup of ext4 under load
	$(Q)tests/demo/run $(if $(filter 1,$(HOST)),--host,$(KERNELS))

shell: all vm-modules tools ## a shell in a VM of the first of KERNELS with everything loaded
	$(Q)$(VM)/run --shell $(firstword $(KERNELS)) $(VM)/scenarios/00-empty

-include tests/fuzz/build.mk

.PHONY: vm-modules lab-module sparse tools bench bench-bpf bench-wall bench-native bench-profile bench-selftest torture
-include $(wildcard $(B)/tests/bpf/*.d $(B)/tests/tools/*.d $(B)/tests/tools/*/*.d)

RELEASES ?= bookworm trixie
deb: ## Debian packages, in build/deb
	$(Q)DEB_BUILD_OPTIONS="$${DEB_BUILD_OPTIONS-nocheck}" tests/packages/build

check-packages: deps deb ## do the packages install and work on clean Debian systems? (root, QEMU)
	$(Q)lintian --fail-on error build/deb/*.changes
	$(Q)tests/bpf/host tests/packages/varlink
	$(Q)set -e; for r in $(RELEASES); do tests/packages/check $$r; done

.PHONY: deb check-packages
