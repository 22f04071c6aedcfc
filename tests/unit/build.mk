# SPDX-License-Identifier: GPL-2.0-only
# Unit tests: no privilege, no kernel of ours, ASan and UBSan, seconds.

UNIT_DIR	:= $(B)/tests/unit
UNIT_CFLAGS	:= -O1 -g -std=gnu11 -Wall -Wextra -Wshadow -Wmissing-prototypes -Wno-unused-parameter \
	-fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer
UNIT_CPPFLAGS	= -D_GNU_SOURCE -DBPFSNAP_VERSION='"unit"' -Iinclude -Idaemon -I$(B) \
	$(shell pkg-config --cflags json-c)

# The parts of the daemon that touch nothing but their arguments, and sysfs, whose
# root a test can choose.
UNIT_PURE	:= varlink strict schema schema_parse extents reasons snapshot doubt interface \
	sysfs device fsdev fsjournal dmtable freeze stack reach unfit renumber events held worker config hooks notify log facts metrics
UNIT_OBJ	:= $(UNIT_PURE:%=$(UNIT_DIR)/daemon/%.o)
UNIT_OWN	:= $(patsubst tests/unit/%.c,$(UNIT_DIR)/%,\
	$(filter-out tests/unit/t_cli_% tests/unit/t_lib%,$(wildcard tests/unit/t_*.c)))
UNIT_TESTS	:= $(UNIT_OWN)

-include tests/unit/cli.mk

# The client library.
UNIT_LIB_SRC	:= $(wildcard daemon/lib/*.c) daemon/client.c
UNIT_LIB	:= $(UNIT_DIR)/t_lib $(UNIT_DIR)/t_lib_more
UNIT_TESTS	+= $(UNIT_LIB)
$(UNIT_LIB): $(UNIT_DIR)/%: tests/unit/%.c tests/unit/lib_daemon.h $(UNIT_LIB_SRC) daemon/client.h daemon/lib/lib.h include/libbpfsnap.h
	$(call say,TEST,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(UNIT_CPPFLAGS) -Idaemon/lib $(UNIT_CFLAGS) -o $@ $< $(UNIT_LIB_SRC) \
		$(shell pkg-config --libs json-c) -pthread -lcmocka

$(UNIT_OWN): $(UNIT_DIR)/%: tests/unit/%.c $(UNIT_OBJ)
	$(call say,TEST,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(UNIT_CPPFLAGS) $(UNIT_CFLAGS) -MMD -MP -o $@ $< $(UNIT_OBJ) \
		$(shell pkg-config --libs json-c mount uuid libsystemd devmapper) -lcmocka

$(UNIT_OBJ): $(UNIT_DIR)/daemon/%.o: daemon/%.c
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(UNIT_CPPFLAGS) $(shell pkg-config --cflags mount) $(UNIT_CFLAGS) -MMD -MP -c -o $@ $<

$(UNIT_DIR)/daemon/interface.o: $(B)/daemon/interface_text.h

unit: $(UNIT_TESTS) ## unit tests with sanitizers, no root needed
	$(Q)failed=; for t in $(UNIT_TESTS); do \
		if $$t > $$t.log 2>&1; then \
			printf '  ok      %s (%s)\n' $${t##*/} "$$(grep -c '\[       OK' $$t.log)"; \
		else failed="$$failed $${t##*/}"; printf '  FAILED  %s\n' $${t##*/}; cat $$t.log; fi; \
	done; \
	if [ -n "$$failed" ]; then echo "unit: FAILED:$$failed"; exit 1; fi; \
	echo "unit: $(words $(UNIT_TESTS)) programs, all passed"

test-programs: $(UNIT_TESTS)

# The daemon with ThreadSanitizer, for tests/bpf/clients.  Libraries are not built so: what
# they do under our locks is theirs.
TSAN_DIR	:= $(B)/tests/tsan
TSAN_OBJ	:= $(DAEMON_SRC:daemon/%.c=$(TSAN_DIR)/daemon/%.o)
TSAN_CFLAGS	:= -O1 -g -std=gnu11 -fsanitize=thread -fno-omit-frame-pointer

$(TSAN_DIR)/bpfsnapd: $(TSAN_OBJ)
	$(call say,LD,$@)
	$(Q)$(CC) $(TSAN_CFLAGS) -o $@ $^ $(DAEMON_LIBS)

$(TSAN_OBJ): $(TSAN_DIR)/daemon/%.o: daemon/%.c
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(UNIT_CPPFLAGS) $(DAEMON_CFLAGS) $(TSAN_CFLAGS) -MMD -MP -c -o $@ $<

$(TSAN_DIR)/daemon/interface.o: $(B)/daemon/interface_text.h
$(TSAN_OBJ): $(B)/bpf/track.skel.h
-include $(TSAN_OBJ:.o=.d)

-include $(UNIT_OBJ:.o=.d) $(UNIT_OWN:=.d)
