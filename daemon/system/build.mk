# SPDX-License-Identifier: GPL-2.0-only
# What goes where on a system: make install with prefix, DESTDIR and the directories below.
# Old content, sockets and pins are in places of the system whatever the prefix.

prefix		?= /usr
bindir		?= $(prefix)/bin
sbindir		?= $(prefix)/sbin
libdir		?= $(prefix)/lib
includedir	?= $(prefix)/include
datadir		?= $(prefix)/share
mandir		?= $(datadir)/man
unitdir		?= $(prefix)/lib/systemd/system
rulesdir	?= $(prefix)/lib/udev/rules.d
sysusersdir	?= $(prefix)/lib/sysusers.d
INSTALL		?= install
put		= $(Q)$(INSTALL) -D -m

# Anew each time: prefix may be another one now.
$(B)/bpfsnapd.service: daemon/system/bpfsnapd.service.in FORCE
	$(call say,UNIT,$@)
	$(Q)mkdir -p $(@D)
	$(Q)sed 's,@sbindir@,$(sbindir),' $< > $@

install-daemon: $(B)/bpfsnapd $(B)/bpfsnapd.service
	$(put) 755 $(B)/bpfsnapd $(DESTDIR)$(sbindir)/bpfsnapd
	$(put) 644 $(B)/bpfsnapd.service $(DESTDIR)$(unitdir)/bpfsnapd.service
	$(put) 644 daemon/system/bpfsnapd.socket $(DESTDIR)$(unitdir)/bpfsnapd.socket
	$(put) 644 daemon/system/59-bpfsnap.rules $(DESTDIR)$(rulesdir)/59-bpfsnap.rules
	$(put) 644 daemon/system/bpfsnap.sysusers $(DESTDIR)$(sysusersdir)/bpfsnap.conf
	$(put) 644 daemon/system/bpfsnapd.conf $(DESTDIR)$(prefix)/lib/bpfsnap/bpfsnapd.conf
	$(put) 644 include/io.bpfsnap.varlink $(DESTDIR)$(datadir)/varlink/io.bpfsnap.varlink

install-command: $(B)/bpfsnap
	$(put) 755 $(B)/bpfsnap $(DESTDIR)$(bindir)/bpfsnap
	$(put) 644 daemon/cli/bpfsnap.bash $(DESTDIR)$(datadir)/bash-completion/completions/bpfsnap

install-man:
	$(Q)set -e; for page in docs/man/*.[0-9]; do \
		$(INSTALL) -D -m 644 $$page $(DESTDIR)$(mandir)/man$${page##*.}/$${page##*/}; \
	done

install: install-daemon install-command install-man ## under DESTDIR and prefix; then 'systemctl enable --now bpfsnapd'

.PHONY: FORCE install install-daemon install-command install-man
