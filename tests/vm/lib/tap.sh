# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
#
# How does a scenario say what it found out?  As TAP on its standard output.

tap_count=0
tap_failed=0
tap_skip_reason=
tap_bailed=
tap_failure=

# diag TEXT... - lines for whoever reads why a test failed. Or: command | diag
diag() {
	if [ $# -gt 0 ]; then
		printf '%s\n' "$@" | sed 's/^/# /'
	else
		sed 's/^/# /'
	fi
}

ok() {
	tap_count=$((tap_count + 1))
	echo "ok $tap_count - $*"
}

not_ok() {
	tap_count=$((tap_count + 1))
	tap_failed=$((tap_failed + 1))
	echo "not ok $tap_count - $*"
}

# is GOT WANTED NAME
is() {
	if [ "$1" = "$2" ]; then
		ok "$3"
	else
		not_ok "$3"
		diag "got:    $1" "wanted: $2"
	fi
}

# check NAME COMMAND... - ok if the command succeeds; it runs in a subshell, and
# what it prints is shown if it fails. The scenario goes on in either case.
check() {
	local name=$1 output=/run/lab/check.$BASHPID rc=0
	shift
	set +e
	(set -e; "$@") >"$output" 2>&1
	rc=$?
	set -e
	if [ "$rc" -eq 0 ]; then
		ok "$name"
	else
		not_ok "$name"
		{
			echo "failed with $rc: $*"
			tail -n 40 "$output"
		} | diag
	fi
	rm -f "$output"
}

# check_fails NAME COMMAND... - ok if the command is refused.
check_fails() {
	local name=$1
	shift
	check "$name" tap_fails "$@"
}

tap_fails() {
	local rc=0
	"$@" || rc=$?
	# Killed by a signal or not found is no refusal.
	if [ "$rc" -eq 0 ] || [ "$rc" -ge 126 ]; then
		echo "should have been refused, but ended with $rc"
		return 1
	fi
}

# need NAME COMMAND... - a check without which the rest makes no sense.
need() {
	local failed=$tap_failed
	check "$@"
	[ "$tap_failed" -eq "$failed" ] || bail "cannot go on without: $1"
}

# skip NAME REASON - one test that does not apply here.
skip() {
	tap_count=$((tap_count + 1))
	echo "ok $tap_count - $1 # SKIP $2"
}

# skip_all REASON - this scenario does not apply here. Before the first test.
skip_all() {
	tap_skip_reason=$1
	exit 77
}

bail() {
	tap_bailed=1
	diag "gave up: $*"
	exit 1
}

tap_note_failure() { tap_failure="line $1: $2"; }

tap_finish() {
	local status=$1
	trap - ERR
	set +eE
	cleanup_run
	if [ -n "$tap_skip_reason" ] && [ "$tap_count" -eq 0 ]; then
		echo "1..0 # SKIP $tap_skip_reason"
		exit 77
	fi
	if [ "$status" -ne 0 ] && [ -z "$tap_bailed" ]; then
		not_ok "the scenario runs to its end"
		diag "ended with $status at ${tap_failure:-an unknown place}"
	fi
	[ "$tap_count" -gt 0 ] || not_ok "the scenario tests something"
	echo "1..$tap_count"
	# A bare "exit" would repeat the status from before this trap.
	if [ "$tap_failed" -eq 0 ] && [ -z "$tap_bailed" ]; then
		exit 0
	fi
	exit 1
}
