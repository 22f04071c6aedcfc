# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
#
# How does a scenario get a running bpfsnapd?
# The daemon is started as it is on a real system: loading bpfsnap.ko is its job.

bpfsnapd_socket=/run/bpfsnap/bpfsnapd.sock
bpfsnapd_log=/run/lab/bpfsnapd.log
bpfsnapd_pid_file=/run/lab/bpfsnapd.pid

# await COMMAND... - until it succeeds, for half a minute at most.
await() {
	local tries=300
	until "$@"; do
		tries=$((tries - 1))
		[ "$tries" -gt 0 ] || return 1
		sleep 0.1
	done
}

# need_product - skips the scenario where the product has not been built.
need_product() {
	[ -x /usr/sbin/bpfsnapd ] || skip_all "build/bpfsnapd has not been built"
	[ -e "/lib/modules/$(uname -r)/extra/bpfsnap.ko" ] ||
		skip_all "bpfsnap.ko has not been built for $(uname -r)"
}

bpfsnapd_pid() { cat "$bpfsnapd_pid_file" 2>/dev/null; }

bpfsnapd_runs() {
	local pid
	pid=$(bpfsnapd_pid) && kill -0 "$pid" 2>/dev/null
}

# A stream socket that accepts connections has this flag in /proc/net/unix.
bpfsnapd_listens() {
	awk -v path="$bpfsnapd_socket" \
		'$8 == path && $4 == "00010000" { found = 1 } END { exit !found }' \
		/proc/net/unix
}

# start_bpfsnapd [ARGUMENT...] - returns once it can be talked to.
start_bpfsnapd() {
	local tries=300
	mkdir -p "${bpfsnapd_socket%/*}"
	bpfsnapd "$@" >>"$bpfsnapd_log" 2>&1 </dev/null &
	echo $! >"$bpfsnapd_pid_file"
	# Only the last one is still there at the end: some scenarios start dozens.
	[ ! -e "$cleanup_stack" ] || sed -i '/^stop_bpfsnapd $/d' "$cleanup_stack"
	cleanup_fn stop_bpfsnapd
	until bpfsnapd_listens; do
		tries=$((tries - 1))
		if [ "$tries" -eq 0 ] || ! bpfsnapd_runs; then
			not_ok "bpfsnapd starts"
			bpfsnapd_show_log
			return 1
		fi
		sleep 0.1
	done
}

bpfsnapd_show_log() {
	diag "the log of bpfsnapd:"
	tail -n 40 "$bpfsnapd_log" | diag
}

# in_ioctl - does a thread of bpfsnapd have something done by the kernel, that takes a while?
in_ioctl() {
	grep -qs '^16 ' "/proc/$(bpfsnapd_pid)"/task/*/syscall && sleep 0.2 &&
		grep -qs '^16 ' "/proc/$(bpfsnapd_pid)"/task/*/syscall
}

# unload - the module, once nobody uses it any more: what has just ended may have it a moment longer.
unload() { await rmmod bpfsnap 2>/dev/null || rmmod bpfsnap; }

# stop_bpfsnapd - politely, and with a deadline of 30 s. No daemon is no error.
stop_bpfsnapd() {
	local pid tries=300 rc=0
	bpfsnapd_runs || { rm -f "$bpfsnapd_pid_file"; return 0; }
	pid=$(bpfsnapd_pid)
	kill -TERM "$pid"
	while kill -0 "$pid" 2>/dev/null; do
		tries=$((tries - 1))
		if [ "$tries" -eq 0 ]; then
			echo "bpfsnapd does not end when it is asked to"
			kill -KILL "$pid"
			rc=1
			break
		fi
		sleep 0.1
	done
	wait "$pid" || rc=$?
	[ "$rc" -ne 127 ] || rc=0	# a child of another shell
	rm -f "$bpfsnapd_pid_file"
	[ "$rc" -eq 0 ] || tail -n 40 "$bpfsnapd_log"
	return "$rc"
}

# kill_bpfsnapd - what the out-of-memory killer would do.
kill_bpfsnapd() {
	local pid
	pid=$(bpfsnapd_pid)
	kill -KILL "$pid"
	wait "$pid" || true
	rm -f "$bpfsnapd_pid_file"
}
