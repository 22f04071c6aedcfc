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
	$(Q)$(KMOD_RUN) $(MAKE) $(if $(filter 1,$(V)),,-s) -C $(KDIR) M=$(abspath $(B)/kmod/$(KRELEASE)) BPFSNAP_INCLUDE=$(CURDIR)/include \
		BPFSNAP_VERSION=$(VERSION) $(KMOD_FLAGS) modules

# What DKMS builds the module from, where it is used.
DKMS_TREE	= $(DESTDIR)/usr/src/bpfsnap-$(VERSION)
install-dkms: ## the module's source for DKMS; then 'dkms install bpfsnap/VERSION'
	$(Q)set -e; for f in $$(cd kmod && find . -name '*.[ch]' -o -name 'Kbuild*'); do \
		install -D -m 644 kmod/$$f $(DKMS_TREE)/kmod/$$f; done
	$(Q)set -e; for f in uapi/bpfsnap.h bpfsnap_switch.h bpfsnap_track.h; do \
		install -D -m 644 include/$$f $(DKMS_TREE)/include/$$f; done
	$(Q)sed 's/@version@/$(VERSION)/' kmod/dkms.conf.in > $(DKMS_TREE)/dkms.conf

.PHONY: install-dkms
