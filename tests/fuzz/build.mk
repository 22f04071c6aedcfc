# SPDX-License-Identifier: GPL-2.0-only
# The daemon against messages that nobody honest would send.

FUZZ_DIR	:= $(B)/tests/fuzz
FUZZ_SECONDS	?= 20
FUZZ_OBJ	:= $(DAEMON_SRC:daemon/%.c=$(FUZZ_DIR)/daemon/%.o)
# What the generator of calls and libFuzzer's target need of it.
FUZZ_PURE	:= varlink strict schema schema_parse interface

fuzz-check: $(FUZZ_DIR)/bpfsnapd $(FUZZ_DIR)/f_daemon ## the daemon, with sanitizers, against mutated messages
	$(Q)tests/fuzz/run $(FUZZ_SECONDS) $(FUZZ_SEED)

fuzz: $(FUZZ_DIR)/lf_message ## framing and checking of messages under libFuzzer (clang)
	$(Q)mkdir -p $(FUZZ_DIR)/corpus
	$(Q)cd $(FUZZ_DIR) && ./lf_message -max_total_time=$(FUZZ_SECONDS) -max_len=8192 -print_final_stats=1 \
		-dict=$(CURDIR)/tests/fuzz/message.dict corpus

$(FUZZ_DIR)/bpfsnapd: $(FUZZ_OBJ)
	$(call say,LD,$@)
	$(Q)$(CC) $(UNIT_CFLAGS) -o $@ $^ $(DAEMON_LIBS)

$(FUZZ_OBJ): $(FUZZ_DIR)/daemon/%.o: daemon/%.c
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(UNIT_CPPFLAGS) $(DAEMON_CFLAGS) $(UNIT_CFLAGS) -MMD -MP -c -o $@ $<

$(FUZZ_DIR)/daemon/interface.o: $(B)/daemon/interface_text.h
$(FUZZ_OBJ): $(B)/bpf/track.skel.h

$(FUZZ_DIR)/f_daemon: tests/fuzz/f_daemon.c $(FUZZ_PURE:%=$(FUZZ_DIR)/daemon/%.o)
	$(call say,FUZZ,$@)
	$(Q)$(CC) $(UNIT_CPPFLAGS) $(UNIT_CFLAGS) -MMD -MP -o $@ $(filter %.c %.o,$^) $(shell pkg-config --libs json-c)

$(FUZZ_DIR)/lf_message: tests/fuzz/lf_message.c $(FUZZ_PURE:%=daemon/%.c) $(B)/daemon/interface_text.h
	$(call say,FUZZ,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CLANG) $(UNIT_CPPFLAGS) -O1 -g -std=gnu11 -fsanitize=fuzzer,address,undefined -fno-sanitize-recover=all \
		-o $@ $(filter %.c,$^) $(shell pkg-config --libs json-c)

.PHONY: fuzz fuzz-check
-include $(wildcard $(FUZZ_DIR)/*.d $(FUZZ_DIR)/daemon/*.d)
