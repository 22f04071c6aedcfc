# SPDX-License-Identifier: GPL-2.0-only
#
# All output goes to build/.  `make` builds what this machine allows and says
# what it left out; `make help` lists the targets.

B	:= build
CC	?= gcc
CLANG	?= clang
BPFTOOL	?= bpftool
V	?= 0
Q	:= $(if $(filter 1,$(V)),,@)
say	= $(if $(filter 1,$(V)),,@printf '  %-7s %s\n' '$(1)' '$(patsubst $(B)/%,%,$(2))')

VERSION	:= 0.1.0

CFLAGS	?= -O2 -g
override CFLAGS += -std=gnu11 -Wall -Wextra -Wshadow -Wmissing-prototypes -Wstrict-prototypes \
	-Wno-unused-parameter -fstack-protector-strong
override CPPFLAGS += -D_GNU_SOURCE -D_FORTIFY_SOURCE=2 -DBPFSNAP_VERSION='"$(VERSION)"' -Iinclude -Idaemon -I$(B)

# Kernel headers to build the module for: the running kernel's unless told.
KDIR	?= /lib/modules/$(shell uname -r)/build

.DEFAULT_GOAL := all
.DELETE_ON_ERROR:
.SECONDARY:
.PHONY: all help deps check demo shell unit test-programs bpf-check vm-check module install clean

MISSING	:= $(strip $(foreach t,$(CC) $(CLANG) $(BPFTOOL) pkg-config,$(if $(shell command -v $(t)),,$(t))))

all: ## daemon, command, BPF programs and, where there are kernel headers, the module
ifneq ($(MISSING),)
all:
	@echo "missing: $(MISSING); 'make deps' installs what is needed"; exit 1
else
all: $(B)/bpfsnapd $(B)/bpfsnap
	@if [ -e "$(KDIR)/Makefile" ]; then $(MAKE) --no-print-directory module; \
	else echo "module: left out, no kernel headers in $(KDIR) (set KDIR=, or 'make vm-modules' for the test kernels)"; fi
endif

include bpf/build.mk
include kmod/build.mk
-include daemon/build.mk
-include daemon/cli/build.mk
-include daemon/system/build.mk
-include daemon/lib/build.mk
-include tests/unit/build.mk
-include tests/build.mk

deps: ## install the Debian packages that are missing (root)
	$(Q)tests/deps.sh

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST) | sort -u
	@echo "  variables: KDIR=<kernel headers> KERNELS='6.1 6.12 7.2' HOST=1 (demo on this machine) V=1"

clean: ## remove build/
	$(Q)rm -rf $(B)
