# SPDX-License-Identifier: GPL-2.0-only
#
# How are the unit tests of the command built?  Included by build.mk here,
# after daemon/cli/build.mk.  Each test is a program that needs no argument
# and no privilege, and is appended to UNIT_TESTS.

CLI_UNIT_DIR	:= $(B)/tests/unit
CLI_UNIT_FLAGS	:= -O1 -g -std=gnu11 -Wall -Wextra -Wshadow -Wmissing-prototypes \
	-fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer
CLI_UNIT_CPPFLAGS := -Iinclude -Idaemon -Idaemon/cli $(CLI_CPPFLAGS)
CLI_UNIT_OBJECTS := $(CLI_OBJECTS:$(B)/daemon/cli/%=$(CLI_UNIT_DIR)/cli/%)
CLI_UNIT_TESTS	:= $(patsubst tests/unit/%.c,$(CLI_UNIT_DIR)/%,$(wildcard tests/unit/t_cli_*.c))

comma		:= ,
UNIT_TESTS	+= $(CLI_UNIT_TESTS)

# Where t_cli_faults.h puts its faults.
$(addprefix $(CLI_UNIT_DIR)/t_cli_,backup refuse): private CLI_UNIT_WRAP := \
	-Wl,--wrap=sidecar_write -Wl,--wrap=copy_patch -Wl,--wrap=copy_new \
	-Wl,--wrap=copy_expand -Wl,--wrap=copy_open -Wl,--wrap=flock
# What t_cli_order traces.
$(CLI_UNIT_DIR)/t_cli_order: private CLI_UNIT_WRAP := $(addprefix -Wl$(comma)--wrap=,\
	fsync rename unlink fallocate pwrite write open)
# Where a run is interrupted.
$(CLI_UNIT_DIR)/t_cli_resume: private CLI_UNIT_WRAP := \
	-Wl,--wrap=copy_patch -Wl,--wrap=copy_new -Wl,--wrap=ftruncate
# Which options a verb takes.
$(CLI_UNIT_DIR)/t_cli_surface: private CLI_UNIT_WRAP := -Wl,--wrap=args_parse

$(CLI_UNIT_TESTS): $(CLI_UNIT_DIR)/%: tests/unit/%.c $(CLI_UNIT_OBJECTS)
	$(call say,TEST,$@)
	$(Q)$(CC) $(CLI_UNIT_CPPFLAGS) $(CLI_UNIT_FLAGS) $(CLI_UNIT_WRAP) -MMD -MP -o $@ $< \
		$(CLI_UNIT_OBJECTS) $(CLI_LIBS) -lcmocka

$(CLI_SHARED:daemon/%.c=$(CLI_UNIT_DIR)/cli/%.o): $(CLI_UNIT_DIR)/cli/%.o: daemon/%.c
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(CLI_UNIT_CPPFLAGS) $(CLI_UNIT_FLAGS) -MMD -MP -c -o $@ $<

$(CLI_UNIT_DIR)/cli/%.o: daemon/cli/%.c
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(CLI_UNIT_CPPFLAGS) $(CLI_UNIT_FLAGS) -MMD -MP -c -o $@ $<

-include $(wildcard $(CLI_UNIT_DIR)/cli/*.d $(CLI_UNIT_DIR)/t_cli_*.d)
