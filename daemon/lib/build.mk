# SPDX-License-Identifier: GPL-2.0-only
# libbpfsnap: shared and static, with what the command uses to talk to the daemon
# (daemon/client.c) inside and hidden.

LIB_MAJOR	:= 0
LIB_SONAME	:= libbpfsnap.so.$(LIB_MAJOR)
LIB_FILE	:= libbpfsnap.so.$(VERSION)
LIB_OBJ		:= $(patsubst %.c,$(B)/lib/%.o,$(notdir $(wildcard daemon/lib/*.c) daemon/client.c))
LIB_JSON	= $(shell pkg-config --cflags json-c)

all: $(B)/lib/$(LIB_FILE) $(B)/lib/libbpfsnap.a

$(B)/lib/%.o: daemon/lib/%.c
	$(call say,CC,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(CPPFLAGS) -Idaemon/lib $(LIB_JSON) $(CFLAGS) -fPIC -MMD -MP -c -o $@ $<

$(B)/lib/client.o: daemon/client.c
	$(call say,CC,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(CPPFLAGS) $(LIB_JSON) $(CFLAGS) -fPIC -MMD -MP -c -o $@ $<

$(B)/lib/$(LIB_FILE): $(LIB_OBJ) daemon/lib/libbpfsnap.map
	$(call say,LD,$@)
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) -shared -Wl,-soname,$(LIB_SONAME) -Wl,-z,defs \
		-Wl,--version-script,daemon/lib/libbpfsnap.map -o $@ $(LIB_OBJ) \
		$(shell pkg-config --libs json-c) -pthread
	$(Q)ln -sf $(LIB_FILE) $(B)/lib/$(LIB_SONAME)
	$(Q)ln -sf $(LIB_SONAME) $(B)/lib/libbpfsnap.so

$(B)/lib/libbpfsnap.a: $(LIB_OBJ)
	$(call say,AR,$@)
	$(Q)rm -f $@ && ar rcs $@ $^

$(B)/libbpfsnap.pc: daemon/lib/libbpfsnap.pc.in FORCE
	$(Q)mkdir -p $(@D)
	$(Q)sed 's,@prefix@,$(prefix),; s,@libdir@,$(libdir),; s,@includedir@,$(includedir),; s,@version@,$(VERSION),' \
		$< > $@

install-library: $(B)/lib/$(LIB_FILE) $(B)/lib/libbpfsnap.a $(B)/libbpfsnap.pc
	$(put) 644 $(B)/lib/$(LIB_FILE) $(DESTDIR)$(libdir)/$(LIB_FILE)
	$(Q)ln -sf $(LIB_FILE) $(DESTDIR)$(libdir)/$(LIB_SONAME)
	$(Q)ln -sf $(LIB_SONAME) $(DESTDIR)$(libdir)/libbpfsnap.so
	$(put) 644 $(B)/lib/libbpfsnap.a $(DESTDIR)$(libdir)/libbpfsnap.a
	$(put) 644 include/libbpfsnap.h $(DESTDIR)$(includedir)/libbpfsnap.h
	$(put) 644 include/bpfsnap_track.h $(DESTDIR)$(includedir)/bpfsnap/bpfsnap_track.h
	$(put) 644 include/uapi/bpfsnap.h $(DESTDIR)$(includedir)/bpfsnap/uapi/bpfsnap.h
	$(put) 644 $(B)/libbpfsnap.pc $(DESTDIR)$(libdir)/pkgconfig/libbpfsnap.pc

install: install-library

.PHONY: install-library
-include $(LIB_OBJ:.o=.d)
