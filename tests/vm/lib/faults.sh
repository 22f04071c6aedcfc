# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
#
# How does a scenario make the kernel fail?  Only a debug kernel can (tests/torture).

# need_faults - skips the scenario where nothing fails on request.
need_faults() {
	[ -d /sys/kernel/debug/failslab ] || skip_all "this kernel has no fault injection"
	need_product
	local way
	echo "lab: faults are injected" >/dev/kmsg
	for way in failslab fail_page_alloc fail_usercopy fail_make_request; do
		faults "$way" verbose 0
		cleanup_fn faults "$way" probability 0
	done
}

# faults WAY SETTING VALUE - see the kernel's own fault-injection.rst.
faults() { echo "$3" >"/sys/kernel/debug/$1/$2"; }

# faults_in_module WAY PERCENT - only below a function of the module, whoever calls it.
faults_in_module() {
	local text size_bytes
	text=$(cat /sys/module/bpfsnap/sections/.text)
	size_bytes=$(cat /sys/module/bpfsnap/coresize)
	faults "$1" require-start "$text"
	faults "$1" require-end "$(printf '0x%x' $((text + size_bytes)))"
	faults "$1" stacktrace-depth 32
	faults "$1" times -1
	faults "$1" probability "$2"
}

# fragile_disk DEVICE PERCENT - so many of its requests fail.
fragile_disk() {
	echo 1 >"/sys/class/block/${1##*/}/make-it-fail"
	cleanup_fn eval "echo 0 >/sys/class/block/${1##*/}/make-it-fail"
	faults fail_make_request times -1
	faults fail_make_request probability "$2"
}
