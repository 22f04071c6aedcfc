# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
#
# What becomes of writes that are on their way at a boundary, and land after somebody else's
# snapshot? A scenario that asks tells how writes are held up below its device and let go
# (hold, let_go), and how to look at what has landed (below FILE).

scratch=${own:-/run/lab}

advance() { bpfsnap --json epoch advance "$@" | jq .devices[0].since; }
# first - what changed since is all that is known of the only device.
first() { echo $(($(bpfsnap --json device list | jq '.devices[0].first_epoch') - 1)); }

# listed DEVICE SINCE - changed blocks of 4 KiB, one a line.
listed() {
	bpfsnap changes "$1" --since "$2" |
		awk '{ for (i = 0; i < $2 / 4096; i++) print $1 / 4096 + i }' | sort
}

# write_blocks DEVICE FIRST COUNT - each by a process of its own; sets writers.
write_blocks() {
	local blk
	writers=()
	for ((blk = $2; blk < $2 + $3; blk++)); do
		dd if=/dev/urandom of="$1" bs=4k seek=$((blk * 5)) count=1 oflag=direct conv=notrunc \
			status=none &
		writers+=($!)
	done
}

# await COMMAND... - until it succeeds, for 20 s.
await() {
	local tries=100
	until "$@"; do
		tries=$((tries - 1))
		[ "$tries" -gt 0 ] || return 1
		sleep 0.2
	done
}
are_listed() { [ "$(listed "$1" "$2" | wc -l)" -eq "$3" ]; }
sys_of() { echo "/sys/dev/block/$((0x$(stat -c %t "$1"))):$((0x$(stat -c %T "$1")))"; }
are_inflight() { read -r _ n <"$(sys_of "$1")/inflight" && [ "$n" -eq "$2" ]; }

# few_requests LOOP - so 4 writes are with the driver, and others wait, marked, for a request.
few_requests() {
	echo none >"/sys/block/${1##*/}/queue/scheduler" || true
	echo 4 >"/sys/block/${1##*/}/queue/nr_requests"
}

# straddle NAME DEVICE - 16 writes are held up below, a boundary made, a snapshot taken, and
# the writes let go.
straddle() {
	local name=$1 device=$2 since started missed
	started=$(advance "$device")
	hold
	write_blocks "$device" 0 16
	check "$name: 4 are with the driver" await are_inflight "$device" 4
	check "$name: all 16 are marked already, in the epoch that ends" await are_listed "$device" "$started" 16
	since=$(advance "$device")
	below $scratch/old
	is "$(listed "$device" "$since" | wc -l)" 0 "$name: nothing has changed since the boundary"
	let_go
	wait "${writers[@]}"
	below $scratch/new
	(blockdiff $scratch/old $scratch/new 4096 || true) | sort >$scratch/differ
	listed "$device" "$since" >$scratch/listed
	is "$(wc -l <$scratch/differ)" 16 "$name: 16 blocks landed after the snapshot"
	missed=$(comm -23 $scratch/differ $scratch/listed | wc -l)
	is "$missed" 0 "$name: none of them is missing in the list"
	is "$(wc -l <$scratch/listed)" 16 "$name: and nothing else is in it"
	is "$(bpfsnap --json changes "$device" --since "$since" | jq -r .state)" ok "$name: without a doubt"
}
