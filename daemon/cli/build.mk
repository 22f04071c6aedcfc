# SPDX-License-Identifier: GPL-2.0-only
#
# How is the command bpfsnap built?  Included by the top Makefile, which sets
# B, CC, CFLAGS, CPPFLAGS and Q.

CLI_PACKAGES := json-c smartcols blkid
CLI_CPPFLAGS := -D_GNU_SOURCE $(shell pkg-config --cflags $(CLI_PACKAGES))
CLI_LIBS     := -pthread $(shell pkg-config --libs $(CLI_PACKAGES))

# Shared with the daemon or others; and all but main.c: what unit tests link.
CLI_SHARED   := daemon/client.c daemon/facts.c
CLI_SOURCES  := $(CLI_SHARED) $(filter-out daemon/cli/main.c,$(wildcard daemon/cli/*.c))
CLI_OBJECTS  := $(patsubst %.c,$(B)/daemon/cli/%.o,$(notdir $(CLI_SOURCES)))

$(B)/bpfsnap: $(CLI_OBJECTS) $(B)/daemon/cli/main.o
	$(call say,LD,$@)
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $^ $(CLI_LIBS)

$(CLI_SHARED:daemon/%.c=$(B)/daemon/cli/%.o): $(B)/daemon/cli/%.o: daemon/%.c
	$(Q)mkdir -p $(@D)
	$(call say,CC,$@)
	$(Q)$(CC) $(CPPFLAGS) $(CLI_CPPFLAGS) $(CFLAGS) -MMD -MP -c -o $@ $<

$(B)/daemon/cli/%.o: daemon/cli/%.c
	$(Q)mkdir -p $(@D)
	$(call say,CC,$@)
	$(Q)$(CC) $(CPPFLAGS) $(CLI_CPPFLAGS) $(CFLAGS) -MMD -MP -c -o $@ $<

-include $(wildcard $(B)/daemon/cli/*.d)
