# SPDX-License-Identifier: GPL-2.0-only
# Hands the module to Kbuild.  Kbuild writes beside its sources, so it gets a
# farm of links to them in build/, one for each kernel release.  KMOD_RUN is put before
# the command: kernel headers may want another compiler than this machine has.

KRELEASE = $(shell sed -n 's/.*UTS_RELEASE "\(.*\)"/\1/p' $(KDIR)/include/generated/utsrelease.h 2>/dev/null)

module: ## the kernel module for KDIR
	$(call say,KMOD,$(KRELEASE))
	$(Q)test -n "$(KRELEASE)" || { echo "no kernel headers in KDIR=$(KDIR)"; exit 1; }
	$(Q)mkdir -p $(B)/kmod/$(KRELEASE)
	$(Q)cp -rsf $(CURDIR)/kmod/. $(B)/kmod/$(KRELEASE)/
	$(Q)$(KMOD_RUN) $(MAKE) -s -C $(KDIR) M=$(abspath $(B)/kmod/$(KRELEASE)) BPFSNAP_INCLUDE=$(CURDIR)/include $(KMOD_FLAGS) modules
