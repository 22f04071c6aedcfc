# SPDX-License-Identifier: GPL-2.0-only
# bpfsnapd, the daemon.

# The client library of the command lives here too (daemon/cli/build.mk).
DAEMON_SRC	:= $(filter-out daemon/client.c,$(wildcard daemon/*.c))
DAEMON_OBJ	:= $(DAEMON_SRC:daemon/%.c=$(B)/daemon/%.o)
DAEMON_PKGS	:= libbpf json-c uuid libkmod mount devmapper libsystemd
DAEMON_CFLAGS	= $(shell pkg-config --cflags $(DAEMON_PKGS))
DAEMON_LIBS	= $(shell pkg-config --libs $(DAEMON_PKGS))

$(B)/bpfsnapd: $(DAEMON_OBJ)
	$(call say,LD,$@)
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $^ $(DAEMON_LIBS)

$(DAEMON_OBJ): $(B)/daemon/%.o: daemon/%.c
	$(call say,CC,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(CPPFLAGS) $(DAEMON_CFLAGS) $(CFLAGS) -MMD -MP -c $< -o $@

# Each line of the interface becomes one C string.
$(B)/daemon/interface_text.h: include/io.bpfsnap.varlink
	$(call say,TEXT,$@)
	$(Q)mkdir -p $(@D)
	$(Q)sed -e 's/[\\"]/\\&/g' -e 's/.*/"&\\n"/' $< > $@

$(B)/daemon/interface.o: $(B)/daemon/interface_text.h
$(B)/daemon/tracker_load.o: $(B)/bpf/track.skel.h

-include $(DAEMON_OBJ:.o=.d)
