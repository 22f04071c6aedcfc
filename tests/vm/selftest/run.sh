#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Would the laboratory notice?  selftest/run.sh [KERNEL...] runs scenarios that go
# wrong in every way that we know, and checks what "run" makes of each. TAP.

set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
vm=$(dirname "$here")
[ $# -gt 0 ] || set -- 6.1 6.12

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
count=0
failed=0

# expect KERNEL EXIT_CODE SCENARIO PATTERN [OPTION...] - PATTERN is in its TAP.
expect() {
	local kernel=$1 wanted=$2 scenario=$3 pattern=$4 rc=0
	shift 4
	"$vm/run" "$@" "$kernel" "$here/$scenario" >"$scratch/tap" 2>&1 || rc=$?
	count=$((count + 1))
	if [ "$rc" -eq "$wanted" ] && grep -qE "$pattern" "$scratch/tap"; then
		echo "ok $count - $kernel: $scenario ends with $wanted"
		return
	fi
	failed=1
	echo "not ok $count - $kernel: $scenario ends with $wanted"
	echo "# it ended with $rc, and was to print: $pattern"
	sed 's/^/# | /' "$scratch/tap"
}

# build_module KERNEL - out of the tree, against the headers in the cache.
build_module() {
	local kdir run
	kdir=$("$vm/fetch" --print KDIR "$1")
	run=$("$vm/fetch" --print RUN "$1")
	rm -rf "$scratch/module"
	cp -r "$here/module" "$scratch/module"
	# shellcheck disable=SC2086 # a list of words, or none
	$run make -s -C "$kdir" M="$scratch/module" modules >&2
}

for kernel; do
	expect "$kernel" 1 fails-a-check '^not ok 2 - false does not$'
	expect "$kernel" 1 fails-outside-a-check '^# ended with 1 at line 8: '
	expect "$kernel" 1 tests-nothing '^not ok 1 - the scenario tests something$'
	expect "$kernel" 1 lies '^not ok 1 - this counts$'
	expect "$kernel" 1 leaves-a-mess '^not ok 2 - cleanup: '
	expect "$kernel" 1 panics '^# console: .*sysrq triggered crash'
	expect "$kernel" 1 complains '^not ok 2 - kernel log is clean$'
	expect "$kernel" 1 hangs '^not ok 2 - the guest comes to an end within 25 s$'
	expect "$kernel" 77 skips '^1\.\.0 # SKIP this is only a test$'
	build_module "$kernel"
	expect "$kernel" 1 warns '^# .*WARNING: .*lab_hello_init' \
		--add "$scratch/module/lab_hello.ko"
	expect "$kernel" 1 warns '^ok 2 - the module unloads$' \
		--add "$scratch/module/lab_hello.ko"
done

echo "1..$count"
exit "$failed"
