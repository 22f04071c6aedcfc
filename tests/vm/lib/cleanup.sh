# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
#
# Who tidies up?  Whoever made the mess says right away how to remove it; what was
# made last is removed first. Works from subshells, so "disk=$(make_loop 8)" does.

cleanup_stack=/run/lab/cleanup

# cleanup_fn COMMAND... - run it when the scenario ends, however that is.
cleanup_fn() { printf '%q ' "$@" | sed 's/$/\n/' >>"$cleanup_stack"; }

# A mess that cannot be removed is a finding: something is still in use.
cleanup_run() {
	local line
	while [ -s "$cleanup_stack" ]; do
		line=$(tail -n 1 "$cleanup_stack")
		# Without room for a temporary file this line would be run for ever.
		sed -i '$d' "$cleanup_stack" || { not_ok "cleanup: $cleanup_stack can't be changed"; return; }
		if ! eval "$line" >"$cleanup_stack.out" 2>&1; then
			not_ok "cleanup: $line"
			diag <"$cleanup_stack.out"
		fi
	done
}
